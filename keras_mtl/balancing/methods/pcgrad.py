"""PCGrad: conflicting gradients are projected off each other."""

from __future__ import annotations

import keras
import tensorflow as tf

from keras_mtl.balancing.surgery import operate, random_orders, scaled
from keras_mtl.balancing.weighting import Weighting
from keras_mtl.values import SEEDS, is_seed


class PCGrad(Weighting):
    """Takes out of each task's gradient what points against the others, then adds them up.

    For each task i, over the other tasks j in a random order, with `h = g_i` at first:

        h <- h - <h, g_j> / |g_j|^2 g_j   where <h, g_j> < 0

    The step is the sum of all h. It is a combination of the tasks' gradients, so the Gramian gives its weights. They
    are 1 or more each; 1 each, the plain sum, where no gradients conflict. For two tasks the step conflicts with
    neither; for more it may.

    Args:
        seed: of the random orders.

    Source: Yu et al., Gradient Surgery for Multi-Task Learning, NeurIPS 2020, algorithm 1:
    https://arxiv.org/abs/2001.06782
    """

    name = "pcgrad"
    sees = "gramian"

    def __init__(self, seed: int = 0):
        super().__init__()
        self.seed = seed
        self.check(is_seed(seed), f"a whole number from 0 to {SEEDS - 1} as seed")

    def build(self, tasks, shapes=()):
        super().build(tasks, shapes)
        self.generator = keras.random.SeedGenerator(self.seed)
        self.variables.append(self.generator.state)

    def weights(self, losses, gramian=None):
        coefficients, _ = operate(scaled(gramian), random_orders(self.tasks, self.generator))
        return tf.stop_gradient(tf.cast(tf.reduce_sum(coefficients, axis=0), tf.float32))
