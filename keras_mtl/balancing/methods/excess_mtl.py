"""ExcessMTL: tasks further from their optimum get more weight, noisy ones do not."""

from __future__ import annotations

import math

import tensorflow as tf

from keras_mtl.balancing.stacks import combination, no_gradients, stacked
from keras_mtl.balancing.weighting import Weighting

_SMALLEST_SQUARE = 1e-7
_LARGEST = 1e18


class ExcessMtl(Weighting):
    """Multiplies each task's weight by the exponential of its estimated excess risk, loss above the best possible.

    With the sum `s_i` of the squares of the task's gradients of all steps, entry by entry:

        excess_i   = sum g_i^2 / sqrt(s_i + 1e-7)
        weights_i <- weights_i exp(robust_step_size excess_i / excess_i(0))

    then scaled to the sum of the number of tasks; the step is the sum of the gradients times the new weights. They
    start at 1. `excess_i(0)` is that of the first step in which the task had a gradient; that step leaves its weight.
    Remembers a copy of the shared weights for each task. The heads are trained on the losses times the new weights,
    as in the authors' code (github.com/yifei-he/ExcessMTL) and LibMTL.

    Args:
        robust_step_size: how fast the weights move; the start value of the authors' code (its example has 1).

    Source: He et al., Robust Multi-Task Learning with Excess Risks, ICML 2024, algorithm 1:
    https://arxiv.org/abs/2402.02009
    """

    name = "excess_mtl"
    sees = "gradients"

    def __init__(self, robust_step_size: float = 0.01):
        super().__init__()
        self.robust_step_size = robust_step_size
        self.check(robust_step_size >= 0, "a robust_step_size of 0 or more")

    def build(self, tasks, shapes=()):
        super().build(tasks, shapes)
        # As logarithms, for a weight that reached 0 would stay there.
        self.log_weights = self.add_variable(tf.zeros(tasks))
        self.first_excess = self.add_variable(tf.zeros(tasks))
        self.squares = [self.add_variable(zeros) for zeros in no_gradients(tasks, shapes)]

    def combine(self, gradients, losses):
        stacks = stacked(gradients)
        excess = tf.add_n([self._excess(of_all, new) for of_all, new in zip(self.squares, stacks, strict=True)])
        first = tf.cast(self.first_excess.value, tf.float64)
        self.first_excess.assign(tf.cast(tf.where(first > 0, first, excess), tf.float32))
        grown = tf.cast(self.log_weights.value, tf.float64)
        grown += self.robust_step_size * tf.math.divide_no_nan(excess, first)
        log_weights = tf.nn.log_softmax(grown) + math.log(self.tasks)
        self.log_weights.assign(tf.cast(log_weights, tf.float32))
        return combination(tf.exp(log_weights), stacks)

    def own_weights(self, losses, weights):
        return tf.cast(tf.exp(tf.cast(self.log_weights.value, tf.float64)), tf.float32)

    def _excess(self, of_all, new):
        # Squares of more would leave float32's range.
        square = tf.square(tf.clip_by_value(new, -_LARGEST, _LARGEST))
        of_all.assign(of_all.value + square)
        excess = square / tf.sqrt(of_all.value + _SMALLEST_SQUARE)
        return tf.cast(tf.reduce_sum(tf.reshape(excess, [self.tasks, -1]), axis=1), tf.float64)
