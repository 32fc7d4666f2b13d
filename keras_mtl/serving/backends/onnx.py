"""ONNX Runtime."""

from __future__ import annotations

import pathlib

import numpy as np

from keras_mtl.cores import count_cores
from keras_mtl.serving.backends.base import Backend, find, need


class OnnxRuntime(Backend):
    """On the processor, all graph optimisations on."""

    def load(self, folder: pathlib.Path, threads: int) -> None:
        path = find(folder, self.name)
        need("onnxruntime", self.name)
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or count_cores()
        # Threads that wait for the next call would take the cores from what decodes the next photo.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._outputs = [output.name for output in self._session.get_outputs()]

    def predict(self, images: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(self._outputs, self._session.run(self._outputs, {"images": images}), strict=True))
