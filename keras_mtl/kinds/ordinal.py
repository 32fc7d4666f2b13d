"""Tasks of classes in an order."""

from __future__ import annotations

from keras_mtl.kinds.named import Named


class Ordinal(Named):
    """Classes in a meaningful order, ranks: how many ranks a prediction is off is told as well."""

    name = "ordinal"
    head = "corn"
    measures = ("accuracy", "mae")
    page = {"ordered": True}
