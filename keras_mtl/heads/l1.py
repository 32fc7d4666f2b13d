"""Regression by one number and its absolute error."""

from __future__ import annotations

import keras

from keras_mtl.heads.task_head import Head


class L1(Head):
    """One logit, 0 at the middle of the range and 1 at its end; the loss is the absolute error.

    The error is counted in halves of the range, so that its size is near that of a cross entropy
    whatever the unit. Predictions are cut to the range.
    """

    name = "l1"
    kinds = ("regression",)

    @property
    def units(self) -> int:
        return 1

    @property
    def _middle(self) -> float:
        return sum(self.task.bounds) / 2

    @property
    def _half(self) -> float:
        low, high = self.task.bounds
        return (high - low) / 2

    def losses(self, labels, logits):
        return keras.ops.abs(logits[:, 0] - (labels - self._middle) / self._half)

    def decode(self, logits):
        return keras.ops.clip(self._middle + self._half * logits[:, 0], *self.task.bounds)
