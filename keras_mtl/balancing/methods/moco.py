"""MoCo: the shortest combination of gradients that are averaged over the steps."""

from __future__ import annotations

import tensorflow as tf

from keras_mtl.balancing.simplex import nearest_on_simplex
from keras_mtl.balancing.stacks import by_task, combination, gramian, no_gradients, norms, stacked
from keras_mtl.balancing.weighting import Weighting


class MoCo(Weighting):
    """Follows each task's gradient by an average `y_i`; moves the weights towards the shortest combination of these.

    With `b = beta / step^beta_sigma` and `c = gamma / step^gamma_sigma`, step counting from 1:

        y_i     <- y_i - b (y_i - h_i)
        weights <- nearest on the simplex to  weights - c (Y Y' weights + rho weights)
        step     = sum_i weights_i y_i

    The paper has `h_i = g_i`. By default `h_i = g_i / |g_i| L_i`, as LibMTL has it from the authors: then gamma does
    not depend on the size of the network. The weights sum to 1 and start equal, the averages at 0. A task without
    a label in a step keeps its average, and counts by it. Remembers a copy of the shared weights for each task.

    Args:
        beta: how fast the averages follow. This and the next three as LibMTL has them from the authors.
        beta_sigma: how fast beta falls with the steps.
        gamma: length of the weights' steps.
        gamma_sigma: how fast gamma falls with the steps.
        rho: how strongly equal weights are favoured.
        normalize: 1 for gradients as long as their losses, 0 for gradients as they are.

    Source: Fernando et al., Mitigating Gradient Bias in Multi-objective Learning, ICLR 2023, algorithm 1:
    https://arxiv.org/abs/2210.12624
    """

    name = "moco"
    sees = "gradients"

    def __init__(
        self,
        beta: float = 0.5,
        beta_sigma: float = 0.5,
        gamma: float = 0.1,
        gamma_sigma: float = 0.5,
        rho: float = 0.0,
        normalize: int = 1,
    ):
        super().__init__()
        self.beta = beta
        self.beta_sigma = beta_sigma
        self.gamma = gamma
        self.gamma_sigma = gamma_sigma
        self.rho = rho
        self.normalize = normalize
        self.check(0 < beta <= 1, "beta over 0, up to 1")
        self.check(min(beta_sigma, gamma, gamma_sigma, rho) >= 0, "beta_sigma, gamma, gamma_sigma and rho of 0 or more")
        self.check(normalize in (0, 1), "0 or 1 as normalize")

    def build(self, tasks, shapes=()):
        super().build(tasks, shapes)
        self.step = self.add_variable(0.0)
        self.task_weights = self.add_variable(tf.fill([tasks], 1.0 / tasks))
        self.averages = [self.add_variable(zeros) for zeros in no_gradients(tasks, shapes)]

    def combine(self, gradients, losses):
        self.step.assign(self.step.value + 1)
        self._follow(stacked(gradients), losses)
        averages = [average.value for average in self.averages]
        weights = tf.cast(self.task_weights.value, tf.float64)
        gamma = tf.cast(self.gamma / self.step.value**self.gamma_sigma, tf.float64)
        slope = tf.linalg.matvec(gramian(averages), weights) + self.rho * weights
        weights = nearest_on_simplex(weights - gamma * slope)
        self.task_weights.assign(tf.cast(weights, tf.float32))
        return combination(weights, averages)

    def _follow(self, gradients, losses):
        share = tf.where(losses > 0, self.beta / self.step.value**self.beta_sigma, 0.0)
        factors = tf.cast(share, tf.float64)
        if self.normalize:
            factors *= tf.math.divide_no_nan(tf.cast(losses, tf.float64), norms(gradients))
        for average, new in zip(self.averages, gradients, strict=True):
            average.assign(by_task(1 - share, new) * average.value + by_task(factors, new) * new)
