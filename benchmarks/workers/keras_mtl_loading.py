"""Epochs of images from disk to augmented batches, by keras_mtl, timed on request. See benchmarks/loading_speed.py."""

from __future__ import annotations

import os
import pathlib
import tempfile
import time

import tensorflow as tf
from turns import serve

from keras_mtl.data.augment import Augmentation
from keras_mtl.data.batches import TrainingBatches
from keras_mtl.data.shards import write_shards
from keras_mtl.data.sources import parse_sources
from keras_mtl.data.splits import load_split
from keras_mtl.tasks import select_tasks

TASKS = select_tasks(["smile"])
SCRATCH = tempfile.TemporaryDirectory()  # Goes when the process ends.
FOLDER = pathlib.Path(SCRATCH.name)
ENTRIES = {"files": f"smile=classes:{os.environ['BENCHMARK_IMAGES']}", "shards": f"smile=shards:{FOLDER / 'shards'}"}
kept: list[TrainingBatches] = []


def epoch(way: str) -> tuple[int, float]:
    """Images of an epoch and its seconds; a first epoch reads and decodes, a later one has the decoded set."""
    start = time.perf_counter()
    if way != "kept" or not kept:
        data, _ = load_split(
            parse_sources([ENTRIES.get(way, ENTRIES["files"])], TASKS),
            TASKS,
            "train",
            image_size=64,
            validation_fraction=0,
            cache="none",
        )
        kept[:] = [TrainingBatches(data, list(TASKS), batch_size=64, augment=Augmentation.named("light"))]
    count = 0
    for images, _, _ in kept[0].dataset():
        count += images.shape[0]
    return count, time.perf_counter() - start


def answer(request: dict) -> dict:
    if request.get("what") == "about":
        write_shards(parse_sources([ENTRIES["files"]], TASKS)[0], FOLDER / "shards")
        return {"versions": [f"tensorflow {tf.__version__}"]}
    count, seconds = epoch(request["way"])
    return {"images_per_second": count / seconds}


serve(answer)
