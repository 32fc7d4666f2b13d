"""The losses of a compiled model: which there are, the one that is minimised, and what is told of them."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import tensorflow as tf


class TaskLosses:
    """Computes the tasks' losses of batches, and keeps their means until Keras resets them, at an epoch's start.

    A task's mean is over what its loss counts: over samples by their weights, and so over the labelled images alone,
    for reduction "mean_with_sample_weight", which every head's loss has; over all rows for any other reduction. It
    does not depend on how samples lie in batches, and a batch without a label of the task changes nothing. The total
    is the sum of the tasks' means times their loss weights, and of the regularisers' mean over the images.

    Args:
        losses: by task, for the tasks that have one.
        weights: by task, what its loss counts in the total.

    Attributes:
        means: by task, the metric `<task>_loss`.
        total: the metric `loss`.
    """

    def __init__(self, losses: Mapping[str, keras.losses.Loss], weights: Mapping[str, float]):
        self.losses = dict(losses)
        self.weights = dict(weights)
        self.means = {name: keras.metrics.Mean(name=f"{name}_loss") for name in losses}
        self.total = _Total(self)

    def __call__(self, y, y_pred, sample_weight, added):
        """The loss to minimise of a batch: the tasks' losses times their weights, plus those that layers add.

        Args:
            y, y_pred, sample_weight: by task, as `known_labels` gives labels and weights.
            added: the model's `losses`, regularisers for the most part.
        """
        # Under tf.distribute a Keras loss is the replica's part of the mean.
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        rows = keras.ops.shape(next(iter(y_pred.values())))[0]
        values = []
        for name, loss in self.losses.items():
            value = keras.ops.cast(loss(y[name], y_pred[name], sample_weight[name]), keras.config.floatx())
            by_weight = loss.reduction == "mean_with_sample_weight"
            counted = keras.ops.sum(sample_weight[name]) if by_weight else rows
            self.means[name].update_state(keras.ops.mean(value) * replicas, sample_weight=counted)
            values.append(value * self.weights[name])
        terms = [keras.ops.sum(term) / replicas for term in added]
        self.total.update_state(sum(terms) * replicas, sample_weight=rows)
        return keras.ops.sum([sum(values), *terms]) if terms else sum(values)


class _Total(keras.metrics.Mean):
    """The mean of the regularisers, to whose result the tasks' means are added."""

    def __init__(self, of: TaskLosses):
        super().__init__(name="loss")
        # A function, for Keras would take metrics in an attribute for parts of this one.
        self._of_tasks = lambda: sum(of.weights[name] * mean.result() for name, mean in of.means.items())

    def result(self):
        return super().result() + self._of_tasks()
