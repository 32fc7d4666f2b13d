"""Regression as classification: softmax over the bins, read as an expectation."""

from __future__ import annotations

import keras

from keras_mtl.heads.task_head import BinsHead


class Dex(BinsHead):
    """Deep EXpectation: classify into bins, predict the expectation over them.

    The loss is the cross entropy of the bin nearest to the label: least where the bins' probabilities are the shares of
    the labels nearest to them.

    Args: as for `BinsHead`.

    Source: Rothe, Timofte and Van Gool, "Deep expectation of real and apparent age from a single image
    without facial landmarks", IJCV 2018: the expected value over the softmax's outputs (section 3.3).
    """

    name = "dex"

    def losses(self, labels, logits):
        nearest = keras.ops.minimum(keras.ops.round((labels - self.task.bounds[0]) / self.step), self.units - 1)
        return keras.losses.sparse_categorical_crossentropy(nearest, logits, from_logits=True)
