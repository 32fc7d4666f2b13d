"""Ordinal tasks: one logit for each step from a class to the next."""

from __future__ import annotations

import keras

from keras_mtl.heads.task_head import Head


class Corn(Head):
    """Conditional ordinal regression, rank-consistent: logit k is that of `P(y > k | y > k - 1)`.

    Each step is a binary task on those samples whose label has reached it, and a sample's loss is the sum over its
    steps. As the probability of a class is the product over its steps, that sum is the cross entropy of the labelled
    class, `-log P(y)`, least where the probabilities are the labels' shares. `P(y > k)` can't rise with k.

    The paper divides the sum over a batch by the number of its pairs of sample and step, the mean over samples here
    divides it by the number of samples: the same minimum and the same direction of the gradient. The ratio, between 1
    and the number of steps, changes from batch to batch with the labels; without it a batch's loss is a mean over
    samples as any other head's, whatever batches are made of, and counts beside other losses as a softmax's.

    Source: Shi, Cao and Raschka, "Deep Neural Networks for Rank-Consistent Ordinal Regression Based On
    Conditional Probabilities", 2021 (arXiv:2111.08851), section 3.
    """

    name = "corn"
    kinds = ("ordinal",)

    @property
    def units(self) -> int:
        return len(self.task.classes) - 1

    def losses(self, labels, logits):
        steps = keras.ops.arange(self.units, dtype="float32")[None, :]
        above = keras.ops.cast(labels[:, None] > steps, "float32")
        counts = keras.ops.cast(labels[:, None] >= steps, "float32")
        return keras.ops.sum((keras.ops.softplus(logits) - above * logits) * counts, axis=-1)

    def decode(self, logits):
        # The running product of sigmoids, as a sum: ONNX knows no running product.
        above = keras.ops.exp(keras.ops.cumsum(keras.ops.log_sigmoid(logits), axis=-1))
        ones = keras.ops.ones_like(above[:, :1])
        return keras.ops.concatenate([ones, above], axis=-1) - keras.ops.concatenate(
            [above, keras.ops.zeros_like(ones)], axis=-1
        )
