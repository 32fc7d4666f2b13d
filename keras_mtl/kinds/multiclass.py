"""Tasks of several classes."""

from __future__ import annotations

from keras_mtl.kinds.named import Named


class Multiclass(Named):
    """Classes without an order."""

    name = "multiclass"
    head = "softmax"
    page = {"likeliest_first": True}
