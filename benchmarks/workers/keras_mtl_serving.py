"""Exports a net and calls it without a server, timed on request. See benchmarks/serving_load.py."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))

import numpy as np
import tensorflow as tf
from turns import serve, throughput

from keras_mtl import build_model
from keras_mtl.photos import decode_photo, square_pixels
from keras_mtl.serving import export_model, export_run, load_exported

NAME = "faces"


def export(run: str, size: int, directory: str, formats: list[str]) -> str:
    """A run's best model, or, without one, a net with random weights, which computes as fast."""
    options = {"name": NAME, "formats": tuple(formats)}
    if run:
        return str(export_run(run, directory, **options))
    return str(export_model(build_model(("age", "gender", "smile"), image_size=size), directory, **options))


@functools.cache
def step(path: str, way: str, folder: str, count: int):
    """A call with a batch of photos: encoded ones by `serve_bytes`, else decoded pixels by a backend."""
    photos = [pathlib.Path(folder, str(number)).read_bytes() for number in range(count)]
    if way == "serve_bytes":
        loaded = tf.saved_model.load(path)
        images, signature = tf.constant(photos), loaded.signatures[way]

        def call():
            assert loaded is not None  # a signature does not keep its model alive
            return {name: value.numpy() for name, value in signature(images=images).items()}

        return call
    model = load_exported(path, way)
    pixels = np.stack([square_pixels(decode_photo(photo), model.size) for photo in photos])
    return lambda: model.backend.predict(pixels)


def answer(request: dict) -> dict:
    if request["what"] == "about":
        return {"versions": [f"{name} {importlib.metadata.version(name)}" for name in ("tensorflow", "fastapi")]}
    if request["what"] == "export":
        return {"path": export(request["run"], request["size"], request["directory"], request["formats"])}
    call = step(request["path"], request["way"], request["folder"], request["count"])
    return {"images_per_second": throughput(call, request["count"], request["seconds"])}


serve(answer)
