"""Nash-MTL: the step as a bargain between the tasks."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from keras_mtl.balancing.cosines import as_double, cosines
from keras_mtl.balancing.solvers import solve_power
from keras_mtl.balancing.weighting import Weighting


class NashMtl(Weighting):
    """The Nash bargaining solution: the step with the largest product of the tasks' gains.

    max sum_i log <g_i, d> in a ball; d is along sum_i a_i g_i with G a = 1 / a, a > 0. That is where the strictly
    convex 1/2 a'Ga - sum_i log a_i is smallest, and found exactly, by Newton's method. As in the authors' code G is
    first divided by its Frobenius norm, so the weights do not depend on the scale of all gradients, and the weighted
    gradient is then shortened to `max_norm`. The direction does not depend on the scale of any gradient. A task
    whose gradient is zero has no part in it and weight 0. Heads are trained on the losses times the weights as they
    are before the shortening, for the authors (and LibMTL) go back through the weighted sum of the losses.

    Args:
        max_norm: the greatest length of the weighted gradient; 0: none.
        update_weights_every: solve at every so many steps, and use the last solution in between.

    Source: Navon, Shamsian, Achituve, Maron, Kawaguchi, Chechik and Fetaya, Multi-task learning as a bargaining game,
    ICML 2022, claim 3.1 and algorithm 1; github.com/AvivNavon/nash-mtl.
    """

    name = "nash_mtl"
    sees = "gramian"

    def __init__(self, max_norm: float = 1.0, update_weights_every: int = 1):
        super().__init__()
        self.max_norm = max_norm
        self.update_weights_every = update_weights_every
        self.check(
            max_norm >= 0 and update_weights_every >= 1 and update_weights_every % 1 == 0,
            "a max_norm of 0 or more and an update_weights_every of 1, 2, …",
        )

    def build(self, tasks: int, shapes: Sequence[tuple[int, ...]] = ()) -> None:
        super().build(tasks, shapes)
        if self.update_weights_every > 1:
            self._held = self.add_variable(tf.ones([tasks]))
            self._step = self.add_variable(0, "int32")

    def weights(self, losses: tf.Tensor, gramian: tf.Tensor | None = None) -> tf.Tensor:
        gramian = as_double(gramian)
        bargain = self._bargain(gramian) if self.update_weights_every == 1 else self._held_bargain(gramian)
        self._unshortened = tf.cast(bargain, tf.float32)  # of this step, for the heads
        if self.max_norm > 0:
            largest = tf.maximum(tf.reduce_max(tf.linalg.diag_part(gramian)), 1e-300)
            scaled = gramian / largest
            length = tf.sqrt(largest * tf.maximum(tf.reduce_sum(bargain * tf.linalg.matvec(scaled, bargain)), 0.0))
            bargain = bargain * (self.max_norm / tf.maximum(length, self.max_norm))
        return tf.cast(bargain, tf.float32)

    def own_weights(self, losses: tf.Tensor, weights: tf.Tensor | None) -> tf.Tensor | None:
        return self._unshortened

    def _held_bargain(self, gramian: tf.Tensor) -> tf.Tensor:
        due = tf.equal(self._step.value % self.update_weights_every, 0)
        bargain = tf.cond(
            due, lambda: tf.cast(self._bargain(gramian), tf.float32), lambda: tf.convert_to_tensor(self._held.value)
        )
        self._held.assign(bargain)
        self._step.assign((self._step.value + 1) % self.update_weights_every)
        return tf.cast(bargain, tf.float64)

    def _bargain(self, gramian: tf.Tensor) -> tf.Tensor:
        matrix, lengths, present = cosines(gramian)
        x = solve_power(matrix, tf.ones([self.tasks], tf.float64), 1.0)
        longest = tf.maximum(tf.reduce_max(tf.where(present, lengths, 0.0)), 1e-150)
        size = longest * tf.sqrt(tf.norm(gramian / longest / longest))
        return tf.where(present, x * (size / lengths), 0.0)
