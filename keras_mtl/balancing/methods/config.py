"""ConFIG: the direction at the same angle to every gradient."""

from __future__ import annotations

import tensorflow as tf

from keras_mtl.balancing.cosines import even_direction
from keras_mtl.balancing.weighting import Weighting


class ConFig(Weighting):
    """The step with the same cosine to every gradient, as long as the sum of the gradients' projections on it.

    d = (sum_i <g_i, u>) u, u = v / |v|, v = U^+ 1 with the unit gradients as the rows of U. By their matrix C of
    cosines v = sum_i x_i g_i / |g_i| with x = C^+ 1. Independent gradients: no inner product with d is negative. The
    direction does not depend on the scale of any gradient. A task whose gradient is zero has weight 0.

    Source: Liu, Chu and Thuerey, ConFIG: Towards conflict-free training of physics informed neural networks, arXiv
    2408.11104, equation 2; github.com/tum-pbs/ConFIG.
    """

    name = "config"
    sees = "gramian"

    def weights(self, losses: tf.Tensor, gramian: tf.Tensor | None = None) -> tf.Tensor:
        x, products, (_, lengths, present) = even_direction(gramian)
        length = tf.reduce_sum(tf.where(present, lengths, 0.0) * products)
        # length / |v| of v / |v|; |v|^2 = x'Cx.
        ratio = tf.math.divide_no_nan(length, tf.reduce_sum(x * products))
        return tf.cast(tf.where(present, x * ratio / lengths, 0.0), tf.float32)
