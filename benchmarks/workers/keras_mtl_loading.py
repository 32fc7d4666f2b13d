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

SIZE = 64
TASKS = select_tasks(["smile"])
SCRATCH = tempfile.TemporaryDirectory()  # Goes when the process ends.
SHARDS = pathlib.Path(SCRATCH.name) / "shards"
ways: dict[str, Way] = {}


class Way:
    """A source and, built once, the pipeline over its decoded set."""

    def __init__(self, entry: str):
        (self.source,) = parse_sources([f"smile={entry}"], TASKS)
        (self.data,), _ = load_split(
            [self.source], TASKS, "train", image_size=SIZE, validation_fraction=0, cache="none"
        )
        batches = TrainingBatches([self.data], list(TASKS), batch_size=64, augment=Augmentation.named("light"))
        self.batches = batches.dataset()

    def epoch(self, decode: bool) -> int:
        """Images of an epoch; `decode` makes the set anew from the files, else it is the one of the last time."""
        if decode:
            self.data.images, _ = self.source.decode(self.data.keys, SIZE)
        return sum(images.shape[0] for images, _, _ in self.batches)


def answer(request: dict) -> dict:
    if request.get("what") == "about":
        files = Way(f"classes:{os.environ['BENCHMARK_IMAGES']}")
        write_shards(files.source, SHARDS)
        ways.update(files=files, shards=Way(f"shards:{SHARDS}"))
        return {"versions": [f"tensorflow {tf.__version__}"]}
    way = request["way"]
    start = time.perf_counter()
    count = ways["files" if way == "kept" else way].epoch(decode=way != "kept")
    return {"images_per_second": count / (time.perf_counter() - start)}


serve(answer)
