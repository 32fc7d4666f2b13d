"""Work spread over child processes with one thread each, handed out piece by piece.

Plain `python -c` children, as in `keras_mtl.data.drawing.parallel` and for its reasons; and a child ends by itself
when its parent is killed, since its input ends.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from queue import Queue
from typing import Any

_CHILD = "from keras_mtl.data.faces.children import _serve; _serve()"
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")


def map_in_children(make: Callable[..., Callable], arguments: tuple, jobs: Iterable, children: int) -> Iterator[Any]:
    """What `make(*arguments)(job)` returns for each job, in the order in which they are done.

    Args:
        make: a function at the top of a module; called once in each child.
        arguments: for `make`; as jobs and results, anything that can be pickled.
        jobs: taken one by one, as children come free.
        children: how many, 1 or more.

    Raises:
        RuntimeError: a child raised, or died; the message says of what. Whatever is raised, also by `jobs` or in
            the caller's loop, no child stays behind.
    """
    source, lock, stopped = iter(jobs), threading.Lock(), threading.Event()
    results: Queue = Queue()
    working = [_Child(make, arguments) for _ in range(children)]

    def feed(child: _Child) -> None:
        try:
            while not stopped.is_set():
                with lock:
                    job = next(source, _NO_MORE)
                if job is _NO_MORE:
                    break
                results.put((child.do(job), None))
            results.put((_NO_MORE, None))
        except BaseException as error:
            results.put((None, error))

    threads = [threading.Thread(target=feed, args=(child,), daemon=True) for child in working]
    for thread in threads:
        thread.start()
    try:
        left = children
        while left:
            result, error = results.get()
            if error:
                raise error
            if result is _NO_MORE:
                left -= 1
            else:
                yield result
    finally:
        stopped.set()
        for child in working:
            child.kill()
        for thread, child in zip(threads, working, strict=True):
            thread.join()
            child.close()


_NO_MORE = object()


class _Child:
    """A child process, and the pipes to and from it."""

    def __init__(self, make: Callable[..., Callable], arguments: tuple):
        self._how = (make, arguments)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3", **_ONE_THREAD},
        )

    def do(self, job: Any) -> Any:
        assert self._process.stdin and self._process.stdout
        try:
            pickle.dump((*self._how, job), self._process.stdin)
            self._process.stdin.flush()
            result, problem = pickle.load(self._process.stdout)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):
            code = self._process.wait()
            self._errors.seek(0)
            last = self._errors.read().decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
            raise RuntimeError(f"A child process ended with exit code {code}: {last[0]}") from None
        if problem:
            raise RuntimeError(f"A child process failed:\n{problem}")
        return result

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()  # type: ignore[union-attr]


def _serve() -> None:
    """What a child does: how to work, and a job, in on stdin; results out on stdout, as pickles."""
    # Whatever a library prints must not get between the results.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    work = None
    while True:
        try:
            make, arguments, job = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            work = work or make(*arguments)
            answer = (work(job), "")
        except Exception:
            answer = (None, traceback.format_exc())
        pickle.dump(answer, out)
        out.flush()
