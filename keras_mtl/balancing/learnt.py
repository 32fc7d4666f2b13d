"""One number a task, learnt beside the net: what UW, IMTL-L and FAMO share."""

from __future__ import annotations

import keras
import tensorflow as tf

from keras_mtl.balancing.weighting import Weighting

# Adam squares gradients: a loss of 1e20 must not leave an infinite second moment behind, in float32.
LARGEST_GRADIENT = 1e15


class LearntNumbers:
    """A number a task with an Adam of its own, as torch's users know it (epsilon 1e-8).

    Args:
        weighting: whose `variables` the numbers and the optimizer's state are added to.
        start: the number of every task at first.
        learning_rate: the optimizer's.
    """

    def __init__(self, weighting: Weighting, start: float, learning_rate: float):
        self.value = weighting.add_variable([start] * weighting.tasks)
        self.optimizer = keras.optimizers.Adam(learning_rate, epsilon=1e-8)
        self.optimizer.build([self.value])
        weighting.variables.extend(self.optimizer.variables)

    def descend(self, gradient: tf.Tensor, present: tf.Tensor) -> None:
        """One step of the optimizer; the numbers of tasks that are not `present`, bool [tasks], stay."""
        before = tf.identity(self.value.value)
        gradient = tf.clip_by_value(gradient, -LARGEST_GRADIENT, LARGEST_GRADIENT)
        self.optimizer.apply([tf.where(present, gradient, 0.0)], [self.value])
        # Without a gradient Adam would go on by its momentum.
        self.value.assign(tf.where(present, self.value.value, before))
