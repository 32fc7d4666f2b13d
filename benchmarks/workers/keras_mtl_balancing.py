"""Balanced training steps of keras_mtl, timed on request. See benchmarks/balancing_speed.py."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import pathlib
import resource
import sys

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

import numpy as np
import tensorflow as tf
from turns import serve, throughput

import keras_mtl
from keras_mtl.optimizers import AdamW
from keras_mtl.tasks import Task, select_tasks
from keras_mtl.training.precision import has_bfloat16, read_cpu_info
from keras_mtl.weighting_names import parse_weighting

KEPT = 8  # Steps kept ready: each holds a net, its optimizer's state and a graph.


def tasks_of(count: int) -> dict[str, Task]:
    """The built-in three, or as many tasks of two classes, like CelebA's attributes."""
    if count == 3:
        return select_tasks(("age", "gender", "smile"))
    return {f"attribute{i}": Task(f"attribute{i}", "binary", classes=("no", "yes")) for i in range(count)}


def cut(batch: int, tasks: int) -> list[int]:
    return [len(rows) for rows in np.array_split(np.arange(batch), tasks)]


@functools.lru_cache(KEPT)
def training_step(
    count: int, labels: str, method: str, gradients: str, precision: str, size: int, batch: int, width: int
):
    """One step as `fit` takes it: forward, losses, metrics, backward, weighting, AdamW, on a batch in memory."""
    tasks = tasks_of(count)
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (batch, size, size, 3), np.uint8)
    y = {name: random.integers(0, 2, batch).astype(np.float32) for name in tasks}
    weights = {name: np.ones(batch, np.float32) for name in tasks}
    sizes = cut(batch, count)
    if labels == "one":
        for number, name in enumerate(tasks):
            weights[name][:] = 0
            weights[name][sum(sizes[:number]) : sum(sizes[: number + 1])] = 1
    method, _, statistics = method.partition("@")
    by_source = labels == "one" and (statistics == "source" or parse_weighting(method).sees != "losses")
    model = keras_mtl.build_model(tasks, image_size=size, width=width, precision=precision)
    model.compile(
        AdamW(1e-3, weight_decay=0.01),
        weighting=method,
        sub_batches=[(rows, [name]) for rows, name in zip(sizes, tasks, strict=True)] if by_source else None,
        gradients=gradients if labels == "all" else "auto",
    )
    data = tf.data.Dataset.from_tensors((images, y, weights)).repeat()
    model.fit(data, steps_per_epoch=2, verbose=0)  # builds model.train_function
    batches = iter(data)
    return lambda: [value.numpy() for value in tf.nest.flatten(model.train_function(batches))]


def answer(request: dict) -> dict:
    if request["what"] == "about":
        versions = [f"{name} {importlib.metadata.version(name)}" for name in ("tensorflow", "keras")]
        return {"versions": versions, "bfloat16": has_bfloat16(read_cpu_info())}
    names = ("tasks", "labels", "method", "gradients", "precision", "size", "batch", "width")
    step = training_step(*(request[name] for name in names))
    if request["what"] == "memory":
        for _ in range(3):
            step()
        return {"megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    return {"images_per_second": throughput(step, request["batch"], request["seconds"])}


if __name__ == "__main__":
    serve(answer)
