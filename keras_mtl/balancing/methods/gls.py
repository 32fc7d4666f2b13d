"""GLS: the geometric mean of the losses in place of their sum."""

from __future__ import annotations

import tensorflow as tf

from keras_mtl.balancing.weighting import Weighting

# Two losses 1e40 apart have a weight that float32 has not.
LARGEST_LOG = 80.0


class GeometricLoss(Weighting):
    """Descends the geometric mean of the losses, in which a loss' scale does not matter.

        L = (prod_i L_i)^(1/T),   w_i = dL / dL_i = L / (T L_i)

    A task without a label in the batch has no part in the mean (T counts the others) and the weight 0. Weights end
    at exp(80).

    Source: Chennupati et al., "MultiNet++: Multi-Stream Feature Aggregation and Geometric Loss Strategy for
    Multi-Task Learning", CVPR 2019 workshop, the section on the geometric loss strategy.
    """

    name = "gls"
    sees = "losses"

    def weights(self, losses: tf.Tensor, gramian: tf.Tensor | None = None) -> tf.Tensor:
        losses = tf.stop_gradient(losses)
        present = losses > 0
        share = 1.0 / tf.maximum(tf.reduce_sum(tf.cast(present, tf.float32)), 1.0)
        logs = tf.math.log(tf.where(present, losses, 1.0))
        weights = share * tf.exp(tf.minimum(share * tf.reduce_sum(logs) - logs, LARGEST_LOG))
        return tf.where(present, weights, 0.0)
