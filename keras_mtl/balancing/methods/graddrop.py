"""GradDrop: where the tasks disagree on the sign of a weight's gradient, one sign is drawn and the other dropped."""

from __future__ import annotations

import keras
import tensorflow as tf

from keras_mtl.balancing.weighting import Weighting
from keras_mtl.values import SEEDS, is_seed


class GradDrop(Weighting):
    """Keeps, for each single weight, only the gradients of one sign.

    For each entry, with the sum P of the tasks' positive gradients there and the sum N of the negative ones:

        purity = P / (P - N) = (1 + sum_i g_i / sum_i |g_i|) / 2
        step   = leak (P + N) + (1 - leak) (P with probability purity, else N)

    Where all agree the step is the plain sum. The draws are for each weight alone. The paper drops in the gradients of
    the activations; this is its algorithm on the gradients of the shared weights.

    Args:
        leak: share of the gradients that is not dropped, 0 to 1; 1 for the plain sum.
        seed: of the draws.

    Source: Chen et al., Just Pick a Sign, NeurIPS 2020, algorithm 1:
    https://arxiv.org/abs/2010.06808
    """

    name = "graddrop"
    sees = "gradients"

    def __init__(self, leak: float = 0.0, seed: int = 0):
        super().__init__()
        self.leak = leak
        self.seed = seed
        self.check(0 <= leak <= 1, "a leak between 0 and 1")
        self.check(is_seed(seed), f"a whole number from 0 to {SEEDS - 1} as seed")

    def build(self, tasks, shapes=()):
        super().build(tasks, shapes)
        self.generator = keras.random.SeedGenerator(self.seed)
        self.variables.append(self.generator.state)

    def combine(self, gradients, losses):
        # One draw for all weights costs less than one for each. Shapes may be known in the graph only.
        sizes = [tf.size(gradient) for gradient in gradients[0]]
        drawn = tf.split(keras.random.uniform((tf.add_n(sizes),), seed=self.generator), sizes, num=len(sizes))
        columns = zip(drawn, zip(*gradients, strict=True), strict=True)
        return [picked_sign(column, tf.reshape(draw, tf.shape(column[0])), self.leak) for draw, column in columns]


def picked_sign(gradients, drawn, leak: float) -> tf.Tensor:
    """One weight's step.

    Args:
        gradients: for each task that of this weight, of one shape.
        drawn: numbers from 0 to under 1 of that shape; the positive gradients stay where it is under their purity.
        leak: as for `GradDrop`.
    """
    positive = tf.add_n([tf.nn.relu(gradient) for gradient in gradients])
    whole = tf.add_n(list(gradients))
    negative = -tf.add_n([tf.nn.relu(-gradient) for gradient in gradients])
    # Where all gradients are 0 either sum is the step.
    purity = tf.math.divide_no_nan(positive, positive - negative)
    return leak * whole + (1 - leak) * tf.where(drawn < purity, positive, negative)
