"""Validation figures that choose a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
import numpy as np

from keras_mtl.data.splits import SplitData
from keras_mtl.errors import UserError
from keras_mtl.kinds import kind_of
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
        errors[name] = kind_of(task).guess_error(values)
    return errors


def choosing_score(score: str, guesses: Mapping[str, float]) -> str:
    """The score that chooses the model: `score`, but `val_loss` for `val_skill` where no guess can be beaten.

    Prints in one line which tasks `val_skill` leaves out, as their validation labels are all alike.

    Args:
        score: the one that is asked for.
        guesses: what `guess_errors` gives for the validation labels.
    """
    alike = [name for name, error in guesses.items() if not error]
    is_lost = score == "val_skill" and len(alike) == len(guesses)
    if alike:
        instead = "; val_loss chooses the model" if is_lost else ""
        print(f"Warning: validation labels are all alike of {', '.join(alike)}, left out of val_skill{instead}")
    return "val_loss" if is_lost else score


class Skill(keras.callbacks.Callback):
    """Adds `val_skill` to the logs of an epoch: the tasks' mean skill over the best constant guess of each.

        skill = 1 - error / guess's error   where the model is better than the guess,
                guess's error / error - 1   where it is worse

    0 is as good as the constant guess and 1 is perfect, whatever the task's unit or number of classes. The worst is
    -1, approached smoothly, so that no task alone chooses the model where its guess is hard to beat. Tasks whose
    guess is perfect are left out; without any other there is no `val_skill`.

    Args:
        tasks: by name.
        guesses: what `guess_errors` gives for the validation labels.
    """

    def __init__(self, tasks: Mapping[str, Task], guesses: Mapping[str, float]):
        super().__init__()
        self.tasks = {name: task for name, task in tasks.items() if guesses[name]}
        self.guesses = guesses

    def on_epoch_end(self, epoch, logs=None):
        skills = []
        for name, task in self.tasks.items():
            kind = kind_of(task)
            error, guess = kind.error(logs[f"val_{name}_{kind.measures[0]}"]), self.guesses[name]
            skills.append(guess / error - 1.0 if error > guess else 1.0 - error / guess)
        if skills:
            logs["val_skill"] = float(np.mean(skills))
