"""Whether a training has diverged: looked at in every step, and told by task and step."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import keras
import tensorflow as tf

from keras_mtl.errors import Diverged, UserError
from keras_mtl.names import owner_of

if TYPE_CHECKING:
    from keras_mtl.models.multitask import MultiTaskModel

LEAST_SCALE = 2.0**-14
"""The loss scale of float16 below which a step that is skipped is none of loss scaling's search any more.

Gradients that overflow there would be above 1e9 as they are. From Keras' first scale on it takes 30 in a row."""


class DivergenceWatch:
    """Notices in which step of a training something stops being finite.

    What is looked at is summed up in the graph of each step, where a sum is finite only if all its terms are: the
    losses, the trained weights (where a gradient that isn't finite is seen as soon as it is applied), and of all other
    state, the optimizer's moments for one, what is no larger than a vector. The matrices of that are looked at at
    an epoch's end and before a checkpoint. The host reads one whole number a step.

    A step that loss scaling skips, in float16, changes nothing and is none, until the scale is below `LEAST_SCALE`.

    Args:
        model: a compiled `MultiTaskModel`.

    Attributes:
        callback: what `fit` is to call, before other callbacks that save anything.
    """

    def __init__(self, model: MultiTaskModel):
        self._model = model
        self._step = keras.Variable(
            0, dtype="int32", trainable=False, aggregation="only_first_replica", name="diverged_in_step"
        )  # the first that was found to be so; 0 for none
        self.callback = keras.callbacks.LambdaCallback(
            on_train_begin=lambda logs: self._step.assign(0),
            on_train_batch_end=lambda batch, logs: self._check_steps(),
            on_epoch_end=lambda epoch, logs: self.check(),
        )

    def look(self, step: tf.Tensor) -> None:
        """Looks at what a step has left; part of the step's graph.

        Args:
            step: its number, from 1.
        """
        small = (variable for variable in self._state() if len(variable.shape) < 2)
        looked = [*self._model.trainable_variables, *small]
        is_finite = tf.math.is_finite(_sum([*looked, *([] if self._scale is not None else self._totals())]))
        if self._scale is not None:
            is_finite &= tf.convert_to_tensor(self._scale) >= LEAST_SCALE
        before = tf.convert_to_tensor(self._step)
        self._step.assign(tf.where(is_finite | (before > 0), before, tf.cast(step, tf.int32)))

    def check(self) -> None:
        """Raises Diverged where any of the losses, weights or state is not finite now."""
        found = self.found()
        if found:
            what, task = found
            raise Diverged(what, task, int(self._step) or max(int(self._model.optimizer.iterations), 1), self._advice())

    def found(self) -> tuple[str, str | None] | None:
        """What is not finite now, in words, and the task that it belongs to, if any; None where all is finite."""
        model = self._model
        is_lost = self._scale is not None and float(self._scale) < LEAST_SCALE
        if self._scale is None or is_lost:
            for name, mean in model.task_losses.means.items():
                if not _is_finite(mean.variables):
                    return f"the loss of {name} is not finite", name
            if not _is_finite(model.task_losses.total.variables):
                return "the loss of the regularisers is not finite", None
        if bad := [variable.path for variable in model.variables if not _is_finite([variable])]:
            path, task = self._told(bad)
            return f"weights of {_place(task)} ({path}) are not finite", task
        if bad := [variable.path.rpartition("/")[2] for variable in self._state() if not _is_finite([variable])]:
            name, task = self._told(bad)
            return f"the gradients of {_place(task)} were too large for the optimizer or weighting ({name})", task
        return ("the gradients stayed out of float16's range at every loss scale", None) if is_lost else None

    def _check_steps(self) -> None:
        if int(self._step):
            self.check()
            self._step.assign(0)  # A sum of finite numbers that was none itself.

    @property
    def _scale(self):
        optimizer = self._model.optimizer
        return optimizer.dynamic_scale if isinstance(optimizer, keras.optimizers.LossScaleOptimizer) else None

    def _state(self) -> Iterable[keras.Variable]:
        """All that a step changes besides trained weights."""
        model = self._model
        return itertools.chain(model.non_trainable_variables, model.optimizer.variables, model.balance_variables)

    def _totals(self) -> list[keras.Variable]:
        """What the losses of an epoch have summed up to: not finite from the first step on in which one was not."""
        losses = self._model.task_losses
        return [variable for metric in (losses.total, *losses.means.values()) for variable in metric.variables]

    def _told(self, names: Sequence[str]) -> tuple[str, str | None]:
        """The name to tell of several, and its task: that of the only task among them, else the first."""
        owners = {name: owner_of(name.partition("/")[0], list(self._model.tasks)) for name in names}
        of_tasks = [name for name in names if owners[name]]
        told = of_tasks[0] if len({owners[name] for name in of_tasks}) == 1 else names[0]
        return told, owners[told]

    def _advice(self) -> str:
        rate = float(keras.ops.convert_to_numpy(self._model.optimizer.learning_rate))
        return (
            f"What was saved before is good; start from it with a learning rate below {rate:.3g}, a rise of it in the "
            "first steps, or an optimizer with a global_clipnorm"
        )


def not_finite(variables: Iterable[keras.Variable]) -> str:
    """The path of the first of these variables that has NaN or infinity in it; empty where none has."""
    return next((variable.path for variable in variables if not _is_finite([variable])), "")


def check_weights(model: keras.Model, where: str) -> None:
    """Refuses a model that nothing can be done with.

    Args:
        model: the model, compiled or not.
        where: what holds it, for the message.

    Raises:
        UserError: one of its weights is NaN or infinite.
    """
    if path := not_finite(model.variables):
        raise UserError(
            f"{where} has weights that are not finite ({path}), as if its training had diverged: train it again with a "
            "lower --learning_rate, or take another model"
        )


def _place(task: str | None) -> str:
    return "the trunk" if task is None else f"the branch of {task}"


def _is_finite(variables: Sequence[keras.Variable]) -> bool:
    return all(
        bool(tf.reduce_all(tf.math.is_finite(tf.convert_to_tensor(variable))))
        for variable in variables
        if _is_float(variable)
    )


def _is_float(variable: keras.Variable) -> bool:
    return "float" in keras.backend.standardize_dtype(variable.dtype)


def _sum(variables: Sequence[keras.Variable]) -> tf.Tensor:
    """The sum of all that is floating in some variables, float32."""
    values = [tf.cast(tf.convert_to_tensor(variable), tf.float32) for variable in variables if _is_float(variable)]
    # In one operation, since there are many of them.
    vectors = tf.reduce_sum(tf.concat([value for value in values if len(value.shape) == 1], 0))
    rest = [tf.reduce_sum(value) if value.shape else value for value in values if len(value.shape) != 1]
    return tf.add_n([vectors, *rest])
