"""ONNX, for ONNX Runtime and many others."""

from __future__ import annotations

import pathlib

import numpy as np

from keras_mtl.serving.formats.base import Format

# The newest that tf2onnx writes without a warning; every runtime of the last years reads it.
OPSET = 17


class Onnx(Format):
    """By tf2onnx."""

    name = "onnx"
    suffix = ".onnx"
    packages = ("onnx", "tf2onnx")
    limit = 1e-5

    def convert(self, model, path: pathlib.Path, images: np.ndarray | None) -> None:
        import tf2onnx

        from keras_mtl.serving.formats.graphs import numbers_graph

        graph = numbers_graph(model)
        tf2onnx.convert.from_function(graph, input_signature=graph.input_signature, opset=OPSET, output_path=str(path))
