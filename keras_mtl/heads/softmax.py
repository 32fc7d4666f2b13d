"""Tasks with classes: one logit a class."""

from __future__ import annotations

import keras

from keras_mtl.heads.task_head import Head


class Softmax(Head):
    """Softmax regression on the trunk's features, with the cross entropy of the labelled class as its loss."""

    name = "softmax"
    kinds = ("multiclass", "binary", "ordinal")

    @property
    def units(self) -> int:
        return len(self.task.classes)

    def losses(self, labels, logits):
        return keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)

    def decode(self, logits):
        return keras.ops.softmax(logits)
