"""Servers as processes on loopback: started, waited for, measured, and ended again."""

from __future__ import annotations

import http.client
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Sequence

from request_bodies import Bodies
from training_speed import Worker
from wrk import load

WORKERS = pathlib.Path(__file__).parent / "workers"
SIZE = 64  # pixels
# Nothing of an accelerator, so that all compute on the same cores.
ENVIRONMENT = {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}


class Server:
    """A server in a process of its own, which answers when the constructor returns.

    Args:
        name: what tables call it.
        command: what starts it.
        port: where on 127.0.0.1 it listens.
        ready: the path that answers 200 once it is ready.
        environment: variables that it gets besides this process's.

    Raises:
        RuntimeError: it ended, or did not answer within three minutes.
    """

    def __init__(self, name: str, command: Sequence[str], port: int, ready: str, environment: dict[str, str]):
        self.name, self.port = name, port
        shown = None if os.environ.get("BENCHMARK_DEBUG") else subprocess.DEVNULL
        self.process = subprocess.Popen(
            command, stdout=shown, stderr=shown, stdin=subprocess.DEVNULL, env={**os.environ, **environment}
        )
        deadline = time.monotonic() + 180
        while self.get(ready)[0] != 200:
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.close()
                raise RuntimeError(f"{name} did not start; BENCHMARK_DEBUG=1 shows why. Command: {' '.join(command)}")
            time.sleep(0.2)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body; status 0 where nothing answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except OSError:
            return 0, b""
        finally:
            connection.close()

    def memory(self) -> float:
        """Resident MiB of the process and all below it."""
        return sum(_resident(process) for process in _family(self.process.pid)) / 2**20

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def export(worker: Worker, run: str, backends: Sequence[str], directory: pathlib.Path) -> pathlib.Path:
    """The folder of a version, exported by workers/keras_mtl_serving.py with the files that the backends need."""
    formats = [backend for backend in backends if backend != "tensorflow"]
    request = {"run": run, "size": SIZE, "directory": str(directory), "formats": formats}
    return pathlib.Path(worker.ask(what="export", **request)["path"])


def keras_mtl_server(model: pathlib.Path, backend: str, port: int) -> Server:
    command = [sys.executable, "-m", "keras_mtl.serve", f"--model={model}", f"--backend={backend}", f"--port={port}"]
    return Server(f"keras_mtl, {backend}", command, port, "/readyz", ENVIRONMENT)


def torch_server(python: str, port: int, bodies: Bodies) -> Server:
    """With one thread a call or all, whichever answers more in a trial."""
    rates = {}
    for threads in sorted({1, len(os.sched_getaffinity(0))}):
        server = torch_process(python, threads, port)
        load(server.url("/predict"), bodies, 16, 1)
        rates[threads] = load(server.url("/predict"), bodies, 16, 2)["rate"]
        server.close()
    return torch_process(python, max(rates, key=rates.__getitem__), port)


def torch_process(python: str, threads: int, port: int) -> Server:
    command = [python, str(WORKERS / "torch_server.py"), str(port), str(SIZE), str(threads)]
    return Server(f"FastAPI and torch, {threads} thread(s) a call", command, port, "/ready", ENVIRONMENT)


def deepface_server(python: str, home: str, port: int) -> Server:
    gunicorn = str(pathlib.Path(python).parent / "gunicorn")
    command = [gunicorn, f"--chdir={WORKERS}", f"--bind=127.0.0.1:{port}", "--workers=1", "--timeout=7200"]
    environment = {**ENVIRONMENT, "DEEPFACE_HOME": home, "DEEPFACE_BACKEND_ENGINE": "tensorflow"}
    return Server("deepface's API", [*command, "deepface_server:create_app()"], port, "/", environment)


def _family(process: int) -> list[int]:
    found = [process]
    for task in pathlib.Path(f"/proc/{process}/task").glob("*/children"):
        for child in task.read_text().split():
            found += _family(int(child))
    return found


def _resident(process: int) -> int:
    fields = pathlib.Path(f"/proc/{process}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")
