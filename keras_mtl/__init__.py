"""keras_mtl: one network, several tasks, data sets that each label only some of them.

The names below are imported when first used, so that commands answer `--help` before TensorFlow is loaded.
"""

from __future__ import annotations

import importlib
import os

from keras_mtl import ending

if ending.is_command():
    ending.begin()  # Before anything else: whoever stops a command, stops it here as well.

import wrapt

from keras_mtl.backend import BACKEND, chosen_backend
from keras_mtl.lazy import lazy_names

# Before TensorFlow is imported, and unless the user chose: oneDNN makes training about three times as fast
# on CPUs where TensorFlow leaves it off.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("KERAS_BACKEND", BACKEND)

__version__ = "0.1.0"

_WHERE = {
    "Config": "keras_mtl.training.config",
    "MultiTaskModel": "keras_mtl.models",
    "Task": "keras_mtl.tasks",
    "add_branch": "keras_mtl.models",
    "build_model": "keras_mtl.models",
    "cut": "keras_mtl.models",
    "evaluate_run": "keras_mtl.evaluation",
    "export_model": "keras_mtl.serving",
    "remove_branches": "keras_mtl.models",
    "select_tasks": "keras_mtl.tasks",
    "train": "keras_mtl.training",
}
__all__ = sorted(_WHERE)  # noqa: PLE0605


__getattr__ = lazy_names(__name__, _WHERE)


def _register(keras) -> None:
    """Imports the packages whose classes Keras has to know to load a saved model."""
    if chosen_backend() != BACKEND:
        return  # What needs the other says so when it is imported.
    for package in ("keras_mtl.models", "keras_mtl.optimizers"):
        importlib.import_module(package)


# As soon as Keras itself is imported, before or after this package, so that `keras.models.load_model` needs no more.
wrapt.register_post_import_hook(_register, "keras")
