"""What each format of an exported net is worth: size, latency, images a second, metrics; side by side.

    KERAS_MTL_DATA=/folder python benchmarks/serving_formats.py --run=runs/faces --torch_python=/a/python/with/torch
    python benchmarks/serving_formats.py            # a net with random weights, and no metrics

All run in this process, on the same pixels, in turns that are interleaved: each turn every format predicts one image
at a time and 32 at once for a while. Figures are medians over turns; p50 and p95 are of all single calls. The ratios
are to `keras.Model.predict` of the same turn, and, with --torch_python, to the same ResNet-18 of torchvision, exported
by torch as ONNX and run by the same ONNX Runtime.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from keras_mtl.cores import count_cores
from keras_mtl.files import read_json
from keras_mtl.serving.backends import BACKENDS
from keras_mtl.serving.export import SAVED_MODEL, export_model, export_run
from keras_mtl.serving.versions import DESCRIPTION_FILE
from keras_mtl.table import aligned

WORKER = pathlib.Path(__file__).parent / "workers" / "torch_onnx.py"
KERAS, TORCH = "Keras' predict", "torch's ONNX"
BATCH = 32
Call = Callable[[np.ndarray], object]


def calls(version: pathlib.Path, model, torch_python: str, size: int) -> dict[str, Call]:
    """By name, what predicts uint8 [n, size, size, 3]."""
    found: dict[str, Call] = {KERAS: lambda images: model.predict(images, batch_size=BATCH, verbose=0)}
    for name in ("tensorflow", *(name for name in BACKENDS if name != "tensorflow")):
        found[SAVED_MODEL if name == "tensorflow" else name] = BACKENDS[name](version, name).predict
    if torch_python:
        found[TORCH] = torch_call(torch_python, size)
    return found


def torch_call(python: str, size: int) -> Call:
    """The same net from torch, by the ONNX Runtime that runs ours, in the settings that ours has."""
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/torch.onnx"
        subprocess.run([python, WORKER, str(size), path], check=True, capture_output=True)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = count_cores()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def call(images: np.ndarray) -> object:
        # torch's nets take channels first; turning them is part of what it costs to use one.
        return session.run(None, {"pixels": np.ascontiguousarray(images.transpose(0, 3, 1, 2))})

    return call


def measure(call: Call, images: np.ndarray, seconds: float) -> list[float]:
    """Seconds of each call, for some time."""
    taken: list[float] = []
    while sum(taken) < seconds or not taken:
        start = time.perf_counter()
        call(images)
        taken.append(time.perf_counter() - start)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", default="", help="a run folder; its test split is scored")
    parser.add_argument("--torch_python", default="", help="a Python with torch, torchvision, onnx and onnxscript")
    parser.add_argument("--repeats", type=int, default=7, help="turns")
    parser.add_argument("--seconds", type=float, default=0.7, help="of each measurement")
    options = parser.parse_args()
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        if options.run:
            from keras_mtl.training.run_folder import RunFolder

            model = RunFolder.trained(options.run).load_model()
            version = export_run(options.run, folder, name="net", formats=["all"], verify=True)
        else:
            from keras_mtl import build_model, select_tasks

            model = build_model(select_tasks(["age", "gender", "smile"]), image_size=64)
            noise = random.integers(0, 256, [64, 64, 64, 3], np.uint8)
            version = export_model(model, folder, name="net", formats=["all"], images=noise)
        description = read_json(version / DESCRIPTION_FILE)
        size = description["image_size"]
        images = random.integers(0, 256, [BATCH, size, size, 3], np.uint8)
        single: dict[str, list[float]] = {}
        speeds: dict[str, list[tuple[float, float]]] = {}
        predict = calls(version, model, options.torch_python, size)
        for call in predict.values():
            call(images)
            call(images[:1])
        for turn in range(options.repeats):
            names = list(predict)
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                ones = measure(predict[name], images[:1], options.seconds)
                many = measure(predict[name], images, options.seconds)
                single.setdefault(name, []).extend(ones)
                speeds.setdefault(name, []).append((len(ones) / sum(ones), BATCH * len(many) / sum(many)))
        print(table(description, single, speeds))


def table(description: dict, single: dict[str, list[float]], speeds: dict[str, list[tuple[float, float]]]) -> str:
    """All figures, a row a format."""
    formats, tasks = description["formats"], [task["name"] for task in description["tasks"]]
    peers = [name for name in (KERAS, TORCH) if name in speeds]
    head = ["format", "MB", "p50 ms", "p95 ms", "images/s, 1", f"images/s, {BATCH}"]
    head += [f"to {peer}, {batch}" for peer in peers for batch in (1, BATCH)]
    head += [f"{task} {next(iter(metric))}" for task, metric in formats.get(SAVED_MODEL, {}).get("metrics", {}).items()]
    rows = [tuple(head)]
    for name, turns in speeds.items():
        facts = formats.get(name, {})
        row = [name, f"{facts['bytes'] / 1e6:.1f}" if facts else ""]
        row += [f"{1000 * float(np.percentile(single[name], share)):.2f}" for share in (50, 95)]
        row += [f"{statistics.median(turn[i] for turn in turns):,.0f}" for i in (0, 1)]
        for peer in peers:
            for i in (0, 1):
                ratios = [ours[i] / theirs[i] for ours, theirs in zip(turns, speeds[peer], strict=True)]
                row.append(f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})")
        row += [f"{next(iter(facts['metrics'][task].values())):.4f}" for task in tasks if "metrics" in facts]
        rows.append(tuple(row + [""] * (len(head) - len(row))))
    return aligned(rows, right=tuple(range(1, len(head))))


if __name__ == "__main__":
    main()
