"""Keras' view of a task: its output layer, its loss and its metrics, each carrying the `Task` itself."""

from __future__ import annotations

import keras

from keras_mtl.heads.by_name import head_of, settled
from keras_mtl.kinds import kind_of
from keras_mtl.tasks import Task


def _task(task: Task | dict) -> Task:
    # What a saved model says of a task is a dict: without a `step` its bins are one unit apart, as all were once.
    return settled(task) if isinstance(task, Task) else settled(Task.from_dict(task), step=1.0)


def known_labels(labels, sample_weight=None):
    """Labels and what each sample counts, both 0 where the label is missing, that is NaN, or of weight 0.

    Args:
        labels: `[batch, …]`; a sample is missing as soon as one of its numbers is NaN.
        sample_weight: `[batch]` or `[batch, 1]`; None for 1 each.

    Returns:
        Labels of the same shape and dtype, and weights, float32 `[batch]`.
    """
    labels = keras.ops.convert_to_tensor(labels)
    if sample_weight is None:
        weights = keras.ops.ones((keras.ops.shape(labels)[0],), dtype="float32")
    else:
        weights = keras.ops.cast(keras.ops.reshape(sample_weight, (-1,)), "float32")
    if "float" in keras.backend.standardize_dtype(labels.dtype):
        missing = keras.ops.any(keras.ops.isnan(labels), axis=tuple(range(1, len(labels.shape))))
        weights = keras.ops.where(missing, 0.0, weights)
    # Out of labels that don't count NaN and infinity have to go: times 0 they are NaN.
    counts = keras.ops.reshape(weights != 0, (-1,) + (1,) * (len(labels.shape) - 1))
    return keras.ops.where(counts, labels, keras.ops.zeros_like(labels)), weights


@keras.saving.register_keras_serializable(package="keras_mtl")
class TaskOutput(keras.layers.Layer):
    """Ends a branch: passes the logits on as float32 and carries the task, so that a model knows its tasks.

    Args:
        task: the `Task`; in a saved model its `to_dict`. The layer bears the task's name.

    Input and output: logits `[batch, units]`; float32 whatever the model's precision.
    """

    def __init__(self, task: Task | dict, **kwargs):
        self.task = _task(task)
        super().__init__(**{"name": self.task.name, "dtype": "float32", **kwargs})

    def call(self, logits):
        return keras.ops.cast(logits, "float32")

    def get_config(self):
        return {**super().get_config(), "task": self.task.to_dict()}


@keras.saving.register_keras_serializable(package="keras_mtl")
class TaskLoss(keras.losses.Loss):
    """The loss of a task's head, averaged over the labelled samples only.

    A sample whose label is NaN or whose weight is 0 does not count at all.

    Args:
        task: the `Task`; in a saved model its `to_dict`.
        reduction: Keras' reductions; the default divides by the sum of the sample weights.
    """

    def __init__(self, task: Task | dict, name: str = "loss", reduction: str = "mean_with_sample_weight", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.task = _task(task)

    def __call__(self, y_true, y_pred, sample_weight=None):
        y_true, sample_weight = known_labels(y_true, sample_weight)
        return super().__call__(y_true, y_pred, sample_weight=sample_weight)

    def call(self, y_true, y_pred):
        labels = keras.ops.cast(keras.ops.reshape(y_true, (-1,)), "float32")
        return head_of(self.task).losses(labels, keras.ops.cast(y_pred, "float32"))

    def get_config(self):
        return {"name": self.name, "reduction": self.reduction, "dtype": self.dtype, "task": self.task.to_dict()}


@keras.saving.register_keras_serializable(package="keras_mtl")
class TaskMetric(keras.metrics.Mean):
    """A metric of what a head's logits mean, averaged with the sample weights over samples whose label is not NaN.

    Args:
        task: the `Task`; in a saved model its `to_dict`.
        measure: one of the `measures` of the task's kind: "mae" (the absolute error, in the task's unit, or in ranks
            for an ordinal task) or "accuracy" (the share whose most probable class is the labelled one).
    """

    def __init__(self, task: Task | dict, measure: str, name: str | None = None, dtype=None):
        super().__init__(name=name or measure, dtype=dtype)
        self.task = _task(task)
        self.measure = measure

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true, sample_weight = known_labels(y_true, sample_weight)
        labels = keras.ops.cast(keras.ops.reshape(y_true, (-1,)), "float32")
        decoded = head_of(self.task).decode(keras.ops.cast(y_pred, "float32"))
        values = kind_of(self.task).measure(self.measure, labels, decoded)
        return super().update_state(values, sample_weight=sample_weight)

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype, "task": self.task.to_dict(), "measure": self.measure}
