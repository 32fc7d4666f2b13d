"""A trained model outside of training: the exported SavedModel and what calls it."""

from __future__ import annotations

import importlib

_WHERE = {
    "export_model": "keras_mtl.serving.export",
    "export_run": "keras_mtl.serving.export",
    "load_exported": "keras_mtl.serving.predict",
}


def __getattr__(name: str):
    # On demand: predicting needs neither Keras nor the code that exports.
    if name not in _WHERE:
        raise AttributeError(f"module 'keras_mtl.serving' has no attribute {name!r}; it has {', '.join(_WHERE)}")
    return getattr(importlib.import_module(_WHERE[name]), name)
