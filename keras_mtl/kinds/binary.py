"""Tasks of two classes."""

from __future__ import annotations

from keras_mtl.errors import UserError
from keras_mtl.kinds.named import Named


class Binary(Named):
    """Two classes, of which the second is the one that F1 and ROC are of."""

    name = "binary"
    head = "logistic"
    is_switch = True

    def check(self) -> None:
        super().check()
        if len(self.task.classes) != 2:
            raise UserError(f"Task {self.task.name!r}: binary needs exactly two classes. Received: {self.task.classes}")
