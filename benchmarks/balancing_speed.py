"""What a balanced training step costs: its time over a plain step's, ours and the peers', side by side in one run.

    python benchmarks/balancing_speed.py --torch_python=/a/python/with/torchjd --libmtl=/a/clone/of/LibMTL
    python benchmarks/balancing_speed.py --methods=uw,upgrad,db_mtl --cases=3:one --repeats=3

ResNet-18 on batches of noise in memory, AdamW, a whole step each. "one" is a batch of as many sources as tasks, each
labelled for one task, "all" is a batch in which every image has all labels. Plain is EW with BatchNormalization on the
whole batch, in every library by its own code: torch's is a loop as one would write it. Processes and methods take turns
and a ratio is the median over the turns, with the lowest and the highest beside it. LibMTL's step is its
`model.backward`, with each source's images forwarded by themselves in "one", as its trainer does with several inputs;
torchjd's is `mtl_backward` and `jac_to_grad` with the whole batch forwarded.

Memory is the highest resident memory of a process that took three steps of that kind and nothing else, so it counts the
libraries and the net too.

torch runs in its contiguous layout, the only one that LibMTL knows. On a busy machine torch suffers more than
TensorFlow, but its balanced and its plain steps alike.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

from training_speed import Worker, processor

CASES = ("3:one", "3:all", "8:one", "8:all", "40:all")
PEERS = {
    "libmtl": ("upgrad", "pcgrad", "cagrad", "nash_mtl"),
    "torchjd": ("upgrad", "pcgrad", "cagrad", "nash_mtl"),
}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=",".join(CASES), help="TASKS:LABELS with commas between")
    parser.add_argument("--methods", default="ew@source,uw,upgrad,pcgrad,cagrad,nash_mtl", help="ours")
    parser.add_argument("--peer_methods", default="upgrad", help="theirs, of upgrad, pcgrad, cagrad, nash_mtl")
    parser.add_argument(
        "--gradients", default="auto", help="trunk or features, for ours where every image has all labels"
    )
    parser.add_argument("--size", type=int, default=64, help="images' height and width in pixels")
    parser.add_argument("--batch", type=int, default=64, help="images in a batch")
    parser.add_argument("--width", type=int, default=64, help="of the trunk; 64 is ResNet-18")
    parser.add_argument("--precision", default="auto", choices=("auto", "float32", "bfloat16"))
    parser.add_argument("--repeats", type=int, default=5, help="turns of each")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a turn")
    parser.add_argument("--torch_python", default="", help="a Python that has torch, torchvision and torchjd")
    parser.add_argument("--libmtl", default="", help="a clone of LibMTL")
    parser.add_argument("--memory", action="store_true", help="measure memory too")
    parser.add_argument("--json", type=pathlib.Path, help="write every turn to this file")
    return parser.parse_args()


def steps_of(options: argparse.Namespace, case: dict, ours: Worker, torch: Worker | None) -> list[tuple]:
    """(library, method, worker, request) of every step of a case, each library's plain one first."""
    steps = [("keras_mtl", "plain", ours, {**case, "method": "ew"})]
    for method in options.methods.split(","):
        if method != "ew@source" or case["labels"] == "one":
            steps.append(("keras_mtl", method, ours, {**case, "method": method}))
    if torch and case["tasks"] <= 8:
        steps.append(("torch", "plain", torch, {**case, "library": "torch", "method": "plain"}))
        for library in ("libmtl", "torchjd") if options.libmtl else ("torchjd",):
            for method in options.peer_methods.split(","):
                if method in PEERS[library]:
                    steps.append((library, method, torch, {**case, "library": library, "method": method}))
    return steps


def measure(options: argparse.Namespace, case: dict, ours: Worker, torch: Worker | None) -> list[dict]:
    steps = steps_of(options, case, ours, torch)
    seconds = {step[:2]: [] for step in steps}
    for *_, worker, request in steps:
        worker.time(**request, seconds=0)
    for _ in range(options.repeats):
        for library, method, worker, request in steps:
            seconds[library, method].append(case["batch"] / worker.time(**request, seconds=options.seconds))
    rows = []
    for library, method, worker, request in steps:
        plain = seconds["keras_mtl" if library == "keras_mtl" else "torch", "plain"]
        ratios = [a / b for a, b in zip(seconds[library, method], plain, strict=True)]
        row = {**case, "library": library, "method": method, "seconds": seconds[library, method], "ratios": ratios}
        if options.memory:
            row["megabytes"] = fresh_memory(worker, request)
        rows.append(row)
        print(line(row), flush=True)
    return rows


def fresh_memory(worker: Worker, request: dict) -> float:
    """The highest resident memory, in MB, of a process of its own."""
    alone = Worker(worker.python, worker.script, worker.environment)
    try:
        return alone.ask(**{**request, "what": "memory"})["megabytes"]
    finally:
        alone.close()


def line(row: dict) -> str:
    ratios, milliseconds = row["ratios"], 1000 * statistics.median(row["seconds"])
    cells = [
        str(row["tasks"]),
        row["labels"],
        row["library"],
        row["method"],
        f"{milliseconds:.0f}",
        f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})",
        f"{row['megabytes']:.0f}" if "megabytes" in row else "–",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    options = parse()
    ours = Worker(sys.executable, "keras_mtl_balancing.py", {})
    torch = None
    if options.torch_python:
        known = subprocess.run(
            [options.torch_python, "-c", "import torchjd, torchvision"], capture_output=True, check=False
        )
        if known.returncode:
            sys.exit(f"Error: {options.torch_python} has no torchjd and torchvision: pip install 'keras_mtl[peers]'")
        torch = Worker(options.torch_python, "torch_balancing.py", {"LIBMTL": options.libmtl})
    precision = options.precision
    if precision == "auto":
        precision = "bfloat16" if ours.about["bfloat16"] else "float32"
    versions = [*ours.about["versions"], *(torch.about["versions"] if torch else [])]
    where = f"{processor()}, {len(os.sched_getaffinity(0))} cores, load before {os.getloadavg()[0]:.1f}"
    print(f"{where}; {', '.join(versions)}; {options.size} px, batch {options.batch}, {precision}\n")
    print("| tasks | labels | library | step | ms | of its library's plain step | peak MB |")
    print("| ---: | --- | --- | --- | ---: | ---: | ---: |", flush=True)
    rows = []
    for text in options.cases.split(","):
        tasks, _, labels = text.partition(":")
        case = {"tasks": int(tasks), "labels": labels, "gradients": options.gradients, "precision": precision}
        case |= {"what": "training", "size": options.size, "batch": options.batch, "width": options.width}
        rows += measure(options, case, ours, torch)
    for worker in filter(None, (ours, torch)):
        worker.close()
    if options.json:
        report = {"where": where, "versions": versions, "rows": rows}
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
