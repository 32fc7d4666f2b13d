"""What every head offers: how many logits, what they cost, and what they mean."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from typing import Any

import keras

from keras_mtl.errors import UserError
from keras_mtl.tasks import Task

PARTS = 120
"""Of a regression's range, to count in where the unit may be any: the years of the age task."""
EDGE = 0.1
"""The share of a distribution on each side of its interval, which holds the middle 80 %."""


class Head:
    """How a task is predicted from a vector of logits.

    A head is three things: the number of logits (`units`), the loss of each sample (`losses`) and what
    a person reads (`decode`). The layer that makes the logits, the Keras loss and the metrics are the
    same for all heads. A new head is a subclass in a file of its own, listed in `HEADS`.

    Args:
        task: the task to predict.

    Raises:
        UserError: the head can't serve a task of this kind.
    """

    name = ""
    kinds: tuple[str, ...] = ()
    weight = 1.0
    """What the loss counts beside other tasks' losses, where the user does not say."""

    def __init__(self, task: Task):
        if task.kind not in self.kinds:
            raise UserError(
                f"Head {self.name!r} serves tasks of kind {' or '.join(self.kinds)}. "
                f"Received: task {task.name!r} of kind {task.kind!r}"
            )
        self.task = task

    @property
    def units(self) -> int:
        """The number of logits."""
        raise NotImplementedError

    def losses(self, labels, logits):
        """The loss of each sample: labels `[batch]` and logits `[batch, units]`, float32, give `[batch]`."""
        raise NotImplementedError

    def decode(self, logits):
        """Logits `[batch, units]` as a value `[batch]` in the task's unit, or probabilities `[batch, classes]`."""
        raise NotImplementedError

    def extra(self, logits) -> dict[str, Any]:
        """What an export gives besides `decode`: by ending, `<task>_<ending>`, tensors `[batch, …]` of the logits."""
        return {}

    @property
    def bins(self) -> list[float]:
        """The values that `<task>_distribution` gives a probability each; empty where there is none."""
        return []

    def settled(self, step: float | None) -> dict[str, float]:
        """Options that a model keeps, so that it stays as it is whatever the defaults will be.

        Args:
            step: from one bin to the next, of a model of before there was such an option; None for the head's own.
        """
        return {}

    @classmethod
    def option_names(cls) -> tuple[str, ...]:
        """The names of the head's own settings, as `Task.options` may give them."""
        return tuple(inspect.signature(cls.__init__).parameters)[2:]


class BinsHead(Head):
    """Base of the heads that spread a regression's range over bins, `step` apart from `low` on.

    Their logits make a distribution over the bins' values; its expectation is the prediction.

    Args:
        task: a regression.
        step: from one bin to the next, in the task's unit. By default a round number near a 120th of the range (1 for
            ages from 0 to 120), or what is nearest to it and leads to `high` in whole steps: 76 to 190 bins.
    """

    kinds = ("regression",)

    def __init__(self, task: Task, step: float | None = None):
        super().__init__(task)
        if step is not None and not 0 < step < math.inf:
            raise UserError(f"Head {self.name!r} of task {task.name!r} needs step > 0. Received: step={step}")
        low, high = task.bounds
        self.step = float(step or (high - low) / round((high - low) / task.round_part(PARTS)))

    @property
    def units(self) -> int:
        return len(self.values)

    @property
    def values(self) -> list[float]:
        """The bins' values: low, low + step, …, the one nearest to high."""
        low, high = self.task.bounds
        return [low + number * self.step for number in range(round((high - low) / self.step) + 1)]

    @property
    def bins(self) -> list[float]:
        return self.values

    def settled(self, step: float | None) -> dict[str, float]:
        kept = step or self.step
        return {} if self.step == kept == 1 else {"step": kept}

    def extra(self, logits) -> dict[str, Any]:
        """The distribution, and the interval that holds its middle `1 - 2 * EDGE`."""
        distribution = self.distribution(logits)
        ends = [quantile(distribution, self.values, share) for share in (EDGE, 1 - EDGE)]
        return {"distribution": distribution, "interval": keras.ops.stack(ends, axis=-1)}

    def decode(self, logits):
        values = keras.ops.convert_to_tensor(self.values, dtype="float32")
        return keras.ops.sum(self.distribution(logits) * values, axis=-1)

    def distribution(self, logits):
        """The probability of each bin, `[batch, units]`."""
        return keras.ops.softmax(logits)


def quantile(distribution, values: Sequence[float], share: float):
    """A quantile of a distribution over bins, each bin's probability being spread evenly over its width.

    The quantile lies one bin's width further for each bin that lies wholly below it, and a part of a width for the
    bin that it falls into: a sum, which every runtime can compute.

    Args:
        distribution: probabilities `[batch, bins]`, float32.
        values: the bins' values, rising in equal steps.
        share: 0 to 1.

    Returns:
        `[batch]`, float32, within the range of the values.

    Example:
        >>> float(quantile(keras.ops.array([[0.0, 0.5, 0.5, 0.0]]), [0, 1, 2, 3], 0.5)[0])
        1.5
    """
    below = keras.ops.cumsum(distribution, axis=-1) - distribution
    passed = keras.ops.clip((share - below) / keras.ops.maximum(distribution, 1e-12), 0.0, 1.0)
    width = (values[-1] - values[0]) / max(len(values) - 1, 1)
    return keras.ops.clip(width * keras.ops.sum(passed, axis=-1) - (0.5 * width - values[0]), values[0], values[-1])
