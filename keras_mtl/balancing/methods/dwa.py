"""DWA: weights by how fast each loss fell from epoch to epoch."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from keras_mtl.balancing.weighting import Weighting


class DynamicWeightAverage(Weighting):
    """A task whose mean loss fell less over the last two epochs weighs more.

        w_i = T exp(r_i / temperature) / sum_j exp(r_j / temperature),   r_i = L_i(last epoch) / L_i(the one before)

    The sum is the number of tasks, T. In the first two epochs all weigh 1. A mean is over the steps in which the
    task had a label; without one in an epoch the task keeps its mean, and r_i is 1 until it has two.

    Args:
        temperature: the higher, the more equal.

    Source: Liu, Johns and Davison, "End-to-End Multi-Task Learning with Attention", CVPR 2019, equation 7.
    """

    name = "dwa"
    sees = "losses"

    def __init__(self, temperature: float = 2.0):
        super().__init__()
        self.temperature = temperature
        self.check(isinstance(temperature, (int, float)) and temperature > 0, "a temperature above 0")

    def build(self, tasks: int, shapes: Sequence[tuple[int, ...]] = ()) -> None:
        super().build(tasks, shapes)
        self.current = self.add_variable([1.0] * tasks)
        self.totals = self.add_variable([0.0] * tasks)
        self.steps = self.add_variable([0.0] * tasks)
        self.last = self.add_variable([0.0] * tasks)  # 0: not known yet
        self.before_last = self.add_variable([0.0] * tasks)

    def weights(self, losses: tf.Tensor, gramian: tf.Tensor | None = None) -> tf.Tensor:
        losses = tf.stop_gradient(losses)
        self.totals.assign_add(losses)
        self.steps.assign_add(tf.cast(losses > 0, tf.float32))
        return tf.identity(self.current.value)

    def on_epoch_end(self) -> None:
        means = tf.math.divide_no_nan(self.totals.value, self.steps.value)
        self.before_last.assign(self.last.value)
        self.last.assign(tf.where(self.steps.value > 0, means, self.last.value))
        for variable in (self.totals, self.steps):
            variable.assign(tf.zeros_like(variable.value))
        # In float64, where a fall from 1e20 to 1e-20 is a number too.
        last, before = tf.cast(self.last.value, tf.float64), tf.cast(self.before_last.value, tf.float64)
        known = (last > 0) & (before > 0)
        ratios = tf.where(known, last / tf.where(known, before, 1.0), 1.0)
        self.current.assign(tf.cast(self.tasks * tf.nn.softmax(ratios / self.temperature), tf.float32))
