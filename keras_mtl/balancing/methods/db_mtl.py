"""DB-MTL: gradients of the losses' logarithms, averaged over the steps and made equally long."""

from __future__ import annotations

import tensorflow as tf

from keras_mtl.balancing.stacks import by_task, combination, no_gradients, norms, stacked
from keras_mtl.balancing.weighting import Weighting

_SMALLEST_LOSS = 1e-8


class DbMtl(Weighting):
    """Balances the losses' scales by the logarithm and the gradients' lengths by the longest.

    With `b = beta / step^beta_sigma`, step counting from 1:

        m_i  <- b m_i + (1 - b) g_i / (L_i + 1e-8)
        step  = max_j |m_j| sum_i m_i / |m_i|

    `g_i / (L_i + 1e-8)` is the gradient of `log(L_i + 1e-8)`. Every task has a part as long as the longest. The
    averages start at 0. A task without a label in a step keeps its average, and counts by it. Remembers a copy of the
    shared weights for each task. The heads too are trained on the losses' logarithms, as in the authors' code
    (LibMTL, which is theirs).

    Args:
        beta: how slowly the averages follow, 0 for not at all remembered. The authors' start value in LibMTL.
        beta_sigma: how fast beta falls with the steps; 0 for never.

    Source: Lin et al., Dual-Balancing for Multi-Task Learning, 2023, algorithm 1: https://arxiv.org/abs/2308.12029
    """

    name = "db_mtl"
    sees = "gradients"

    def __init__(self, beta: float = 0.9, beta_sigma: float = 0.0):
        super().__init__()
        self.beta = beta
        self.beta_sigma = beta_sigma
        self.check(0 <= beta < 1, "beta from 0 to under 1")
        self.check(beta_sigma >= 0, "beta_sigma of 0 or more")

    def build(self, tasks, shapes=()):
        super().build(tasks, shapes)
        self.step = self.add_variable(0.0)
        self.averages = [self.add_variable(zeros) for zeros in no_gradients(tasks, shapes)]

    def combine(self, gradients, losses):
        self.step.assign(self.step.value + 1)
        share = tf.where(losses > 0, 1 - self.beta / self.step.value**self.beta_sigma, 0.0)
        of_log = share * _slopes(losses)
        for average, new in zip(self.averages, stacked(gradients), strict=True):
            average.assign(by_task(1 - share, new) * average.value + by_task(of_log, new) * new)
        averages = [average.value for average in self.averages]
        lengths = norms(averages)
        return combination(tf.math.divide_no_nan(tf.reduce_max(lengths), lengths), averages)

    def own_weights(self, losses, weights):
        return _slopes(losses)


def _slopes(losses):
    """Those of the losses' logarithms; 0 for a task without a label."""
    return tf.where(losses > 0, 1 / (losses + _SMALLEST_LOSS), 0.0)
