"""The run folder and `train`, which fills it."""

from __future__ import annotations

import importlib

# The config is needed before flags are parsed, training only afterwards: TensorFlow is not imported here.
from keras_mtl.training.config import Config as Config
from keras_mtl.training.run_folder import RunFolder as RunFolder


def __getattr__(name: str):
    if name == "train":
        return importlib.import_module("keras_mtl.training.fit").train
    raise AttributeError(f"module 'keras_mtl.training' has no attribute {name!r}")
