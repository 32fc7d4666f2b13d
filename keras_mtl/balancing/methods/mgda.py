"""MGDA: the shortest combination of the gradients."""

from __future__ import annotations

import tensorflow as tf

from keras_mtl.balancing.cosines import cosines
from keras_mtl.balancing.solvers import minimize_quadratic
from keras_mtl.balancing.weighting import Weighting


class Mgda(Weighting):
    """The convex combination of the gradients that is shortest.

    min |sum_i w_i g_i|^2, w >= 0, sum_i w_i = 1. Its inner product with each gradient is at least its own squared
    length, so no task is made worse; it is zero where no step helps all tasks. The weights sum to 1. Sener and Koltun
    find the minimum by Frank-Wolfe; here it is exact. A task whose gradient is zero (no labels in this batch) is left
    out with weight 0: taken at its word, the shortest combination would be that task alone, and nothing would learn.
    Heads are trained on the losses times the weights, as in the authors' code (github.com/isl-org/
    MultiObjectiveOptimization); by the paper's algorithm 2 and LibMTL they would be on the losses as they are.

    Source: Sener and Koltun, Multi-task learning as multi-objective optimization, NeurIPS 2018, equation 3 and
    algorithm 2; Désidéri, Multiple-gradient descent algorithm (MGDA), 2012.
    """

    name = "mgda"
    sees = "gramian"

    def weights(self, losses: tf.Tensor, gramian: tf.Tensor | None = None) -> tf.Tensor:
        matrix, lengths, present = cosines(gramian)
        # min x'Cx where sum x / length = 1 has, but for its scale, the solution of min 1/2 x'Cx - sum x / length.
        shortest = tf.reduce_min(tf.where(present, lengths, 1e300))
        sides = tf.where(present, shortest / lengths, 0.0)
        x, _ = minimize_quadratic(matrix, -sides[None])
        weights = x[0] / lengths
        sole = tf.fill([self.tasks], tf.constant(1.0 / self.tasks, tf.float64))
        weights = tf.where(tf.reduce_any(present), tf.math.divide_no_nan(weights, tf.reduce_sum(weights)), sole)
        return tf.cast(weights, tf.float32)

    def own_weights(self, losses: tf.Tensor, weights: tf.Tensor | None) -> tf.Tensor | None:
        return weights
