"""Which of Keras' backends this package runs on: TensorFlow."""

from __future__ import annotations

import os
import sys

from keras_mtl.errors import UserError

BACKEND = "tensorflow"


def chosen_backend() -> str:
    """The backend that Keras has, or will have once it is imported."""
    keras = sys.modules.get("keras")
    return keras.config.backend() if keras is not None else os.environ.get("KERAS_BACKEND", BACKEND)


def check_backend() -> None:
    """Raises UserError where Keras runs on another backend than TensorFlow."""
    if chosen_backend() != BACKEND:
        raise UserError(
            f"keras_mtl needs Keras' backend {BACKEND}. Received: {chosen_backend()!r}; set KERAS_BACKEND={BACKEND}, "
            "or leave it out, before Keras is imported"
        )
