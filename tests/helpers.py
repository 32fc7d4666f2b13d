"""What tests share besides fixtures: tiny settings, and the command lines as a user runs them."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess
import sys

from warm_commands import is_as_imported, run_warm

from keras_mtl.tasks import BUILT_IN, Task

ROOT = pathlib.Path(__file__).parents[1]
TINY = ["--image_size=32", "--width=8", "--stages=1,1", "--batch_size=16", "--precision=float32", "--augment=light"]
"""Flags of a net that trains in seconds."""

DRAWN = ",".join(f"{task}=drawn:fraction=0.02" for task in ("age", "gender", "smile"))
"""A fiftieth of the drawn faces."""

TASKS = {
    "regression": BUILT_IN["age"],
    "binary": BUILT_IN["smile"],
    "multiclass": Task("emotion", "multiclass", classes=tuple("abcdefg")),
    "ordinal": BUILT_IN["age_group"],
}
"""A task of each kind."""


def heed_interrupts() -> None:
    """For `preexec_fn`: a shell's background job, as a suite may be, has SIGINT ignored, and its children too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run_command(command: str, *flags: object, check: bool = True, **options) -> subprocess.CompletedProcess:
    """Runs `python -m keras_mtl.<command>` with flags, as a user does; returns what it printed.

    In a process of its own where there are `options` other than `cwd`; else in a fork of one that has done the imports.
    """
    arguments, cwd = list(map(str, flags)), options.pop("cwd", ROOT)
    seconds = 600  # Some machines are several times slower.
    if not options and hasattr(os, "fork") and is_as_imported():
        done = run_warm(command, arguments, cwd, seconds)
    else:
        done = subprocess.run(
            [sys.executable, "-m", f"keras_mtl.{command}", *arguments],
            capture_output=True,
            text=True,
            cwd=cwd,
            timeout=seconds,
            **options,
        )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


_HOLD = """
import sys, time
from keras_mtl.locks import only_writer
with only_writer(*sys.argv[1:]):
    print("held", flush=True)
    time.sleep(60)
"""


@contextlib.contextmanager
def held(*where):
    """Another process that is the `only_writer` there; it is killed at the end."""
    command = [sys.executable, "-c", _HOLD, *map(str, where)]
    options = {"cwd": ROOT, "text": True, "preexec_fn": heed_interrupts}
    with subprocess.Popen(command, stdout=subprocess.PIPE, **options) as process:
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def mutated(data: bytes, random) -> bytes:
    """Some bytes changed, taken out or put in; `random` as hypothesis' `randoms()` gives it."""
    changed = bytearray(data)
    for _ in range(random.randint(1, 20)):
        at = random.randrange(len(changed))
        changed[at : at + random.randint(0, 3)] = random.randbytes(random.randint(0, 3))
    return bytes(changed)
