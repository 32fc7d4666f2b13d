"""Validation figures that choose a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
import numpy as np

from keras_mtl.data.splits import SplitData
from keras_mtl.errors import UserError
from keras_mtl.models.objectives import METRICS
from keras_mtl.tasks import Task


def guess_errors(tasks: Mapping[str, Task], data: Sequence[SplitData]) -> dict[str, float]:
    """What the best constant guess gets on the main metric of each task.

    Args:
        tasks: by name.
        data: the sources' validation splits.

    Returns:
        By task: the error rate of always naming the most frequent class, or the mean absolute error of
        always naming the median, in the task's unit.

    Raises:
        UserError: a task without a label.
    """
    errors = {}
    for name, task in tasks.items():
        labels = [part.labels[name] for part in data if name in part.labels]
        values = np.concatenate([np.empty(0, np.float32), *labels])
        values = values[~np.isnan(values)]
        if not len(values):
            raise UserError(f"No validation image has a label for {name}: raise --validation_fraction or add images")
        if task.classes:
            errors[name] = 1.0 - np.unique(values, return_counts=True)[1].max() / len(values)
        else:
            errors[name] = float(np.mean(np.abs(values - np.median(values))))
    return errors


class Skill(keras.callbacks.Callback):
    """Adds `val_skill` to the logs of an epoch: `1 - error / error of the best constant guess`, averaged over tasks.

    0 is as good as the constant guess and 1 is perfect, whatever the task's unit or number of classes.

    Args:
        tasks: by name.
        guesses: what `guess_errors` gives for the validation labels.
    """

    def __init__(self, tasks: Mapping[str, Task], guesses: Mapping[str, float]):
        super().__init__()
        self.tasks = tasks
        self.guesses = guesses

    def on_epoch_end(self, epoch, logs=None):
        skills = []
        for name, task in self.tasks.items():
            metric = METRICS[task.kind][0]
            value = logs[f"val_{name}_{metric}"]
            error = 1.0 - value if metric == "accuracy" else value
            skills.append(1.0 - error / max(self.guesses[name], 1e-9))
        logs["val_skill"] = float(np.mean(skills))
