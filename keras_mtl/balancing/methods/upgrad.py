"""UPGrad: the mean of the gradients, each first projected to where it hurts no task."""

from __future__ import annotations

import tensorflow as tf

from keras_mtl.balancing.cosines import as_double, cosines
from keras_mtl.balancing.solvers import minimize_quadratic
from keras_mtl.balancing.weighting import Weighting


class UPGrad(Weighting):
    """The mean of the projections of the gradients onto the dual cone of all gradients.

    1/T sum_i p(g_i), where p(g) is the nearest vector to g whose inner product with no gradient is negative. By
    duality p(g_i) = sum_j v_j g_j with v from min v'Gv, v >= e_i: T small quadratic programmes. Without conflict the
    weights are 1/T each. Scaling one gradient scales its own part and no other.

    Args:
        reg_eps: added to the diagonal of G, as a share of its trace. 0 is the method; the authors' code takes 1e-4 to
            keep its solver going, and so leaves a part of small gradients' conflicts in.

    Source: Quinton and Rey, Jacobian descent for multi-objective optimization, arXiv 2406.16232, equation 3 (the
    projection) and proposition 1; github.com/TorchJD/torchjd.
    """

    name = "upgrad"
    sees = "gramian"

    def __init__(self, reg_eps: float = 0.0):
        super().__init__()
        self.reg_eps = reg_eps
        self.check(reg_eps >= 0, "a reg_eps of 0 or more")

    def weights(self, losses: tf.Tensor, gramian: tf.Tensor | None = None) -> tf.Tensor:
        matrix, lengths, _ = cosines(regularized(gramian, self.reg_eps))
        # In x = v |g| and with x = e_i + y: min 1/2 y'Cy + (row i of C) y, y >= 0.
        y, _ = minimize_quadratic(matrix, matrix)
        weights = 1.0 + tf.reduce_sum(y * (lengths[:, None] / lengths[None, :]), axis=0)
        return tf.cast(weights / self.tasks, tf.float32)


def regularized(gramian: tf.Tensor, share: float) -> tf.Tensor:
    """The Gramian with this share of its trace added to its diagonal."""
    if share == 0:
        return gramian
    gramian = as_double(gramian)
    return gramian + share * tf.linalg.trace(gramian) * tf.eye(gramian.shape[0], dtype=tf.float64)
