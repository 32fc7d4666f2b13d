"""Measures how the gradients that the tasks send to the shared weights agree, and leaves the training as it was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_mtl.balancing.methods.ew import EqualWeighting
from keras_mtl.balancing.shared import part_of
from keras_mtl.balancing.step import BalancedStep
from keras_mtl.balancing.sub_batches import halved
from keras_mtl.errors import UserError
from keras_mtl.layers.normalization import pooled_statistics
from keras_mtl.models.multitask import MultiTaskModel
from keras_mtl.training.conflict_cosine import WHOLE
from keras_mtl.trunks.resnet import is_stage


class Products(NamedTuple):
    """Inner products of the tasks' gradients, float64 [tasks, tasks].

    Attributes:
        batch: of the gradients of the batch, noise and all. The noise makes their lengths too large: a look's cosine
            is the true one times the root of both tasks' shares of signal; where images have several labels the
            tasks' noise has a product too.
        signal: estimates without bias of those of the expected gradients, from images that have nothing in common: of
            two halves, or of sources that label one task each. Single ones scatter widely, a squared length can be
            below 0. NaN for a task without a label in a half.
    """

    batch: np.ndarray
    signal: np.ndarray


class ConflictMeter:
    """Looks at the tasks' gradients on a batch: inner products, by stage of the trunk and over the whole of it.

    The gradients are those of the tasks' losses times their loss weights, before any weighting. Each half of each
    source's images goes through the net by itself, with BatchNormalization in training mode on its own statistics,
    whatever the training does: halves that have nothing in common tell the gradients from their noise, and sources
    that label one task each then cost one forward and one backward pass. Weights, moving statistics and seeds are
    afterwards what they were.

    Args:
        model: compiled, of two tasks or more.
        sub_batches: as `compile` takes them.

    Attributes:
        tasks: names of the tasks, in the order of the matrices.
        parts: positions of the shared weights by stage, in the trunk's order, and last `WHOLE`.

    Raises:
        UserError: one task only, no trained weight that two tasks share, or a source with one image in a batch.
    """

    def __init__(self, model: MultiTaskModel, sub_batches: Sequence[tuple[int, Sequence[str]]]):
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
        self._halves = halved(self._step.sub_batches)
        labels = np.array([[task in part.tasks for part in self._step.sub_batches] for task in self.tasks], int)
        self._is_apart = labels @ labels.T == 0  # no source labels both
        self._compiled = tf.function(self._products)

    def look(self, x, y, sample_weight) -> dict[str, Products]:
        """The products on a batch by part.

        Args:
            x, y, sample_weight: as `TrainingBatches.plain_batch` gives them.
        """
        found, labels = self._compiled(x, y, sample_weight)
        labels = labels.numpy().astype(np.float64)
        share = labels / np.maximum(labels.sum(0), 1e-30)
        is_known = (labels > 0).all(0)
        is_known = is_known[:, None] & is_known

        def read(matrix: tf.Tensor) -> Products:
            products = matrix.numpy().astype(np.float64).reshape(2, len(self.tasks), 2, len(self.tasks))
            batch = np.einsum("ha,hakb,kb->ab", share, products, share)
            crossed = (products[0, :, 1] + products[1, :, 0]) / 2
            return Products(batch, np.where(is_known, np.where(self._is_apart, batch, crossed), np.nan))

        return {part: read(matrix) for part, matrix in found.items()}

    def _products(self, x, y, sample_weight) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """By part those of all halves and tasks [2 tasks, 2 tasks], and the labels' weights in each half [2, tasks]."""
        # Dropout moves its seed on, and a normalisation that is not ours its averages.
        before = [(variable, tf.identity(variable.value)) for variable in self._model.non_trainable_variables]
        batch = self._step.batch(x, y, sample_weight)
        with pooled_statistics(self._model, forget=True):
            _, member, groups, _, _ = self._step.by_group(batch, self._halves)
        for variable, value in before:
            variable.assign(value)
        member = member.reshape(-1, member.shape[-1])
        found = {}
        for part in self.parts:
            if part != WHOLE:
                keys = {id(self._step.shared[place]) for place in self.parts[part]}
                own = [group for group in (entry.only(keys) for entry in groups) if group.keys]
                inner = tf.add_n([group.inner() for group in own])
                found[part] = tf.matmul(tf.matmul(member, inner), member, transpose_b=True)
        # The whole is the sum over the parts, which share no weight: every product is taken once.
        found[WHOLE] = tf.add_n(list(found.values()))
        labels = [[self._step.labels(batch, task, half) for task in self.tasks] for half in self._halves]
        return found, tf.stack([tf.stack(half) for half in labels])


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
