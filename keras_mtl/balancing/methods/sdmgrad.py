"""SDMGrad: the shortest combination in a neighbourhood of the mean gradient, by double sampling."""

from __future__ import annotations

import tensorflow as tf

from keras_mtl.balancing.simplex import nearest_on_simplex
from keras_mtl.balancing.weighting import Weighting


class SdmGrad(Weighting):
    """Looks for the shortest combination of the gradients, held near their mean.

    Minimises `|G' (w + regularization e)|^2` over w on the simplex, e being 1 / tasks each, by projected gradient
    steps with momentum from where the last step ended; their slope, from the gradients of two halves of the images, is

        G1 G2' w + regularization G1 G2' e

    over the square of the mean length `mean_i sqrt(<g1_i, g2_i>)`. The step's weights are

        tasks (w + regularization e) / (1 + regularization)

    They sum to the number of tasks, as the authors have it to match the sum of the losses. They are used on the images
    that gave them: the paper asks for a third sample here, the authors' code for images takes all from one.

    Args:
        regularization: how strongly the step is held near the mean gradient, the paper's lambda.
        steps: steps of the weights in a training step.
        learning_rate: of these; the authors' 10, LibMTL has 5. The scaled Gramian's largest eigenvalue is 1 or more, so
            at this momentum steps over 3 need not settle: with gradients that have little in common they jump between
            single tasks, and carry rounding along.
        momentum: of these, anew in each training step.

    Source: Xiao et al., Direction-oriented Multi-objective Learning, NeurIPS 2023, algorithm 1:
    https://arxiv.org/abs/2305.18409
    """

    name = "sdmgrad"
    sees = "gramian"
    halves = True

    def __init__(
        self, regularization: float = 0.3, steps: int = 20, learning_rate: float = 10.0, momentum: float = 0.5
    ):
        super().__init__()
        self.regularization = regularization
        self.steps = steps
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.check(regularization >= 0, "a regularization of 0 or more")
        self.check(isinstance(steps, int) and steps >= 1, "1 or more steps")
        self.check(learning_rate > 0, "a learning_rate over 0")
        self.check(0 <= momentum < 1, "a momentum from 0 to under 1")

    def build(self, tasks, shapes=()):
        super().build(tasks, shapes)
        self.task_weights = self.add_variable(tf.fill([tasks], 1.0 / tasks))

    def weights(self, losses, gramian=None):
        gramian = _to_mean_length(tf.cast(gramian, tf.float64))
        towards_mean = self.regularization * tf.reduce_mean(gramian, axis=1)
        weights = tf.cast(self.task_weights.value, tf.float64)
        move = tf.zeros_like(weights)
        for _ in range(self.steps):
            move = self.momentum * move + tf.linalg.matvec(gramian, weights) + towards_mean
            weights = nearest_on_simplex(weights - self.learning_rate * move)
        self.task_weights.assign(tf.cast(weights, tf.float32))
        step = (self.tasks * weights + self.regularization) / (1 + self.regularization)
        return tf.stop_gradient(tf.cast(step, tf.float32))


def _to_mean_length(gramian):
    """The Gramian of gradients of mean length 1; two halves that disagree with themselves count as of length 0."""
    largest = tf.reduce_max(tf.abs(gramian))
    gramian = tf.math.divide_no_nan(gramian, largest)
    length = tf.reduce_mean(tf.sqrt(tf.nn.relu(tf.linalg.diag_part(gramian))))
    return gramian / (tf.square(length) + 1e-8)
