"""Ordinal tasks: one logit for each step from a class to the next."""

from __future__ import annotations

import keras

from keras_mtl.models.heads.base import Head


class Corn(Head):
    """Conditional ordinal regression, rank-consistent: logit k is that of `P(y > k | y > k - 1)`.

    Each step is a binary task on those samples whose label has reached it; the loss is the mean over the
    steps that count for a sample. `P(y > k)` is the product of the steps' probabilities, so it can't
    rise with k.

    Source: Shi, Cao and Raschka, "Deep Neural Networks for Rank-Consistent Ordinal Regression Based On
    Conditional Probabilities", 2021 (arXiv:2111.08851), section 3.
    """

    name = "corn"
    kinds = ("ordinal",)

    @property
    def units(self) -> int:
        return len(self.task.classes) - 1

    def losses(self, labels, logits):
        steps = keras.ops.arange(self.units, dtype="float32")[None, :]
        above = keras.ops.cast(labels[:, None] > steps, "float32")
        counts = keras.ops.cast(labels[:, None] >= steps, "float32")
        losses = (keras.ops.softplus(logits) - above * logits) * counts
        return keras.ops.sum(losses, axis=-1) / keras.ops.sum(counts, axis=-1)

    def decode(self, logits):
        # The running product of sigmoids, as a sum: ONNX knows no running product.
        above = keras.ops.exp(keras.ops.cumsum(keras.ops.log_sigmoid(logits), axis=-1))
        ones = keras.ops.ones_like(above[:, :1])
        return keras.ops.concatenate([ones, above], axis=-1) - keras.ops.concatenate(
            [above, keras.ops.zeros_like(ones)], axis=-1
        )
