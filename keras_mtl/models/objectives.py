"""Keras' view of a task: its output layer, its loss and its metrics, each carrying the `Task` itself."""

from __future__ import annotations

import keras

from keras_mtl.models.heads import head_of, settled
from keras_mtl.tasks import Task

METRICS = {
    "regression": ("mae",),
    "binary": ("accuracy",),
    "multiclass": ("accuracy",),
    "ordinal": ("accuracy", "mae"),
}
"""The metrics that training shows, by kind; the first is the task's main one."""


def _task(task: Task | dict) -> Task:
    # What a saved model says of a task is a dict: without a `step` its bins are one unit apart, as all were once.
    return settled(task) if isinstance(task, Task) else settled(Task.from_dict(task), step=1.0)


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

    Args:
        task: the `Task`; in a saved model its `to_dict`.
        reduction: Keras' reductions; the default divides by the sum of the sample weights, so that a
            sample of weight 0 (no label) does not count at all.
    """

    def __init__(self, task: Task | dict, name: str = "loss", reduction: str = "mean_with_sample_weight", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.task = _task(task)

    def call(self, y_true, y_pred):
        labels = keras.ops.cast(keras.ops.reshape(y_true, (-1,)), "float32")
        return head_of(self.task).losses(labels, keras.ops.cast(y_pred, "float32"))

    def get_config(self):
        return {"name": self.name, "reduction": self.reduction, "dtype": self.dtype, "task": self.task.to_dict()}


@keras.saving.register_keras_serializable(package="keras_mtl")
class TaskMetric(keras.metrics.Mean):
    """A metric of what a head's logits mean, averaged with the sample weights.

    Args:
        task: the `Task`; in a saved model its `to_dict`.
        measure: "mae" (the absolute error, in the task's unit, or in ranks for an ordinal task) or
            "accuracy" (the share whose most probable class is the labelled one).
    """

    def __init__(self, task: Task | dict, measure: str, name: str | None = None, dtype=None):
        super().__init__(name=name or measure, dtype=dtype)
        self.task = _task(task)
        self.measure = measure

    def update_state(self, y_true, y_pred, sample_weight=None):
        labels = keras.ops.cast(keras.ops.reshape(y_true, (-1,)), "float32")
        decoded = head_of(self.task).decode(keras.ops.cast(y_pred, "float32"))
        if self.task.classes:
            decoded = keras.ops.cast(keras.ops.argmax(decoded, axis=-1), "float32")
        if self.measure == "accuracy":
            values = keras.ops.cast(keras.ops.equal(decoded, labels), "float32")
        else:
            values = keras.ops.abs(decoded - labels)
        return super().update_state(values, sample_weight=sample_weight)

    def get_config(self):
        return {"name": self.name, "dtype": self.dtype, "task": self.task.to_dict(), "measure": self.measure}
