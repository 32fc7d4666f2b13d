"""LiteRT."""

from __future__ import annotations

import pathlib
import threading

import numpy as np

from keras_mtl.cores import count_cores
from keras_mtl.serving.backends.base import Backend, find, need
from keras_mtl.serving.formats.litert import ANY, READOUT


class LiteRt(Backend):
    """With XNNPACK, one image after the other, as on a phone: another batch size would mean to prepare it anew."""

    def load(self, folder: pathlib.Path, threads: int) -> None:
        path = find(folder, self.name)
        need("ai_edge_litert", self.name)
        from ai_edge_litert.interpreter import Interpreter

        files = [path, path.with_name(path.stem + READOUT)]
        interpreters = [
            Interpreter(model_path=str(file), num_threads=threads or count_cores()) for file in files if file.is_file()
        ]
        self._runners = [interpreter.get_signature_runner(ANY) for interpreter in interpreters]
        self._lock = threading.Lock()  # An interpreter has one set of tensors.

    def predict(self, images: np.ndarray) -> dict[str, np.ndarray]:
        with self._lock:
            each = [self._predict_one(images[i : i + 1]) for i in range(len(images))]
        return {name: np.concatenate([outputs[name] for outputs in each]) for name in each[0]}

    def _predict_one(self, image: np.ndarray) -> dict[str, np.ndarray]:
        outputs = {"images": image}
        for runner in self._runners:
            outputs = runner(**outputs)
        return {name: np.array(value) for name, value in outputs.items()}
