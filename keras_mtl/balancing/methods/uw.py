"""UW: weights by the uncertainty that is learnt for each task."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from keras_mtl.balancing.learnt import LearntNumbers
from keras_mtl.balancing.weighting import Weighting


class UncertaintyWeighting(Weighting):
    """A task's weight is its inverse variance, which is learnt beside the net.

        min over net and s:  sum_i L_i / 2 exp(-s_i) + s_i / 2,   w_i = 1/2 exp(-s_i)

    s_i is the logarithm of the variance, -0.5 at first as in LibMTL; it settles where w_i L_i = 1/2. The paper
    has 1 / (2 sigma^2) before a regression's loss (eq. 7) and 1 / sigma^2 before a classification's (eq. 10);
    here, as in LibMTL, all have the first. With the same learning rate for both that is eq. 10 with half the
    weight for every classification. Where a task has no label in the batch, its s_i stays.

    Args:
        learning_rate: of the Adam that trains s. The paper trains s with the net's optimizer, and names no rate.

    Source: Kendall, Gal and Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses for Scene Geometry and
    Semantics", CVPR 2018, equations 7 and 10.
    """

    name = "uw"
    sees = "losses"

    def __init__(self, learning_rate: float = 1e-3):
        super().__init__()
        self.learning_rate = learning_rate
        self.check(isinstance(learning_rate, (int, float)) and learning_rate > 0, "a learning_rate above 0")

    def build(self, tasks: int, shapes: Sequence[tuple[int, ...]] = ()) -> None:
        super().build(tasks, shapes)
        self.log_variances = LearntNumbers(self, -0.5, self.learning_rate)

    def weights(self, losses: tf.Tensor, gramian: tf.Tensor | None = None) -> tf.Tensor:
        losses = tf.stop_gradient(losses)
        weights = 0.5 * tf.exp(-self.log_variances.value.value)
        self.log_variances.descend(0.5 - weights * losses, losses > 0)
        return weights
