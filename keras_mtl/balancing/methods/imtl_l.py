"""IMTL-L: loss scales, learnt so that all scaled losses are alike."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from keras_mtl.balancing.learnt import LearntNumbers
from keras_mtl.balancing.weighting import Weighting


class ImpartialLoss(Weighting):
    """A task's weight is a scale that is learnt beside the net, and settles at one over its loss.

        min over net and s:  sum_i exp(s_i) L_i - s_i,   w_i = exp(s_i)

    s_i is 0 at first: the plain sum. Where a task has no label in the batch, its s_i stays.

    Args:
        learning_rate: of the Adam that trains s. The paper trains s with the net's optimizer, and names no rate.

    Source: Liu et al., "Towards Impartial Multi-task Learning", ICLR 2021, equation 6 (with a = e, b = 1).
    """

    name = "imtl_l"
    sees = "losses"

    def __init__(self, learning_rate: float = 1e-3):
        super().__init__()
        self.learning_rate = learning_rate
        self.check(isinstance(learning_rate, (int, float)) and learning_rate > 0, "a learning_rate above 0")

    def build(self, tasks: int, shapes: Sequence[tuple[int, ...]] = ()) -> None:
        super().build(tasks, shapes)
        self.scales = LearntNumbers(self, 0.0, self.learning_rate)

    def weights(self, losses: tf.Tensor, gramian: tf.Tensor | None = None) -> tf.Tensor:
        losses = tf.stop_gradient(losses)
        weights = tf.exp(self.scales.value.value)
        self.scales.descend(weights * losses - 1.0, losses > 0)
        return weights
