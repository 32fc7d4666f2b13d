"""STCH: a smooth maximum of the losses, each in proportion to where it began."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from keras_mtl.balancing.weighting import Weighting

# The authors': keeps the logarithm of a loss finite.
TINY = 1e-20


class SmoothTchebycheff(Weighting):
    """Descends a smooth maximum of the logarithms of the losses.

        first, in `warmup` + 1 epochs:  w_i = 1 / L_i      (the sum of the logarithms)
        then:  L = T mu log sum_i exp(l_i / mu),   l_i = log(L_i / n_i),   w_i = T softmax(l / mu)_i / L_i

    n_i, the nadir, is the mean loss of the last of the first epochs, as in the authors' code and LibMTL. T is the
    number of tasks that have a label in the batch; the others weigh 0. A task that had none in that epoch has
    l_i = 0.

    Args:
        mu: how smooth; towards 0 only the worst task counts.
        warmup: epochs before that in which the nadir is measured.

    Source: Lin et al., "Smooth Tchebycheff Scalarization for Multi-Objective Optimization", ICML 2024, the definition
    of the scalarization (with the ideal point 0 and equal preferences); logarithm, nadir and the factor T are in the
    authors' code only (github.com/Xi-L/STCH); defaults as in LibMTL.
    """

    name = "stch"
    sees = "losses"

    def __init__(self, mu: float = 1.0, warmup: int = 4):
        super().__init__()
        self.mu = mu
        self.warmup = warmup
        self.check(isinstance(mu, (int, float)) and mu > 0, "a mu above 0")
        self.check(isinstance(warmup, int) and warmup >= 0, "a warmup of 0 epochs or more")

    def build(self, tasks: int, shapes: Sequence[tuple[int, ...]] = ()) -> None:
        super().build(tasks, shapes)
        self.epoch = self.add_variable(0, "int32")
        self.totals = self.add_variable([0.0] * tasks)
        self.steps = self.add_variable([0.0] * tasks)
        self.nadir = self.add_variable([0.0] * tasks)  # 0: not known

    def weights(self, losses: tf.Tensor, gramian: tf.Tensor | None = None) -> tf.Tensor:
        losses = tf.stop_gradient(losses)
        present = losses > 0
        self.totals.assign_add(losses)
        self.steps.assign_add(tf.cast(present, tf.float32))
        known = present & (self.nadir.value > 0)
        logs = tf.where(known, tf.math.log(losses + TINY) - tf.math.log(tf.maximum(self.nadir.value, TINY)), 0.0)
        shares = tf.nn.softmax(tf.where(present, logs / self.mu, -1e30))
        shares *= tf.reduce_sum(tf.cast(present, tf.float32))
        smooth = self.epoch.value > self.warmup
        return tf.where(present, tf.where(smooth, shares, 1.0) / (losses + TINY), 0.0)

    def on_epoch_end(self) -> None:
        if int(self.epoch.value) == self.warmup:
            self.nadir.assign(tf.math.divide_no_nan(self.totals.value, self.steps.value))
        self.epoch.assign_add(1)
        for variable in (self.totals, self.steps):
            variable.assign(tf.zeros_like(variable.value))
