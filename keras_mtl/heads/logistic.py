"""Binary tasks: one logit of the second class."""

from __future__ import annotations

import keras

from keras_mtl.heads.task_head import Head


class Logistic(Head):
    """Logistic regression on the trunk's features: the logit of the task's second class.

    The loss is the cross entropy, `log(1 + exp(z)) - y z`.
    """

    name = "logistic"
    kinds = ("binary",)

    @property
    def units(self) -> int:
        return 1

    def losses(self, labels, logits):
        logit = logits[:, 0]
        return keras.ops.softplus(logit) - labels * logit

    def decode(self, logits):
        second = keras.ops.sigmoid(logits[:, 0])
        return keras.ops.stack([1.0 - second, second], axis=-1)
