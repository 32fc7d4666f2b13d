"""Runs command lines one after the other in one process, which imports TensorFlow once.

    python tests/run_in_order.py COMMANDS.json      [["train", "--tasks=age"], …], in the current folder

Faces are red squares (`fake_detector`), servers answer once, and a comparison trains its nets in this process and ends
there: its table takes longer than all the rest, and has tests of its own. What `train` prints as the next commands is
run as well where a command's words end with "then".
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import pathlib
import shlex
import sys
import time

import fake_detector
import httpx
from running_server import running_server

import keras_mtl
from keras_mtl import cli
from keras_mtl.comparison import experiment
from keras_mtl.data.faces.prepare import prepare


class Trained(Exception):
    """A comparison's nets are trained."""


def train_here(cells, jobs, output, tell, **options):
    from keras_mtl.training import train

    for cell in cells:
        cell.run.check(cell.config)
        train(cell.config)
    raise Trained


def run(name: str, words: list[str]) -> str:
    """Runs a command with these words and returns what it printed."""
    module = importlib.import_module(f"keras_mtl.{name}")
    config, rest = cli.parse(config_class(module), words)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(Trained):
        if name == "serve":
            with running_server(*config.model) as address:
                assert httpx.get(address).status_code == 200
        else:
            assert not (module.main(config, rest) if rest else module.main(config))
    return printed.getvalue()


def command_module(name: str):
    """A module such as keras_mtl.train, which is not left in the place of the package's function of that name."""
    module = importlib.import_module(name)
    last = name.rpartition(".")[2]
    if last in keras_mtl.__all__:
        vars(keras_mtl).pop(last, None)
    return module


def config_class(module) -> type:
    """The dataclass of a command's flags."""
    (found,) = [
        value
        for name, value in vars(module).items()
        if name.endswith("Config") and (value.__module__ == module.__name__ or not hasattr(module, "GROUP"))
    ]
    return found


if __name__ == "__main__":
    experiment.train_cells = train_here
    prepare.__kwdefaults__["load"] = fake_detector.load
    for name, *words in json.loads(pathlib.Path(sys.argv[1]).read_text()):
        follow = words[-1:] == ["then"]
        line = f"python -m keras_mtl.{name} {shlex.join(words)}"
        start = time.monotonic()
        try:
            printed = run(name, words[:-1] if follow else words)
            lines = printed.partition("Next:\n")[2].splitlines() if follow else []
            assert lines or not follow, printed
            for after in lines:
                _, _, module, *more = shlex.split(after)
                printed += run(module.removeprefix("keras_mtl."), more)
        except BaseException:
            print(f"FAILED: {line}", file=sys.stderr)
            raise
        print(f"{time.monotonic() - start:5.1f} s  {line}\n{printed if follow else ''}", flush=True)
