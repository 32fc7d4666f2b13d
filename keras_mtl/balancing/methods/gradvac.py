"""GradVac: gradients are turned towards each other up to the cosine they usually have."""

from __future__ import annotations

import keras
import tensorflow as tf

from keras_mtl.balancing.surgery import operate, random_orders, scaled
from keras_mtl.balancing.weighting import Weighting
from keras_mtl.values import SEEDS, is_seed


class GradVac(Weighting):
    """PCGrad with a target cosine for each pair of tasks in place of 0: the average of those met so far.

    For each task i, over the other tasks j in a random order, with `h = g_i` at first, `c = cos(h, g_j)` and the
    target `t_ij`:

        h    <- h + |h| (t_ij sqrt(1 - c^2) - c sqrt(1 - t_ij^2)) / (|g_j| sqrt(1 - t_ij^2)) g_j   where c < t_ij
        t_ij <- (1 - beta) t_ij + beta c

    The step is the sum of all h; its weights, 1 each where no pair is under its target, come of the Gramian. The
    targets start at 0. Cosines are those of the whole gradients of the shared weights, not of each layer. A task
    without a gradient in a step keeps its targets.

    Args:
        beta: how fast the targets follow, 0 to 1. The authors' 0.01; LibMTL has 0.5.
        seed: of the random orders.

    Source: Wang et al., Gradient Vaccine, ICLR 2021, algorithm 1:
    https://arxiv.org/abs/2010.05874
    """

    name = "gradvac"
    sees = "gramian"

    def __init__(self, beta: float = 0.01, seed: int = 0):
        super().__init__()
        self.beta = beta
        self.seed = seed
        self.check(0 <= beta <= 1, "beta between 0 and 1")
        self.check(is_seed(seed), f"a whole number from 0 to {SEEDS - 1} as seed")

    def build(self, tasks, shapes=()):
        super().build(tasks, shapes)
        self.targets = self.add_variable(tf.zeros((tasks, tasks)))
        self.generator = keras.random.SeedGenerator(self.seed)
        self.variables.append(self.generator.state)

    def weights(self, losses, gramian=None):
        gramian, targets = scaled(gramian), tf.cast(self.targets.value, tf.float64)
        coefficients, cosines = operate(gramian, random_orders(self.tasks, self.generator), targets)
        present = tf.linalg.diag_part(gramian) > 0
        followed = tf.where(present[:, None] & present[None, :], targets + self.beta * (cosines - targets), targets)
        self.targets.assign(tf.cast(followed, tf.float32))
        return tf.stop_gradient(tf.cast(tf.reduce_sum(coefficients, axis=0), tf.float32))
