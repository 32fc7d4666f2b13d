"""DualProj: the mean gradient, projected to where it hurts no task."""

from __future__ import annotations

import tensorflow as tf

from keras_mtl.balancing.cosines import cosines
from keras_mtl.balancing.methods.upgrad import regularized
from keras_mtl.balancing.solvers import minimize_quadratic
from keras_mtl.balancing.weighting import Weighting


class DualProj(Weighting):
    """The projection of the mean gradient onto the dual cone of all gradients.

    The nearest vector to g = 1/T sum_i g_i whose inner product with no gradient is negative: sum_j v_j g_j with v from
    min v'Gv, v >= 1/T. Without conflict the weights are 1/T each.

    GEM projects the gradient of its present task onto the cone of remembered ones; that the mean of all is projected
    is torchjd's reading.

    Args:
        reg_eps: as in `UPGrad`; torchjd takes 1e-4.

    Source: Lopez-Paz and Ranzato, Gradient episodic memory for continual learning, NeurIPS 2017, equation 11;
    github.com/TorchJD/torchjd.
    """

    name = "dualproj"
    sees = "gramian"

    def __init__(self, reg_eps: float = 0.0):
        super().__init__()
        self.reg_eps = reg_eps
        self.check(reg_eps >= 0, "a reg_eps of 0 or more")

    def weights(self, losses: tf.Tensor, gramian: tf.Tensor | None = None) -> tf.Tensor:
        matrix, lengths, _ = cosines(regularized(gramian, self.reg_eps))
        # In x = v |g| and with x = |g| + y: min 1/2 y'Cy + (C |g|)'y, y >= 0.
        y, _ = minimize_quadratic(matrix, tf.linalg.matvec(matrix, lengths)[None])
        return tf.cast((1.0 + y[0] / lengths) / self.tasks, tf.float32)
