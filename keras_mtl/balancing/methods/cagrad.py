"""CAGrad: the mean gradient, turned towards the task that it serves worst."""

from __future__ import annotations

import tensorflow as tf

from keras_mtl.balancing.cosines import cosines
from keras_mtl.balancing.solvers import minimize_with_norm
from keras_mtl.balancing.weighting import Weighting


class CAGrad(Weighting):
    """The step near the mean gradient g_0 that does most for the task that gains least.

    max_d min_i <g_i, d>, |d - g_0| <= c |g_0|. Its solution is d = g_0 + c |g_0| g_w / |g_w|, where g_w is the sum of
    w_i g_i with w from min_w <g_w, g_0> + c |g_0| |g_w|, w >= 0, sum_i w_i = 1. As in the authors' code the step is
    divided by 1 + c^2 (`rescale` 1; 0: by nothing; 2: by 1 + c) and multiplied by the number of tasks, so that with
    c = 0 it is the step of the summed losses. Where |g_w| is 0 the step is the one nearest to g_0 that makes no task
    worse. A task whose gradient is zero counts in the mean and is not among those that gain least.

    Args:
        c: how far from the mean gradient, as a share of its length; 0 or more. Below 1 training converges to a
            minimum of the mean loss.
        rescale: 0, 1 or 2.

    Source: Liu, Liu, Jin, Stone and Liu, Conflict-averse gradient descent for multi-task learning, NeurIPS 2021,
    algorithm 1; github.com/Cranial-XIX/CAGrad.
    """

    name = "cagrad"
    sees = "gramian"

    def __init__(self, c: float = 0.5, rescale: int = 1):
        super().__init__()
        self.c = c
        self.rescale = rescale
        self.check(c >= 0 and rescale in (0, 1, 2), "c of 0 or more and a rescale of 0, 1 or 2")

    def weights(self, losses: tf.Tensor, gramian: tf.Tensor | None = None) -> tf.Tensor:
        if self.c == 0:
            return tf.ones([self.tasks])
        divisor = (1.0, 1.0 + self.c**2, 1.0 + self.c)[self.rescale]
        matrix, lengths, present = cosines(gramian)
        share = tf.where(present, lengths, 0.0) / self.tasks
        longest = tf.maximum(tf.reduce_max(share), 1e-300)
        mean = share / longest
        linear = tf.linalg.matvec(matrix, mean)
        radius = self.c * tf.sqrt(tf.reduce_sum(mean * linear))
        shortest = tf.reduce_min(tf.where(present, lengths, 1e300))
        sides = tf.where(present, shortest / lengths, 0.0)
        x = minimize_with_norm(matrix, linear, sides, radius)
        return tf.cast((1.0 + self.tasks * longest * x / lengths) / divisor, tf.float32)
