"""Command lines in forks of one process that has imported TensorFlow, which else takes half of a small command's time.

As a program it is that process: it reads a JSON line for each command and answers with the exit code in a line. A fork
goes on as `python -m keras_mtl.<command>` does after its imports, and ends as the interpreter does.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import pathlib
import runpy
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parents[1]
_AT_IMPORT = ("TF_", "OMP_", "KERAS_", "PYTHON", "LC_", "LANG", "ABSL_", "CUDA_")
"""Beginnings of the environment variables that imports look at."""


def run_warm(command: str, arguments: list[str], cwd: pathlib.Path, seconds: float) -> subprocess.CompletedProcess:
    """As `subprocess.run` of `python -m keras_mtl.<command>`; raises its TimeoutExpired."""
    server = _server()
    with tempfile.TemporaryDirectory() as folder:
        files = [pathlib.Path(folder, name) for name in ("out", "err")]
        asked = [command, arguments, str(cwd), dict(os.environ), seconds, *map(str, files)]
        server.stdin.write(json.dumps(asked) + "\n")
        server.stdin.flush()
        code = json.loads(server.stdout.readline())
        out, err = (file.read_text() for file in files)
    if code is None:
        raise subprocess.TimeoutExpired([command, *arguments], seconds, out, err)
    return subprocess.CompletedProcess([command, *arguments], code, out, err)


def is_as_imported() -> bool:
    """Whether the environment is, for all that imports look at, what it was when TensorFlow was imported."""
    return _server().environment == _looked_at()


@functools.cache
def _server() -> subprocess.Popen:
    server = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    server.environment = _looked_at()
    atexit.register(server.stdin.close)
    return server


def _looked_at() -> dict[str, str]:
    # KERAS_MTL_CACHE and the like are read when they are needed.
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith(_AT_IMPORT) and not name.startswith("KERAS_MTL_")
    }


def _serve() -> list | None:
    """Forks for each line; returns in a fork what to run, and None at the end."""
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if not pid:
            return asked
        signal.signal(signal.SIGALRM, lambda *_: os.kill(pid, signal.SIGKILL))  # noqa: B023 - waited for below
        signal.setitimer(signal.ITIMER_REAL, asked[4])
        status = os.waitpid(pid, 0)[1]
        is_late = signal.setitimer(signal.ITIMER_REAL, 0)[0] == 0
        print(json.dumps(None if is_late else os.waitstatus_to_exitcode(status)), flush=True)
    return None


def _run(command: str, arguments: list[str], cwd: str, environment: dict, seconds: float, out: str, err: str) -> None:
    from keras_mtl import ending

    for number, path, mode in ((0, os.devnull, os.O_RDONLY), (1, out, os.O_WRONLY), (2, err, os.O_WRONLY)):
        opened = os.open(path, mode | (os.O_CREAT if mode == os.O_WRONLY else 0))
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115 - open to the end
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[0] = cwd
    sys.argv = [f"keras_mtl.{command}", *arguments]
    ending.begin()
    runpy.run_module(f"keras_mtl.{command}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    from keras_mtl.quiet import import_tensorflow

    import_tensorflow()
    for name in ("training.fit", "evaluation.evaluate"):
        importlib.import_module(f"keras_mtl.{name}")
    gc.freeze()  # Else the first collection in a fork copies every page.
    if asked := _serve():
        _run(*asked)
