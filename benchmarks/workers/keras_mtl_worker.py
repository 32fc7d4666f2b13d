"""Training steps and inference of keras_mtl, timed on request. See benchmarks/training_speed.py."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import pathlib
import sys
import tempfile

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

import numpy as np
import tensorflow as tf
from turns import serve, throughput

import keras_mtl
from keras_mtl.optimizers import AdamW
from keras_mtl.training.precision import has_bfloat16, read_cpu_info

LABELS = {"age": 120, "gender": 1, "smile": 1}  # the highest label of each task


def batch(size: int, count: int) -> tuple:
    random = np.random.default_rng(0)
    labels = {name: random.integers(0, high, count, endpoint=True).astype(np.float32) for name, high in LABELS.items()}
    return random.integers(0, 256, (count, size, size, 3), np.uint8), labels, {name: np.ones(count) for name in labels}


@functools.cache
def model_of(size: int, precision: str):
    model = keras_mtl.build_model(tuple(LABELS), image_size=size, precision=precision)
    model.compile(AdamW(1e-3, weight_decay=0.01))
    return model


@functools.cache
def training_step(size: int, count: int, precision: str):
    """One step as `fit` takes it: forward, losses, metrics, backward, AdamW, on a batch in memory."""
    model = model_of(size, precision)
    data = tf.data.Dataset.from_tensors(batch(size, count)).repeat()
    model.fit(data, steps_per_epoch=2, verbose=0)  # builds model.train_function
    batches = iter(data)
    return lambda: [value.numpy() for value in tf.nest.flatten(model.train_function(batches))]


@functools.cache
def inference_step(size: int, count: int, precision: str):
    """One call of the exported model: uint8 images in; years, probabilities and class names out."""
    with tempfile.TemporaryDirectory() as folder:
        exported = keras_mtl.export_model(
            model_of(size, precision), folder, precision="float32" if precision == "float32" else "trained"
        )
        loaded = tf.saved_model.load(str(exported))
    images, signature = tf.constant(batch(size, count)[0]), loaded.signatures["serving_default"]

    def step():
        assert loaded is not None  # a signature does not keep its model alive
        return {name: value.numpy() for name, value in signature(images=images).items()}

    return step


def answer(request: dict) -> dict:
    if request["what"] == "about":
        versions = [f"{name} {importlib.metadata.version(name)}" for name in ("tensorflow", "keras")]
        return {"versions": versions, "bfloat16": has_bfloat16(read_cpu_info()), "settings": [""]}
    make = training_step if request["what"] == "training" else inference_step
    step = make(request["size"], request["batch"], request["precision"])
    return {"images_per_second": throughput(step, request["batch"], request["seconds"])}


if __name__ == "__main__":
    threads = int(os.environ.get("BENCHMARK_THREADS", "0"))
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    if os.environ.get("BENCHMARK_DETERMINISTIC"):
        tf.keras.utils.set_random_seed(0)
        tf.config.experimental.enable_op_determinism()
    serve(answer)
