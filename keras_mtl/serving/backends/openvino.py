"""OpenVINO."""

from __future__ import annotations

import pathlib
import threading

import numpy as np

from keras_mtl.cores import count_cores
from keras_mtl.serving.backends.base import Backend, find, need


class OpenVino(Backend):
    """On the processor. Each thread that calls has a request of its own."""

    def load(self, folder: pathlib.Path, threads: int) -> None:
        path = find(folder, self.name)
        need("openvino", self.name)
        import openvino

        threads = threads or count_cores()
        # A stream is a call that runs: as many as there are cores for.
        streams = max(1, count_cores() // threads)
        settings = {"INFERENCE_NUM_THREADS": threads * streams, "NUM_STREAMS": streams, "PERFORMANCE_HINT": "LATENCY"}
        # Where the processor has bfloat16, OpenVINO would take it for float32.
        settings["INFERENCE_PRECISION_HINT"] = "f32"
        self._compiled = openvino.Core().compile_model(str(path), "CPU", settings)
        self._names = [output.get_any_name() for output in self._compiled.outputs]
        self._local = threading.local()

    def predict(self, images: np.ndarray) -> dict[str, np.ndarray]:
        if not hasattr(self._local, "request"):
            self._local.request = self._compiled.create_infer_request()
        results = self._local.request.infer({"images": images})
        return {name: np.array(results[index]) for index, name in enumerate(self._names)}
