"""MoDo: the weights of the shortest combination, followed by small steps from two independent samples."""

from __future__ import annotations

import tensorflow as tf

from keras_mtl.balancing.simplex import nearest_on_simplex
from keras_mtl.balancing.weighting import Weighting


class MoDo(Weighting):
    """Moves the weights a little towards those of the shortest combined gradient, without the bias of one sample.

    With the gradients G1 and G2 of the two halves of the images:

        weights <- nearest on the simplex to  weights - gamma (G1 G2' weights + rho weights)

    They sum to 1 and start equal. The paper uses the new weights on a third sample. Here there are two, and both make
    the step, so it is taken with the weights from before the update: they do not depend on the step's images, which
    keeps the step unbiased as the paper asks. Those are the paper's weights one step late. The Gramian is not
    scaled: gamma is for gradients as they are. The authors' code adds up the halves' gradients, so its steps are
    twice as long.

    Args:
        gamma: length of the weights' steps, as the authors and LibMTL have it on Office-31 (the authors' parser
            starts at 0.1).
        rho: how strongly equal weights are favoured.

    Source: Chen et al., Three-Way Trade-Off in Multi-Objective Learning, NeurIPS 2023, algorithm 1:
    https://arxiv.org/abs/2305.20057
    """

    name = "modo"
    sees = "gramian"
    halves = True

    def __init__(self, gamma: float = 0.001, rho: float = 0.1):
        super().__init__()
        self.gamma = gamma
        self.rho = rho
        self.check(gamma >= 0, "gamma of 0 or more")
        self.check(rho >= 0, "rho of 0 or more")

    def build(self, tasks, shapes=()):
        super().build(tasks, shapes)
        self.task_weights = self.add_variable(tf.fill([tasks], 1.0 / tasks))

    def weights(self, losses, gramian=None):
        before = tf.identity(self.task_weights.value)
        weights = tf.cast(before, tf.float64)
        slope = tf.linalg.matvec(tf.cast(gramian, tf.float64), weights) + self.rho * weights
        self.task_weights.assign(tf.cast(nearest_on_simplex(weights - self.gamma * slope), tf.float32))
        return tf.stop_gradient(before)
