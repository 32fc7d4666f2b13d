"""EW: fixed weights, the linear scalarisation."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import tensorflow as tf

from keras_mtl.balancing.weighting import Weighting
from keras_mtl.errors import UserError


class EqualWeighting(Weighting):
    """The same weights in every step.

        w_i = 1, or weights[i]

    Args:
        weights: one positive number or 0 a task, in the tasks' order; as given, not scaled. Empty: 1 each.

    Source: the plain sum that every paper compares with. That fixed weights, searched for, are a strong rival:
    Kurin et al., "In Defense of the Unitary Scalarization for Deep Multi-Task Learning", NeurIPS 2022; Xin et al.,
    "Do Current Multi-Task Optimization Methods in Deep Learning Even Help?", NeurIPS 2022.
    """

    name = "ew"
    sees = "losses"

    def __init__(self, weights: Sequence[float] = ()):
        super().__init__()
        # The setting has the name of the method `weights`, so its attribute has another.
        self.fixed = tuple(weights) if isinstance(weights, (list, tuple)) else (weights,)
        numbers = all(isinstance(weight, (int, float)) and 0 <= weight < float("inf") for weight in self.fixed)
        self.check(numbers and (not self.fixed or sum(self.fixed) > 0), "weights of 0 or more, not all 0")

    @property
    def is_plain(self) -> bool:
        return not self.fixed

    def build(self, tasks: int, shapes: Sequence[tuple[int, ...]] = ()) -> None:
        super().build(tasks, shapes)
        self.check(len(self.fixed) in (0, tasks), f"as many weights as tasks ({tasks}), or none")

    def weights(self, losses: tf.Tensor, gramian: tf.Tensor | None = None) -> tf.Tensor:
        return tf.constant(self.fixed or (1.0,) * self.tasks, tf.float32)

    def get_config(self) -> dict[str, object]:
        return {"weights": self.fixed}


def simplex_grid(tasks: int, steps: int) -> list[tuple[float, ...]]:
    """All weights that are multiples of tasks / steps and whose sum is the number of tasks; for a sweep of EW.

    Args:
        tasks: 1 or more.
        steps: 1 or more, into how many parts the simplex' edges are cut.

    Returns:
        (steps + tasks - 1) over (tasks - 1) tuples, in descending order.

    Example:
        >>> simplex_grid(2, 2)
        [(2.0, 0.0), (1.0, 1.0), (0.0, 2.0)]
    """
    if tasks < 1 or steps < 1:
        raise UserError(f"A grid of weights needs a task and a step. Received: {tasks} tasks, {steps} steps")
    # Stars and bars: where the bars between the tasks stand says how many of the steps each task has.
    grid = []
    for bars in itertools.combinations(range(steps + tasks - 1), tasks - 1):
        edges = (-1, *bars, steps + tasks - 1)
        shares = [after - before - 1 for before, after in itertools.pairwise(edges)]
        grid.append(tuple(share * tasks / steps for share in shares))
    return sorted(grid, reverse=True)
