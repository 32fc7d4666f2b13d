"""What every format offers: one file beside the SavedModel that another runtime reads."""

from __future__ import annotations

import importlib.util
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from keras_mtl.errors import UserError
from keras_mtl.files import json_text
from keras_mtl.serving.versions import FORMATS_FOLDER

if TYPE_CHECKING:
    from keras_mtl.serving.calibration import Calibration

FOLDER = FORMATS_FOLDER


def facts_within(model) -> dict[str, str]:
    """What a format's file tells by itself of its inputs and outputs: `tasks` (JSON) and `images`."""
    return {
        "tasks": json_text([task.to_dict() for task in model.tasks.values()]),
        "images": "RGB, 0 to 255, upright, of the model's own size: nothing is to be scaled or subtracted",
    }


class Format:
    """How a model is written for another runtime. A format is a subclass, listed in `FORMATS`.

    The file takes `images`, uint8 [batch, size, size, 3] of the model's own size, and gives the numeric outputs of
    the signatures (see `export_model`); photos are decoded and resized by the caller.

    Attributes:
        name: the format's name; its file is `formats/<name><suffix>`.
        suffix: of the file.
        packages: what must be installed to write it.
        calibrated: whether it needs images to see how large the values in the net become.
        quantized: whether it can tell of layers that `model.quantize("int8")` made.
        limit: how far, in the mean over images, an output may be from the SavedModel's, as a share of its range.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]
    packages: ClassVar[Sequence[str]]
    calibrated: ClassVar[bool] = False
    quantized: ClassVar[bool] = True
    limit: ClassVar[float]

    @property
    def file(self) -> str:
        return f"{FOLDER}/{self.name}{self.suffix}"

    def check_installed(self) -> None:
        """Raises UserError where a package that it needs isn't there; nothing is imported to find that out."""
        missing = [package for package in self.packages if importlib.util.find_spec(package) is None]
        if missing:
            raise UserError(
                f"Format {self.name!r} needs the package {missing[0]}, which is not installed: "
                "pip install 'keras_mtl[formats]'"
            )

    def convert(self, model, path: pathlib.Path, images: np.ndarray | None, calibration: Calibration) -> None:
        """Writes the file.

        Args:
            model: a `MultiTaskModel` in float32, its BatchNormalization folded.
            path: the file to write; its folder is there.
            images: for `calibrated` formats uint8 [n, size, size, 3].
            calibration: what is worked into the outputs.
        """
        raise NotImplementedError
