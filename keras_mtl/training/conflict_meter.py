"""Measures how the gradients that the tasks send to the shared weights agree, and leaves the training as it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from keras_mtl.balancing.ew import EqualWeighting
from keras_mtl.balancing.gramian import gramian, stack
from keras_mtl.balancing.shared import part_of
from keras_mtl.balancing.step import BalancedStep
from keras_mtl.errors import UserError
from keras_mtl.models.multitask import MultiTaskModel
from keras_mtl.models.normalization import pooled_statistics
from keras_mtl.models.resnet import is_stage

WHOLE = "whole"
"""All shared weights, beside the stages that they lie in."""


class ConflictMeter:
    """Looks at the tasks' gradients on a batch: inner products, by stage of the trunk and over the whole of it.

    The gradients are those of the tasks' losses times their loss weights, before any weighting. Each source's
    images go through the net by themselves, with BatchNormalization in training mode on their own statistics,
    whatever the training does: sources that label one task each then cost one forward and one backward pass.
    Weights, moving statistics and seeds are afterwards what they were.

    Args:
        model: compiled, of two tasks or more.
        sub_batches: as `compile` takes them.

    Attributes:
        tasks: names of the tasks, in the order of the matrices.
        parts: positions of the shared weights by stage, in the trunk's order, and last `WHOLE`.

    Raises:
        UserError: one task only, or no trained weight that two tasks share.
    """

    def __init__(self, model: MultiTaskModel, sub_batches: Sequence[tuple[int, Sequence[str]]] | None):
        losses = model.task_losses
        self.tasks = list(losses.losses)
        if len(self.tasks) < 2:
            raise UserError(f"--log_conflict_every compares tasks: it needs 2 or more. Received: {self.tasks[0]}")
        self._model = model
        self._step = BalancedStep(model, losses.losses, losses.weights, EqualWeighting(), sub_batches)
        shared = self._step.shared
        if not shared:
            raise UserError("--log_conflict_every: no weight that two tasks share is trained")
        self.parts = {**part_of(model, shared, is_stage), WHOLE: list(range(len(shared)))}
        self._compiled = tf.function(self._gramians)

    def look(self, x, y, sample_weight) -> dict[str, np.ndarray]:
        """The inner products of the tasks' gradients on a batch.

        Args:
            x, y, sample_weight: as `TrainingBatches.plain_batch` gives them.

        Returns:
            By part float64 [tasks, tasks].
        """
        found = self._compiled(x, y, sample_weight)
        return {part: matrix.numpy().astype(np.float64) for part, matrix in found.items()}

    def _gramians(self, x, y, sample_weight) -> dict[str, tf.Tensor]:
        # Dropout moves its seed on, and a normalisation that is not ours its averages.
        before = [(variable, tf.identity(variable.value)) for variable in self._model.non_trainable_variables]
        with pooled_statistics(self._model, forget=True):
            _, gradients, _ = self._step.task_gradients(self._step.batch(x, y, sample_weight))
        for variable, value in before:
            variable.assign(value)
        rows = stack(self._step.shared_rows(gradients))
        # The whole is the sum over the parts, which share no weight: every product is taken once.
        found = {part: gramian([rows[place] for place in self.parts[part]]) for part in self.parts if part != WHOLE}
        return {**found, WHOLE: tf.add_n(list(found.values()))}


def agreement(inner: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Magnitudes, cosines and magnitude similarities of gradients.

        cos(a, b) = <a, b> / (|a| |b|),  similarity(a, b) = 2 |a| |b| / (|a|^2 + |b|^2)

    Two gradients conflict where their cosine is negative. The similarity is 1 for equal magnitudes and goes to 0
    the more they differ.

    Args:
        inner: float [tasks, tasks], inner products.

    Returns:
        Magnitudes [tasks], cosines [tasks, tasks] from -1 to 1, similarities [tasks, tasks] from 0 to 1; NaN for a
        task without a gradient, whose direction is not defined.

    Source: Yu et al., "Gradient Surgery for Multi-Task Learning", NeurIPS 2020, definitions 1 and 2.
    """
    with np.errstate(invalid="ignore"):
        norms = np.sqrt(np.diag(inner))
    norms = np.where(np.isfinite(norms) & (norms > 0), norms, np.nan)
    products = np.outer(norms, norms)
    similarity = 2 * products / (norms[:, None] ** 2 + norms[None, :] ** 2)
    return norms, np.clip(inner / products, -1.0, 1.0), similarity


def mean_matrix(rows: Sequence[Mapping[str, str]], tasks: Sequence[str], stage: str) -> np.ndarray:
    """The mean cosines of a stage over rows of `conflict.csv`: [tasks, tasks], NaN where there is no row."""
    place = {task: index for index, task in enumerate(tasks)}
    total, count = np.zeros([len(tasks)] * 2), np.zeros([len(tasks)] * 2)
    for row in rows:
        if row["stage"] == stage:
            where = place[row["task"]], place[row["other"]]
            total[where] += float(row["cosine"])
            count[where] += 1
    with np.errstate(invalid="ignore"):
        mean = total / count
    return np.where(np.isnan(mean), mean.T, mean)
