"""OpenVINO's own format, in float32 and with 8-bit convolutions."""

from __future__ import annotations

import contextlib
import logging
import pathlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from keras_mtl.scratch import scratch
from keras_mtl.serving.formats.base import Format
from keras_mtl.serving.formats.onnx import Onnx

if TYPE_CHECKING:
    from keras_mtl.serving.calibration import Calibration

# What turns features into numbers stays in float32: an expectation over a hundred bins is lost in 8 bits.
_KEPT = ("MatMul", "SoftMax", "Sigmoid", "Multiply", "ReduceSum", "CumSum", "Subtract", "Divide", "Maximum", "Clamp")


class OpenVino(Format):
    """By OpenVINO's reader of ONNX. The weights lie beside the file, as `.bin`."""

    name = "openvino"
    suffix = ".xml"
    packages: ClassVar[Sequence[str]] = ("onnx", "openvino", "tf2onnx")
    limit = 1e-5

    def convert(self, model, path: pathlib.Path, images: np.ndarray | None, calibration: Calibration) -> None:
        import openvino

        with scratch(path.parent) as place:
            between = place / "model.onnx"
            Onnx().convert(model, between, None, calibration)
            converted = self.finish(openvino.convert_model(str(between)), images)
            # Halves of the weights' digits would be lost otherwise.
            openvino.save_model(converted, str(path), compress_to_fp16=False)

    def finish(self, converted, images: np.ndarray | None):
        """What is done to the `openvino.Model` before it is written."""
        return converted


class OpenVinoInt8(OpenVino):
    """The same with 8-bit convolutions, by nncf's quantisation after training."""

    name = "openvino_int8"
    packages = (*OpenVino.packages, "nncf")
    calibrated = True
    limit = 2e-2

    def finish(self, converted, images: np.ndarray | None):
        import nncf

        assert images is not None  # as `calibrated` asks for
        nncf.set_log_level(logging.ERROR)
        data = nncf.Dataset([images[i : i + 1] for i in range(len(images))])
        # Its progress bars would stand between what the command prints.
        with contextlib.redirect_stdout(sys.stderr):
            return nncf.quantize(
                converted,
                data,
                subset_size=len(images),
                ignored_scope=nncf.IgnoredScope(types=list(_KEPT), validate=False),
            )
