"""FAMO: weights that make all losses fall at the same rate, learnt from the losses alone."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from keras_mtl.balancing.learnt import LearntNumbers
from keras_mtl.balancing.weighting import Weighting

# The authors': keeps logarithm and quotient of a loss finite.
TINY = 1e-8
# A logit that a softmax makes 0.
NEVER = -1e30


class Famo(Weighting):
    """Weights by logits, moved after each step towards the tasks whose losses fell least.

        z = softmax(xi),   w_i = c z_i / L_i,   c = 1 / sum_j z_j / L_j
        after the step:  xi <- xi - learning_rate Adam( J^T (log L - log L_after) + gamma xi ),   J = dz / dxi

    The weights' sum is 1. The decay `gamma` is added to the gradient, as torch's Adam does, and so in the authors'
    code. Tasks without a label in the batch weigh 0, and their logits stay; z is among the others.

    Args:
        learning_rate: of the Adam that moves the logits.
        gamma: their decay.

    Source: Liu et al., "FAMO: Fast Adaptive Multitask Optimization", NeurIPS 2023, algorithm 1;
    both defaults are those of the authors' code (github.com/Cranial-XIX/FAMO).
    """

    name = "famo"
    sees = "losses"
    looks_again = True

    def __init__(self, learning_rate: float = 0.025, gamma: float = 0.01):
        super().__init__()
        self.learning_rate = learning_rate
        self.gamma = gamma
        self.check(isinstance(learning_rate, (int, float)) and learning_rate > 0, "a learning_rate above 0")
        self.check(isinstance(gamma, (int, float)) and gamma >= 0, "a gamma of 0 or more")

    def build(self, tasks: int, shapes: Sequence[tuple[int, ...]] = ()) -> None:
        super().build(tasks, shapes)
        self.logits = LearntNumbers(self, 0.0, self.learning_rate)
        self.before = self.add_variable([0.0] * tasks)

    def weights(self, losses: tf.Tensor, gramian: tf.Tensor | None = None) -> tf.Tensor:
        losses = tf.stop_gradient(losses)
        self.before.assign(losses)
        # c z_i / L_i is a softmax too: of the logits less the logarithms of the losses.
        return _softmax(self.logits.value.value - tf.math.log(losses + TINY), losses > 0)

    def after_step(self, losses: tf.Tensor) -> None:
        present = self.before.value > 0
        fall = tf.math.log(self.before.value + TINY) - tf.math.log(tf.stop_gradient(losses) + TINY)
        fall = tf.where(present, fall, 0.0)
        shares = _softmax(self.logits.value.value, present)
        gradient = shares * (fall - tf.reduce_sum(shares * fall))
        self.logits.descend(gradient + self.gamma * self.logits.value.value, present)


def _softmax(logits: tf.Tensor, present: tf.Tensor) -> tf.Tensor:
    """A softmax over the tasks that are present; 0 for the others."""
    return tf.where(present, tf.nn.softmax(tf.where(present, logits, NEVER)), 0.0)
