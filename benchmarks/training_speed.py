"""Images per second of keras_mtl and of the same net in torch, side by side: ratios, since machines differ.

    python benchmarks/training_speed.py
    python benchmarks/training_speed.py --sizes=64 --repeats=3 --torch_python=/tmp/peers/bin/python --json=speed.json

ResNet-18 with three heads, AdamW, batches of noise in memory. Training is a whole step: forward, losses,
backward, optimizer (and metrics, in ours). Inference is a call of the exported SavedModel, with everything that
users get from it, against torch's best of eager, BatchNormalization folded, traced, and compiled (torch.compile,
which needs g++; in training too).

Each library runs in its own process and they take turns, A B A B, on the same seconds of a machine that others
may be using: a ratio is the median over pairs of turns, with the lowest and the highest beside it. torch's
layout and mode is the one that was fastest in a trial (all that were tried are in the JSON). Its Python may be
another one, with torch and torchvision (`pip install 'keras_mtl[peers]'`); without torch ours is timed alone.

On a busy machine torch suffers more, up to tenfold, since its threads (OpenMP) wait for the last of them: ratios
of several threads count only where nothing else runs. `--threads=1` is fair on a busy one.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys

WORKERS = pathlib.Path(__file__).parent / "workers"


class Worker:
    """A process that times steps on request; `about` is what it says of itself."""

    def __init__(self, python: str, script: str, environment: dict[str, str]):
        self.python, self.script, self.environment = python, script, environment
        self.process = subprocess.Popen(
            [python, str(WORKERS / script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if os.environ.get("BENCHMARK_DEBUG") else subprocess.DEVNULL,
            text=True,
            env={**os.environ, **environment},
        )
        self.about = self.ask(what="about")

    def ask(self, **request) -> dict:
        assert self.process.stdin and self.process.stdout
        print(json.dumps(request), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.script} died; BENCHMARK_DEBUG=1 shows why. Asked: {request}")
        return json.loads(answer)

    def time(self, **request) -> float:
        return self.ask(**request)["images_per_second"]

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def has_torch(python: str) -> bool:
    return subprocess.run([python, "-c", "import torch, torchvision"], capture_output=True, check=False).returncode == 0


def compare(ours: Worker, torch: Worker | None, case: dict, repeats: int) -> dict:
    """Times one case in turns: `ours` and `torch` in images a second, turn by turn, and torch's `setting`."""
    result: dict = {**case, "ours": [], "torch": [], "trials": {}}
    if torch:
        settings = torch.about["settings"][case["what"]]
        result["trials"] = {setting: torch.time(**case, setting=setting) for setting in settings}
        # Twice each, and the better of the two: a neighbour's load must not choose.
        for setting in settings:
            result["trials"][setting] = max(result["trials"][setting], torch.time(**case, setting=setting))
        result["setting"] = max(settings, key=result["trials"].__getitem__)
    ours.time(**case)
    for _ in range(repeats):
        result["ours"].append(ours.time(**case))
        if torch:
            result["torch"].append(torch.time(**case, setting=result["setting"]))
    return result


def row(result: dict) -> str:
    def spread(values: list[float], form: str) -> str:
        if not values:
            return "–"
        return f"{statistics.median(values):{form}} ({min(values):{form}}–{max(values):{form}})"

    ratios = [a / b for a, b in zip(result["ours"], result["torch"], strict=False)]
    cells = [
        result["what"],
        f"{result['size']} px",
        result["precision"],
        spread(result["ours"], ".0f"),
        spread(result["torch"], ".0f"),
        spread(ratios, ".2f"),
        result.get("setting", "–"),
    ]
    return f"| {' | '.join(cells)} |"


def processor() -> str:
    path = pathlib.Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def parse() -> argparse.Namespace:
    def numbers(text: str) -> list[int]:
        return [int(part) for part in text.split(",")]

    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--sizes", type=numbers, default="64,112", help="image sizes in pixels")
    parser.add_argument("--batch", type=int, default=64, help="images in a batch")
    parser.add_argument("--repeats", type=int, default=7, help="pairs of turns for each case")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a turn")
    parser.add_argument("--precisions", default="auto", help="float32, bfloat16 or both; auto: what the CPU has")
    parser.add_argument("--threads", type=int, default=0, help="threads of each library; 0 for its own choice")
    parser.add_argument("--deterministic", action="store_true", help="ours as keras_mtl.train runs it")
    parser.add_argument("--torch_python", default=sys.executable, help="a Python that has torch and torchvision")
    parser.add_argument("--json", type=pathlib.Path, help="write every turn to this file")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    environment = {"BENCHMARK_THREADS": str(arguments.threads)}
    deterministic = {"BENCHMARK_DETERMINISTIC": "1"} if arguments.deterministic else {}
    ours = Worker(sys.executable, "keras_mtl_worker.py", {**environment, **deterministic})
    torch = None
    if has_torch(arguments.torch_python):
        torch = Worker(arguments.torch_python, "torch_worker.py", environment)
    else:
        print(f"{arguments.torch_python} has no torch and torchvision: keras_mtl is timed alone.\n")
    versions = [*ours.about["versions"], *(torch.about["versions"] if torch else [])]
    where = f"{processor()}, {len(os.sched_getaffinity(0))} cores"
    load = os.getloadavg()[0]
    if load > 0.5 and torch and arguments.threads != 1:
        print(f"Load {load:.1f}: where something else runs, ratios flatter keras_mtl; --threads=1 is fairer.\n")
    print(f"{where}; Python {platform.python_version()}, {', '.join(versions)}; batch {arguments.batch}\n")
    print("| what | size | precision | keras_mtl img/s | torch img/s | ratio | torch's setting |")
    print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
    precisions = arguments.precisions.split(",")
    if arguments.precisions == "auto":
        precisions = ["float32", *(["bfloat16"] if ours.about["bfloat16"] else [])]
    results = []
    for what in ("training", "inference"):
        for size in arguments.sizes:
            for precision in precisions:
                case = {"what": what, "size": size, "batch": arguments.batch, "precision": precision}
                results.append(compare(ours, torch, {**case, "seconds": arguments.seconds}, arguments.repeats))
                print(row(results[-1]), flush=True)
    for worker in filter(None, (ours, torch)):
        worker.close()
    if arguments.json:
        report = {"where": where, "versions": versions, "load_before": load, "results": results}
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
