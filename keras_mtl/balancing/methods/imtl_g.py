"""IMTL-G: the combination that has the same projection on every gradient."""

from __future__ import annotations

import tensorflow as tf

from keras_mtl.balancing.cosines import even_direction
from keras_mtl.balancing.weighting import Weighting


class ImpartialGradient(Weighting):
    """Weights for which the summed gradient projects equally on each task's gradient.

    g = sum_i w_i g_i with <g, g_i> / |g_i| the same for all i and sum_i w_i = 1. The paper's closed form,
    (w_2, ..., w_T) = g_1 U' (D U')^-1 with the rows g_1 - g_i of D and u_1 - u_i of U, is that of G w = s sqrt(diag G)
    with s set by the sum: w_i = x_i / |g_i| over its sum, with x = C^-1 1 of the matrix C of cosines. This one treats
    no task as the first. Weights can be negative. Dependent gradients: the pseudo-inverse. A gradient of zero: 0.

    Source: Liu, Li, Kuang, Xue, Chen, Yang, Liao and Zhang, Towards impartial multi-task learning, ICLR 2021,
    the closed form of IMTL-G; for dependent gradients, in this spirit, Quinton and Rey, arXiv 2406.16232.
    """

    name = "imtl_g"
    sees = "gramian"

    def weights(self, losses: tf.Tensor, gramian: tf.Tensor | None = None) -> tf.Tensor:
        x, _, parts = even_direction(gramian)
        shortest = tf.reduce_min(tf.where(parts.present, parts.lengths, 1e300))
        weights = tf.where(parts.present, x * (shortest / parts.lengths), 0.0)
        return tf.cast(tf.math.divide_no_nan(weights, tf.reduce_sum(weights)), tf.float32)
