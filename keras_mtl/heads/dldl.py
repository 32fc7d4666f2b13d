"""Regression by learning a distribution around the label together with its expectation."""

from __future__ import annotations

import math

import keras

from keras_mtl.errors import UserError
from keras_mtl.heads.task_head import PARTS, BinsHead
from keras_mtl.tasks import Task


class Dldl(BinsHead):
    """DLDL-v2: a normal distribution around the label as target, plus the error of the expectation.

    `loss = KL(target || softmax(logits)) + l1_weight * |expectation - label|`, where the target is a normal
    density of standard deviation `sigma` around the label, taken at the bins and made to sum to 1, and the error is
    counted in 120ths of the range, so that the loss is the same whatever the unit.

    Of many labels the first term is least at the mean of their targets, the second where the expectation is their
    median: both at once where the mean target's expectation is a median, as of labels that lie evenly about the
    range's middle. Elsewhere the least is between. Near an end of the range a target is cut off, and its expectation
    lies inward of the label, at the end itself by 1.3 bins for sigma of 2 bins; the second term draws it outward.

    Args:
        task: a regression.
        sigma: standard deviation of the target, in the task's unit; two bins by default.
        l1_weight: weight of the absolute error.
        step: as for `BinsHead`.

    Source: Gao, Zhou, Wu and Geng, "Age Estimation Using Expectation of Label Distribution Learning",
    IJCAI 2018, section 3: the label distribution, the expectation and the joint loss.
    """

    name = "dldl"
    # Counted in 120ths of the range, years of age say, the loss is some ten times a cross entropy. At 1 it drowns the
    # other tasks, and itself learns more slowly: README, "Results measured".
    weight = 0.1

    def __init__(self, task: Task, sigma: float | None = None, l1_weight: float = 1.0, step: float | None = None):
        super().__init__(task, step)
        self.sigma = 2 * self.step if sigma is None else sigma
        if not (0 < self.sigma < math.inf and 0 <= l1_weight < math.inf):
            raise UserError(
                f"Head 'dldl' needs sigma > 0 and l1_weight >= 0. Received: sigma={self.sigma}, l1_weight={l1_weight}"
            )
        self.l1_weight = l1_weight

    def target(self, labels):
        """The log of the target distribution, `[batch, units]`, for labels `[batch]`."""
        values = keras.ops.convert_to_tensor(self.values, dtype="float32")
        distance = (values[None, :] - labels[:, None]) / self.sigma
        return keras.ops.log_softmax(-0.5 * keras.ops.square(distance))

    def losses(self, labels, logits):
        target = self.target(labels)
        divergence = keras.ops.sum(keras.ops.exp(target) * (target - keras.ops.log_softmax(logits)), axis=-1)
        low, high = self.task.bounds
        error = keras.ops.abs(self.decode(logits) - labels)
        return divergence + self.l1_weight * PARTS / (high - low) * error
