"""The soak test of serving_load.py: long load at half of full while versions come and go; nothing may be lost."""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import pathlib
import shutil
import statistics
import sys
import threading
import time

from request_bodies import request_bodies
from servers import ENVIRONMENT, Server, export, keras_mtl_server
from training_speed import Worker
from wrk import load

CONNECTIONS = 32
SETTLED = 0.1  # of the time: before, the server still grows into its load


class Reloads(threading.Thread):
    """Adds a version every so often and deletes all but the newest two; notes the server's memory each second.

    Args:
        model: the model's folder, which holds version 1.
        server: the one that serves it.
        every: seconds between new versions.
    """

    def __init__(self, model: pathlib.Path, server: Server, every: float):
        super().__init__()
        self.model, self.server, self.every = model, server, every
        self.original = model.parent / "original"
        shutil.copytree(model / "1", self.original)
        self.version, self.memory = 1, []
        self.ending = threading.Event()

    def run(self) -> None:
        started = time.monotonic()
        while not self.ending.wait(1):
            self.memory.append(self.server.memory())
            if time.monotonic() - started > self.every * self.version:
                self.add()

    def add(self) -> None:
        self.version += 1
        beside = self.model / f".writing-{self.version}"
        shutil.copytree(self.original, beside)
        beside.rename(self.model / str(self.version))
        shutil.rmtree(self.model / str(self.version - 2), ignore_errors=True)


def growth(memory: list[float], answers: int) -> tuple[float, float, float]:
    """MiB in 100,000 answers: the slope by Theil and Sen, and the ends of its 95 % interval."""
    from scipy.stats import theilslopes

    settled = memory[int(SETTLED * len(memory)) :]
    slope, _, low, high = theilslopes(settled)
    seconds = len(memory) / answers * 1e5  # A value a second.
    return slope * seconds, low * seconds, high * seconds


def run(options: argparse.Namespace, folder: pathlib.Path, stack: contextlib.ExitStack) -> dict:
    """Prints and returns what came of `options.soak` seconds, with the first of the backends."""
    worker = Worker(sys.executable, "keras_mtl_serving.py", ENVIRONMENT)
    model = export(worker, options.run, options.backends[:1], folder / "models").parent
    worker.close()
    bodies = request_bodies(folder / "bodies")
    server = keras_mtl_server(model, options.backends[0], options.port)
    stack.callback(server.close)
    ask = functools.partial(load, server.url("/v1/predict"), bodies["photo"])
    ask(16, 2)
    full, single = ask(16, 5), ask(1, 2)
    reloads = Reloads(model, server, options.soak / (options.reloads + 1))
    reloads.start()
    try:
        result = ask(CONNECTIONS, options.soak, 2 * CONNECTIONS / full["rate"] - single["p50"] / 1000)
    finally:
        reloads.ending.set()
        reloads.join()
    (served,) = json.loads(server.get("/v1/models")[1])["models"]
    lost = result["refused"] + result["broken"] + max(result["unanswered"] - CONNECTIONS, 0)
    minute = min(60, len(reloads.memory) // 3)
    third = len(reloads.memory) // 2 - minute // 2
    memory = {
        "first minute": statistics.median(reloads.memory[:minute]),
        "in the middle": statistics.median(reloads.memory[third : third + minute]),
        "last minute": statistics.median(reloads.memory[-minute:]),
        "highest": max(reloads.memory),
    }
    print(f"{server.name}: {result['requests']} answers in {result['seconds']:.0f} s, {result['rate']:.0f} a second")
    print(f"half of the {full['rate']:.0f} at full load; p50 {result['p50']:.1f} ms, p99 {result['p99']:.1f} ms,")
    print(f"slowest {result['slowest']:.0f} ms; one request alone {single['p50']:.1f} ms")
    print(f"lost: {lost} (status 400 or more: {result['refused']}, broken connections: {result['broken']}, ", end="")
    print(f"without an answer at the end: {result['unanswered']} of {CONNECTIONS} connections)")
    print(f"versions added: {reloads.version - 1}; served at the end: {served['version']}")
    print("memory in MiB: " + ", ".join(f"{when} {value:.0f}" for when, value in memory.items()))
    slope, low, high = growth(reloads.memory, result["requests"])
    print(f"growth: {slope:+.2f} MiB in 100,000 answers ({low:+.2f} to {high:+.2f})")
    return {"load": result, "full": full, "single": single, "memory": reloads.memory, "version": served["version"]}
