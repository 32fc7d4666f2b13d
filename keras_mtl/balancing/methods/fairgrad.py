"""FairGrad: a fair share of the gain for each task."""

from __future__ import annotations

import tensorflow as tf

from keras_mtl.balancing.cosines import cosines
from keras_mtl.balancing.solvers import solve_power
from keras_mtl.balancing.weighting import Weighting


class FairGrad(Weighting):
    """The step that maximises the alpha-fair utility of the tasks' gains.

    max sum_i <g_i, d>^(1 - alpha) / (1 - alpha) in a ball; d is along sum_i w_i g_i with G w = w^(-1 / alpha), w > 0,
    the stationary point of a strictly convex function, found exactly by Newton's method. alpha near 0: the sum of the
    gains; 1: Nash's bargain; large: the least gain (max-min). As in the authors' code neither G nor w is normalised:
    scaling all gradients by s scales the weights by s^(-2 alpha / (1 + alpha)). A task whose gradient is zero has
    weight 0. Heads are trained on the losses, unweighted, as in the authors' code; LibMTL weighs them. The authors
    also multiply the step by the number of tasks and then shorten it to length 1, which LibMTL and this one do not.

    Args:
        alpha: kind of fairness, 0.1 to 10; the authors' code takes 1.

    Source: Ban and Ji, Fair resource allocation in multi-task learning, ICML 2024, algorithm 1;
    github.com/OptMN-Lab/fairgrad.
    """

    name = "fairgrad"
    sees = "gramian"

    def __init__(self, alpha: float = 1.0):
        super().__init__()
        self.alpha = alpha
        self.check(0.1 <= alpha <= 10, "an alpha of 0.1 to 10")

    def weights(self, losses: tf.Tensor, gramian: tf.Tensor | None = None) -> tf.Tensor:
        matrix, lengths, present = cosines(gramian)
        power = 1.0 / self.alpha
        # In x = w |g|: C x = |g|^(power - 1) x^-power.
        x = solve_power(matrix, lengths ** (power - 1.0), power)
        return tf.cast(tf.where(present, x / lengths, 0.0), tf.float32)
