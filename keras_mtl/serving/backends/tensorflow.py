"""The SavedModel itself, in TensorFlow."""

from __future__ import annotations

import contextlib
import pathlib

import numpy as np

from keras_mtl.files import without_pattern
from keras_mtl.quiet import import_tensorflow
from keras_mtl.serving.backends.base import Backend


class TensorFlow(Backend):
    """Calls `serving_default`.

    TensorFlow has one pool of threads for the whole process: `threads` sets its size, if nothing has used it yet.
    """

    def load(self, folder: pathlib.Path, threads: int) -> None:
        # Here and not above, so that a wrong path is reported at once.
        tf = import_tensorflow()
        if threads:
            # Refused once TensorFlow has computed something: then its threads are what they are.
            with contextlib.suppress(RuntimeError):
                tf.config.threading.set_intra_op_parallelism_threads(threads)
        self._tf = tf
        with without_pattern(folder) as plain:
            self._module = tf.saved_model.load(plain)
        self._serve = self._module.signatures["serving_default"]

    def predict(self, images: np.ndarray) -> dict[str, np.ndarray]:
        served = self._serve(images=self._tf.constant(images))
        return {name: value.numpy() for name, value in served.items() if value.dtype != self._tf.string}
