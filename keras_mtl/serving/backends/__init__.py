"""What runs an exported model: one backend a file, all with the same outputs."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping

from keras_mtl.errors import UserError
from keras_mtl.serving.backends.base import Backend
from keras_mtl.serving.backends.tensorflow import TensorFlow

BACKENDS: dict[str, type[Backend]] = {backend.name: backend for backend in (TensorFlow,)}


def load_backend(folder: pathlib.Path, description: Mapping, name: str = "tensorflow", threads: int = 0) -> Backend:
    """The named backend for a version's folder; the arguments are `Backend`'s.

    Raises:
        UserError: there is no such backend, or it can't be had here.
    """
    if name not in BACKENDS:
        raise UserError(f"Unknown backend {name!r}; known: {', '.join(BACKENDS)}")
    return BACKENDS[name](folder, description, threads)
