"""ONNX, for ONNX Runtime and many others."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

import numpy as np

from keras_mtl.serving.formats.base import Format, facts_within

if TYPE_CHECKING:
    from keras_mtl.serving.calibration import Calibration

# The newest that tf2onnx writes without a warning; every runtime of the last years reads it.
OPSET = 17


class Onnx(Format):
    """By tf2onnx, and some steps less than that leaves. `metadata_props` tell classes, units and what images are."""

    name = "onnx"
    suffix = ".onnx"
    packages = ("onnx", "tf2onnx")
    limit = 1e-5

    def convert(self, model, path: pathlib.Path, images: np.ndarray | None, calibration: Calibration) -> None:
        import onnx
        import tf2onnx

        from keras_mtl.serving.formats.graphs import numbers_of_weights_graph
        from keras_mtl.serving.formats.onnx_graph import set_weights, simplify

        # tf2onnx copies a graph, weights and all, for each of its forty rewritings: it gets one without them.
        graph = numbers_of_weights_graph(model, calibration)
        converted, _ = tf2onnx.convert.from_function(graph, input_signature=graph.input_signature, opset=OPSET)
        weights = [*model.trainable_variables, *model.non_trainable_variables]
        set_weights(converted, {f"weight_{i}": weight.numpy() for i, weight in enumerate(weights)})
        simplify(converted)
        onnx.helper.set_model_props(converted, facts_within(model))
        onnx.checker.check_model(converted)
        onnx.save(converted, path)
