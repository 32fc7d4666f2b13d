"""The formats beside the SavedModel, by name."""

from __future__ import annotations

from collections.abc import Sequence

from keras_mtl.errors import UserError
from keras_mtl.serving.formats.base import Format
from keras_mtl.serving.formats.litert import LiteRt, LiteRtDynamic, LiteRtFloat16, LiteRtInt8
from keras_mtl.serving.formats.onnx import Onnx
from keras_mtl.serving.formats.openvino import OpenVino, OpenVinoInt8

FORMATS: dict[str, Format] = {
    kind.name: kind() for kind in (Onnx, OpenVino, OpenVinoInt8, LiteRt, LiteRtFloat16, LiteRtDynamic, LiteRtInt8)
}


def choose_formats(names: Sequence[str]) -> list[Format]:
    """The formats of those names, each once; "all" stands for every one.

    Raises:
        UserError: an unknown name, or a package that a format needs isn't installed.
    """
    for name in names:
        if name not in (*FORMATS, "all"):
            raise UserError(f"Unknown format {name!r}; known: {', '.join(FORMATS)}, all")
    chosen = [known for name, known in FORMATS.items() if name in names or "all" in names]
    for one in chosen:
        one.check_installed()
    return chosen
