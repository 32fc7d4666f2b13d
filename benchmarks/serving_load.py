"""Answers a second and latencies of keras_mtl's server, beside others and beside calls without any server.

    python benchmarks/serving_load.py --torch_python=/tmp/peers/bin/python --deepface_python=/tmp/deepface/bin/python
    python benchmarks/serving_load.py --run=runs/faces --backends=onnx --json=load.json
    python benchmarks/serving_load.py --soak=600            ten minutes at half load, with 30 new versions

One net, a ResNet-18 with three heads on 64 px, and the same JPEG photos of drawn faces, one in a request, on loopback:

- keras_mtl.serve with each backend: the photo as it is to /v1/predict, and, by the last of them, TensorFlow Serving's
  REST with the photo as base64;
- the net in torch (BatchNormalization folded, channels last) behind FastAPI as most people write it, with as many
  threads a call as are faster;
- deepface's own API, age and gender without detection: its nets are two VGG-16 on 224 px, so it shows what people
  run, not how fast servers are;
- the ceiling: TensorFlow's direct call, no server, on batches of 32: `serve_bytes` on encoded photos.

Each is a process of its own and they take turns. wrk asks on the same cores (the table tells its share). A figure is
the median over turns, a ratio the median over turns of one round, with the lowest and the highest beside it. At half
load, requests come at random times, at half of the highest rate, over 32 connections.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import pathlib
import statistics
import sys
import tempfile
from collections.abc import Callable

import soak
from request_bodies import Bodies, request_bodies
from servers import ENVIRONMENT, Server, deepface_server, export, keras_mtl_server, torch_server
from training_speed import Worker, has_torch, processor
from wrk import load


class Case:
    """A row: what is asked of which server. A turn is longer where many requests are in flight when it ends."""

    def __init__(self, name: str, server: Server, path: str, bodies: Bodies, levels: list[int], seconds: int):
        self.name, self.levels, self.seconds = name, levels, seconds
        self.ask: Callable[..., dict] = functools.partial(load, server.url(path), bodies)
        self.turns: dict[int, list[dict]] = {level: [] for level in levels}
        self.half_load: list[dict] = []

    def median(self, level: int, figure: str) -> float:
        return statistics.median(turn[figure] for turn in self.turns[level])

    @property
    def full(self) -> int:
        """How many connections give most answers a second."""
        return max(self.levels, key=lambda level: self.median(level, "rate"))

    def pause(self) -> float:
        """The mean pause that makes half of the highest rate, in seconds."""
        return max(2 * soak.CONNECTIONS / self.median(self.full, "rate") - self.median(1, "p50") / 1000, 0.001)


def spread(values: list[float], form: str) -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}}–{max(values):{form}})"


def print_tables(cases: list[Case], ceilings: dict[str, list[float]], levels: list[int]) -> None:
    def table(title: str, cell: Callable[[Case, int], str]) -> None:
        print(f"\n| {title} | {' | '.join(map(str, levels))} |\n| --- |{' ---: |' * len(levels)}")
        for case in cases:
            cells = [cell(case, level) if level in case.levels else "" for level in levels]
            print(f"| {case.name} | {' | '.join(cells)} |")

    table("answers a second, by connections", lambda case, level: f"{case.median(level, 'rate'):.3g}")
    table("p50 / p99 in ms", lambda case, level: f"{case.median(level, 'p50'):.0f} / {case.median(level, 'p99'):.0f}")
    print("\n| no server, batches of 32 | images/s |\n| --- | ---: |")
    for way, turns in ceilings.items():
        print(f"| {way} | {spread(turns, '.0f')} |")
    ceiling = next(iter(ceilings.values()))
    print("\n| | at full load, of the ceiling | one request, ms | p99 at half load, ms | as often | wrk's CPU | lost |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for case in cases:
        full = case.turns[case.full]
        single = [turn["p50"] for turn in case.turns[1]]
        slow = [turn["p99"] for turn in case.half_load]
        lost = [
            turn["refused"] + turn["broken"] + max(turn["unanswered"] - level, 0)
            for level, turns in case.turns.items()
            for turn in turns
        ]
        cells = [
            spread([turn["rate"] / best for turn, best in zip(full, ceiling, strict=True)], ".0%"),
            spread(single, ".1f"),
            spread(slow, ".0f") if slow else "",
            spread([a / b for a, b in zip(slow, single, strict=True)], ".1f") if slow else "",
            f"{statistics.median(turn['cpu'] for turn in full):.0%}",
            str(sum(lost)),
        ]
        print(f"| {case.name} | {' | '.join(cells)} |")


def measure(cases: list[Case], direct: dict[str, Callable[[], float]], options: argparse.Namespace) -> dict:
    """Fills the cases' turns; gives the ceilings', by name."""
    ceilings: dict[str, list[float]] = {way: [] for way in direct}
    for case in cases:
        case.ask(4, 1)
    for call in direct.values():
        call()
    for _ in range(options.repeats):
        for way, call in direct.items():
            ceilings[way].append(call())
        for level in options.connections:
            for case in cases:
                if level in case.levels:
                    case.turns[level].append(case.ask(level, case.seconds * min(max(level // 8, 1), 4)))
    for _ in range(options.repeats):
        for case in cases:
            if case.levels == options.connections:
                case.half_load.append(case.ask(soak.CONNECTIONS, 4 * case.seconds, case.pause()))
    return ceilings


def compare(options: argparse.Namespace, folder: pathlib.Path, stack: contextlib.ExitStack) -> dict:
    worker = Worker(sys.executable, "keras_mtl_serving.py", ENVIRONMENT)
    stack.callback(worker.close)
    path = export(worker, options.run, options.backends, folder / "models")
    model = path.parent
    bodies = request_bodies(folder / "bodies")
    ports = iter(range(options.port, options.port + 100))

    def started(server: Server) -> Server:
        stack.callback(server.close)
        return server

    cases: list[Case] = []

    def ask(server: Server, path: str, kind: str, name: str = "", short: bool = True) -> None:
        levels, seconds = (options.connections, 1) if short else (options.connections[:1], 5)
        cases.append(Case(name or server.name, server, path, bodies[kind], levels, seconds * options.seconds))

    for backend in options.backends:
        server = started(keras_mtl_server(model, backend, next(ports)))
        ask(server, "/v1/predict", "photo")
    ask(server, f"/v1/models/{model.name}:predict", "rest", f"{server.name}, REST with base64")
    if has_torch(options.torch_python):
        ask(started(torch_server(options.torch_python, next(ports), bodies["photo"])), "/predict", "photo")
    if options.deepface_python:
        server = started(deepface_server(options.deepface_python, str(folder), next(ports)))
        ask(server, "/analyze", "deepface", short=False)

    def direct(way: str) -> Callable[[], float]:
        request = {"path": str(path), "way": way, "folder": str(bodies["photo"].folder), "count": bodies["photo"].count}
        return lambda: worker.time(what="direct", **request, seconds=2 * options.seconds)

    ways = {"TensorFlow's serve_bytes, on JPEGs": direct("serve_bytes")}
    ways |= {f"the net alone, {backend}, on pixels": direct(backend) for backend in options.backends}
    ceilings = measure(cases, ways, options)
    print_tables(cases, ceilings, options.connections)
    rows = [{"name": case.name, "turns": case.turns, "half_load": case.half_load} for case in cases]
    return {"cases": rows, "ceilings": ceilings}


def parse() -> argparse.Namespace:
    def names(text: str) -> list[str]:
        return text.split(",")

    def numbers(text: str) -> list[int]:
        return [int(part) for part in text.split(",")]

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", default="", help="a run to export; else a net with random weights")
    parser.add_argument("--backends", type=names, default="tensorflow,onnx,openvino", help="of keras_mtl.serve")
    parser.add_argument("--connections", type=numbers, default="1,2,4,8,16,32,64", help="at once, by column; 1 first")
    parser.add_argument(
        "--seconds", type=int, default=1, help="length of a turn; up to four times as long for many connections"
    )
    parser.add_argument("--repeats", type=int, default=3, help="turns of each")
    parser.add_argument("--torch_python", default=sys.executable, help="a Python with torch, torchvision, fastapi")
    parser.add_argument("--deepface_python", default="", help="a Python with deepface[api,tensorflow] and tf-keras")
    parser.add_argument("--port", type=int, default=18300, help="the first of the ports used")
    parser.add_argument("--soak", type=int, default=0, help="seconds of the soak test, which is then all that is done")
    parser.add_argument("--reloads", type=int, default=30, help="new versions in the soak test")
    parser.add_argument("--json", type=pathlib.Path, help="write every turn to this file")
    return parser.parse_args()


def main() -> None:
    options = parse()
    print(f"{processor()}, {len(os.sched_getaffinity(0))} cores; load before {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        run = soak.run if options.soak else compare
        result = run(options, pathlib.Path(folder), stack)
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
