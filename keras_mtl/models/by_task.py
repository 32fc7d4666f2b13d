"""What `compile` and `fit` are given in any of Keras' forms (for all outputs, a list, a dict), by task."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import keras

from keras_mtl.errors import UserError
from keras_mtl.heads.by_name import head_of
from keras_mtl.models.objectives import TaskLoss, known_labels
from keras_mtl.tasks import Task
from keras_mtl.values import check_number


def losses_by_task(loss, tasks: Mapping[str, Task], outputs: Sequence[str]) -> dict:
    """What was given as the loss of each task, in the tasks' order; a task without a loss is left out.

    Args:
        loss: None for the heads' own; a dict by task, a list in the order of `outputs`, or one for all, of Keras'
            names of losses, functions or `keras.losses.Loss`.
        tasks: the model's, by name.
        outputs: the model's `output_names`.

    Raises:
        UserError: no loss at all, several for one output, or one of an output that is not there.
    """
    if loss is None:
        return {name: TaskLoss(task) for name, task in tasks.items()}
    given = _named(loss, outputs, "loss") if _is_nested(loss) else dict.fromkeys(outputs, loss)
    for name, own in given.items():
        if _is_nested(own):
            raise UserError(f"Give one loss for {name!r}, a function that adds up several. Received: {own}")
    given = {name: given[name] for name in tasks if given.get(name) is not None}
    if not given:
        raise UserError(f"No task has a loss: give one of {', '.join(tasks)}, or none for the heads' own")
    return given


def loss_weights_by_task(loss_weights, losses: Mapping[str, keras.losses.Loss], tasks, outputs) -> dict[str, float]:
    """What the loss of each task counts; where none is given the head's `weight` for its own loss, else 1.

    Args:
        loss_weights: None, a dict by task, a list in the order of the outputs, or of those with a loss, or one number.
        losses: by task.
        tasks, outputs: as for `losses_by_task`.

    Raises:
        UserError: a weight of no task or that is no finite number, or a list of another length.
    """
    if isinstance(loss_weights, (int, float)):
        given = dict.fromkeys(losses, loss_weights)
    else:
        given = _named(loss_weights or {}, outputs, "loss_weights", losses)
    for name, weight in given.items():
        if weight is not None:
            check_number(f"loss_weights of {name!r}", weight)
    usual = {name: head_of(tasks[name]).weight if isinstance(losses[name], TaskLoss) else 1.0 for name in losses}
    return {name: float(usual[name] if given.get(name) is None else given[name]) for name in losses}


def measured_tasks(metrics, outputs: Sequence[str]) -> set[str]:
    """The tasks that Keras' `metrics` or `weighted_metrics` are of, None for none."""
    if isinstance(metrics, Mapping):
        return {name for name, own in metrics.items() if own}
    if len(outputs) == 1:
        return set(outputs) if metrics else set()
    return {name for name, own in zip(outputs, metrics or (), strict=False) if own}


def labels_by_task(y, sample_weight, outputs, trained, needed) -> tuple[dict, dict]:
    """Labels and sample weights of a batch by task; see `known_labels`.

    Args:
        y: labels as a dict by task, as a list in the order of the outputs, or of those with a loss, or an array for a
            model of one output or one loss.
        sample_weight: None, one for all tasks, or as `y`; tasks without one count 1 a sample.
        outputs: the model's `output_names`.
        trained: the tasks with a loss.
        needed: the tasks that must have labels; of others they may be left out, which is weight 0.

    Raises:
        UserError: labels of a task are not there, or they are of no task.
    """
    labels = _named(y if _is_nested(y) else [y], outputs, "labels", trained)
    labels = {name: label for name, label in labels.items() if label is not None}
    missing = [name for name in outputs if name in needed and name not in labels]
    if missing:
        there = ", ".join(labels) or "no labels"
        raise UserError(f"Labels of {missing[0]!r} are missing; NaN is that of an unlabelled image. Received: {there}")
    if _is_nested(sample_weight):
        weights = _named(sample_weight, outputs, "sample weights", trained)
    else:
        weights = dict.fromkeys(labels, sample_weight)
    found = {name: known_labels(label, weights.get(name)) for name, label in labels.items()}
    nothing = keras.ops.zeros_like(next(iter(found.values()))[1])
    found |= {name: (nothing, nothing) for name in outputs if name not in found}
    return {name: pair[0] for name, pair in found.items()}, {name: pair[1] for name, pair in found.items()}


def as_loss(given) -> keras.losses.Loss:
    """A Keras loss object, as Keras makes it of what was given as the loss of an output."""
    loss = given if given in _BY_SHAPE else keras.losses.get(given)
    return loss if isinstance(loss, keras.losses.Loss) else _OfFunction(loss)


_BY_SHAPE = ("crossentropy", "ce")
"""Names that stand for one of three losses, by the shapes of labels and outputs."""


class _OfFunction(keras.losses.Loss):
    """The mean of a loss function over the rows; Keras' own wrapper is none of its public names."""

    def __init__(self, function):
        super().__init__(name=getattr(function, "__name__", "loss"))
        self.function = function

    def call(self, y_true, y_pred):
        if len(y_true.shape) == 1 and y_pred.shape[-1] == 1:
            y_true = y_true[:, None]
        return self._chosen(y_true, y_pred)(y_true, y_pred)

    def _chosen(self, y_true, y_pred):
        if callable(self.function):
            return self.function
        if y_pred.shape[-1] == 1:
            return keras.losses.binary_crossentropy
        is_class = len(y_true.shape) < len(y_pred.shape) or y_true.shape[-1] == 1
        return keras.losses.sparse_categorical_crossentropy if is_class else keras.losses.categorical_crossentropy


def _is_nested(value) -> bool:
    return isinstance(value, (Mapping, list, tuple))


def _named(values, outputs: Sequence[str], what: str, trained: Collection[str] = ()) -> dict:
    """A dict by output of a dict or list, which may be one of the trained outputs only."""
    if isinstance(values, Mapping):
        unknown = [name for name in values if name not in outputs]
        if unknown:
            raise UserError(f"{what} names {unknown[0]!r}, but the model's tasks are {', '.join(outputs)}")
        return dict(values)
    for names in (outputs, [name for name in outputs if name in trained]):
        if len(values) == len(names):
            return dict(zip(names, values, strict=True))
    expected = f"a dict by task, or one each for {', '.join(outputs)} in this order"
    raise UserError(f"{what}: expected {expected}. Received: {len(values)}")
