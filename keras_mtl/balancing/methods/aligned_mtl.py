"""Aligned-MTL: the gradients made orthogonal and of equal length."""

from __future__ import annotations

import tensorflow as tf

from keras_mtl.balancing.cosines import RANK_TOLERANCE, as_double
from keras_mtl.balancing.weighting import Weighting


class AlignedMtl(Weighting):
    """The sum of the nearest orthogonal gradients, each as long as the smallest singular value.

    With G = V diag(l) V' over the eigenvalues l_1 >= ... >= l_R > 0, the columns of g' B are orthogonal for
    B = sqrt(l_R) V diag(1 / sqrt(l)) V', and w = B 1: the sum of the aligned gradients, as in the authors' code. One
    task: 1. The weights do not depend on the scale of all gradients.

    Eigenvalues up to l_1 times tasks times the resolution of float32 count as 0, as the authors have it. All
    gradients zero: B is the identity.

    Source: Senushkin, Patakin, Kuznetsov and Konushin, Independent component alignment for multi-task learning, CVPR
    2023, algorithm 1 (with scale mode "min"); github.com/SamsungLabs/MTL.
    """

    name = "aligned_mtl"
    sees = "gramian"

    def weights(self, losses: tf.Tensor, gramian: tf.Tensor | None = None) -> tf.Tensor:
        gramian = as_double(gramian)
        largest = tf.reduce_max(tf.linalg.diag_part(gramian))
        scaled = tf.math.divide_no_nan(gramian, largest)
        values, vectors = tf.linalg.eigh(scaled)
        kept = values > values[-1] * self.tasks * RANK_TOLERANCE
        smallest = tf.reduce_min(tf.where(kept, values, values[-1]))
        shrink = tf.where(kept, tf.sqrt(smallest / tf.where(kept, values, 1.0)), 0.0)
        weights = tf.linalg.matvec(vectors, shrink * tf.reduce_sum(vectors, axis=0))
        return tf.cast(tf.where(largest > 0.0, weights, 1.0), tf.float32)
