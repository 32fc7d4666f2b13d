"""What runs an exported model: one backend a file, all with the same outputs."""

from __future__ import annotations

import logging
import pathlib

from keras_mtl.errors import UserError
from keras_mtl.serving.backends.base import Backend
from keras_mtl.serving.backends.litert import LiteRt
from keras_mtl.serving.backends.onnx import OnnxRuntime
from keras_mtl.serving.backends.openvino import OpenVino
from keras_mtl.serving.backends.speed import measure_speed
from keras_mtl.serving.backends.tensorflow import TensorFlow
from keras_mtl.serving.description import Damaged

log = logging.getLogger(__name__)

BACKENDS: dict[str, type[Backend]] = {
    "tensorflow": TensorFlow,
    "onnx": OnnxRuntime,
    "openvino": OpenVino,
    "openvino_int8": OpenVino,
    "litert": LiteRt,
    "litert_float16": LiteRt,
    "litert_dynamic": LiteRt,
    "litert_int8": LiteRt,
}
AUTO = "auto"
# In float32. TensorFlow itself is not among them: it takes seconds and half a gigabyte to load.
_CANDIDATES = ("onnx", "openvino", "litert")


def load_backend(folder: pathlib.Path, size: int, name: str = AUTO, threads: int = 0) -> Backend:
    """The named backend for a version's folder.

    Args:
        folder, threads: as for `Backend`.
        size: height and width of the model's images in pixels.
        name: one of `BACKENDS`; "auto" takes the fastest here of onnx, openvino and litert, measured for a moment, and
            tensorflow where the export has none of them that can be run.

    Raises:
        UserError: there is no such backend, or it can't be had here.
    """
    if name == AUTO:
        return _fastest(folder, size, threads)
    if name not in BACKENDS:
        raise UserError(f"Unknown backend {name!r}; known: {', '.join(BACKENDS)}, {AUTO}")
    return BACKENDS[name](folder, name, threads)


def _fastest(folder: pathlib.Path, size: int, threads: int) -> Backend:
    loaded = []
    for name in _CANDIDATES:
        try:
            loaded.append(BACKENDS[name](folder, name, threads))
        except Damaged as error:
            log.warning("%s", error)
        except UserError:
            continue
    if len(loaded) < 2:
        return loaded[0] if loaded else TensorFlow(folder, "tensorflow", threads)
    return max(loaded, key=lambda backend: measure_speed(backend, size))
