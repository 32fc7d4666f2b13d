"""The training step of a balanced model: forward, the tasks' own gradients, their weights, one update."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_mtl.balancing.gramian import gramian, stack
from keras_mtl.balancing.grouped import Grouped, in_pieces
from keras_mtl.balancing.rows import RowGroups, can_tell_apart
from keras_mtl.balancing.shared import shared_features, shared_weights
from keras_mtl.balancing.sub_batches import SubBatch, cut_batch, halved
from keras_mtl.balancing.weighting import Weighting
from keras_mtl.errors import UserError
from keras_mtl.layers.normalization import pooled_statistics

GRADIENTS = ("auto", "trunk", "features")


class BalancedStep:
    """What a model does with a batch when its tasks are balanced, or its sub-batches are normalised apart.

    Every sub-batch goes through the net by itself, with BatchNormalization on its own statistics, so that for
    sources that label one task each the tasks' gradients cost what one gradient does. A sub-batch with several tasks
    shares its forward pass among them. The moving statistics are those of the whole batch: the layers' momentum
    applies once a step, to the mean and variance over all rows.

    Weightings that see losses weigh the whole of a task's loss. Those that see gradients weigh the gradients of
    the shared weights; what a weight of one task alone gets of its own gradient is said by the method's
    `own_weights`. Outputs without a loss are not balanced; their own weights get no gradient.

    An optimizer that scales losses for float16 finds the gradients scaled, the weighting sees them as they are. A step
    whose gradients overflow is skipped by the optimizer, and changes nothing in the weighting.

    Args:
        model: a functional model with a dict of outputs by task, compiled with an optimizer.
        losses: by task, a Keras loss; with sub-batches of reduction "mean_with_sample_weight".
        loss_weights: by task; what a weighting sees is the loss times this.
        weighting: the method.
        sub_batches: as for `cut_batch`.
        gradients: "trunk" (of the shared weights), "features" (of the last shared features: cheap where images
            have all labels, and what MGDA-UB means), or "auto" (features where a sub-batch has several tasks).

    Raises:
        UserError: settings that don't fit each other or the model.
    """

    def __init__(
        self,
        model: keras.Model,
        losses: Mapping[str, keras.losses.Loss],
        loss_weights: Mapping[str, float],
        weighting: Weighting,
        sub_batches: Sequence | None = None,
        gradients: str = "auto",
    ):
        self.model = model
        self.tasks = list(losses)
        self.losses = dict(losses)
        self._check_losses(sub_batches is not None)
        self.loss_weights = dict(loss_weights)
        self.weighting = weighting
        self.sub_batches = cut_batch(sub_batches, self.tasks, list(model.output))
        trained = {task: model.output[task] for task in self.tasks}
        # Outputs without a loss come along, for their metrics.
        untrained = {task: output for task, output in model.output.items() if task not in losses}
        self._nets = {
            part.tasks: keras.Model(model.input, {**{t: trained[t] for t in part.tasks}, **untrained})
            for part in self.sub_batches
        }
        self.shared = shared_weights(trained, model.input)
        self._is_shared = {id(weight) for weight in self.shared}
        # Which task each other weight that a loss depends on belongs to.
        self._owner = {
            id(weight): number
            for number, output in enumerate(trained.values())
            for weight in keras.Model(model.input, output).trainable_variables
            if id(weight) not in self._is_shared
        }
        self.gradients = self._choose(gradients)
        # Without a task in two groups of rows, one pass over all of them tells the gradients apart.
        self._is_one_pass = (
            len(self.sub_batches) > 1
            and self.gradients == "trunk"
            and all(len(part.tasks) == 1 for part in self.sub_batches)
            and not self._is_scaled  # products of float16's scaled gradients would overflow
            and can_tell_apart(model.layers, self.shared)
        )
        if weighting.halves:
            self._halves = halved(self.sub_batches)
        if self.gradients == "features":
            self._trunk, self._branches = self._cut()
        self.chosen = keras.Variable([1.0] * len(self.tasks), dtype="float32", trainable=False, name="task_weights")
        weighting.build(len(self.tasks), [tuple(weight.shape) for weight in self._combined()])
        # What `fit` is to call.
        self.epochs = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: weighting.on_epoch_end())

    @property
    def variables(self) -> list[keras.Variable]:
        """The state that a checkpoint must hold."""
        return [*self.weighting.variables, self.chosen]

    def __call__(self, x, y: Mapping[str, tf.Tensor], sample_weight: Mapping[str, tf.Tensor]):
        """Trains on a batch.

        Args:
            x: images, y: labels by task, sample_weight: by task.

        Returns:
            The outputs by task; 0 in rows that went through the net for other tasks.
        """
        batch = self.batch(x, y, sample_weight)
        before = [] if batch.scale is None else [tf.identity(variable.value) for variable in self.weighting.variables]
        kind = self.weighting.sees
        with pooled_statistics(self.model):
            if kind == "losses":
                outputs, gradients = self._weigh_losses(batch)
            elif self.gradients == "features":
                outputs, gradients = self._weigh_features(batch)
            else:
                outputs, gradients = self._weigh_gradients(batch)
        weights = self.model.trainable_variables
        self._add_regularisers(gradients, weights)
        if batch.scale is not None:
            is_finite = tf.reduce_all(batch.are_finite)
            factor = tf.where(is_finite, batch.scale, np.nan)
            gradients = {key: factor * gradient for key, gradient in gradients.items()}
        self.model.optimizer.apply([gradients.get(id(weight)) for weight in weights], weights)
        if self.weighting.looks_again:
            self.weighting.after_step(self._losses_only(batch))
        for variable, value in zip(self.weighting.variables, before, strict=False):
            variable.assign(tf.where(is_finite, variable.value, value))
        return outputs

    def batch(self, x, y, sample_weight) -> Batch:
        """A batch, with the scale that float16's gradients are taken at; `x`, `y`, `sample_weight` as for a call."""
        scale = tf.cast(self.model.optimizer.scale_loss(1.0), tf.float32) if self._is_scaled else None
        return Batch(x, y, sample_weight, scale)

    def by_group(self, batch: Batch, halves: Sequence[Sequence[SubBatch]]):
        """The gradients of groups of rows, from one forward and one backward pass where the net allows it.

        Args:
            batch: as from `batch`.
            halves: sub-batches, in one list or by halves; a task's loss in a half is the mean over that half's labels.

        Returns:
            The losses [tasks]; float32 [halves, tasks, groups], 1 for the groups that a task's gradient in a half is
            the sum of; the groups' gradients of the shared weights; by the id of another weight its gradient; the
            outputs by task.
        """
        take = self._from_one_pass if self._is_one_pass else self._from_passes
        losses, groups, apart, own, outputs = take(batch, halves)
        member = np.zeros([len(halves), len(self.tasks), len(groups)], np.float32)
        for number, (half, task) in enumerate(groups):
            member[half, self.tasks.index(task), number] = 1
        return losses, member, apart, own, outputs

    def _task_gradients(self, batch: Batch, parts: Sequence[SubBatch] | None = None):
        """Each task's own gradient of every weight, from a pass a sub-batch.

        Returns:
            losses float32 [tasks], times their loss weights; for each task a dict of gradients by the weight's id;
            the outputs by task and sub-batch.
        """
        losses: dict[str, list] = {task: [] for task in self.tasks}
        gradients: dict[str, dict[int, list]] = {task: {} for task in self.tasks}
        outputs = []
        for part in parts or self.sub_batches:
            net = self._nets[part.tasks]
            weights = net.trainable_variables
            with tf.GradientTape(persistent=len(part.tasks) > 1) as tape:
                found = net(part.of(batch.x), training=True)
                own = {task: self._loss(task, batch, found[task], part, parts) for task in part.tasks}
            outputs.append((part, found))
            for task, loss in own.items():
                losses[task].append(loss)
                for weight, gradient in zip(weights, batch.gradients(tape, loss, weights), strict=True):
                    if gradient is not None:
                        gradients[task].setdefault(id(weight), []).append(gradient)
        summed = {
            task: {key: tf.add_n(values) if len(values) > 1 else values[0] for key, values in own.items()}
            for task, own in gradients.items()
        }
        return tf.stack([tf.add_n(losses[task]) for task in self.tasks]), summed, outputs

    def _shared_rows(self, gradients: Mapping[str, Mapping[int, tf.Tensor]]) -> list[list[tf.Tensor]]:
        """For each task the gradient of each shared weight; zeros where it has none."""
        return [
            [gradients[task].get(id(weight), tf.zeros(weight.shape)) for weight in self.shared] for task in self.tasks
        ]

    def _add_regularisers(self, gradients: dict[int, tf.Tensor], weights: Sequence[keras.Variable]) -> None:
        """Adds the gradients of the weights' regularisers, which belong to no task, in place."""
        with tf.GradientTape() as tape:
            terms = self.model.losses
            total = tf.add_n(terms) if terms else None
        if total is not None:
            for weight, gradient in zip(weights, tape.gradient(total, weights), strict=True):
                if gradient is not None:
                    gradients[id(weight)] = gradients.get(id(weight), 0.0) + gradient

    def _own_trainable(self) -> list[keras.Variable]:
        """The trained weights of one task alone, in the model's order."""
        return [weight for weight in self.model.trainable_variables if id(weight) in self._owner]

    def _weigh_own(self, own: dict[int, tf.Tensor], losses, weights=None) -> dict[int, tf.Tensor]:
        """The gradients of weights of one task alone, by id, as the method counts them."""
        factors = self.weighting.own_weights(tf.stop_gradient(losses), weights)
        return own if factors is None else {key: factors[self._owner[key]] * value for key, value in own.items()}

    def _weigh_losses(self, batch: Batch):
        is_trained = self._is_shared | set(self._owner)
        weights = [weight for weight in self.model.trainable_variables if id(weight) in is_trained]
        with tf.GradientTape() as tape:
            losses, outputs = self._forward(batch)
            total = tf.tensordot(self._choice(losses), losses, 1)
        gradients = batch.gradients(tape, total, weights, unconnected_gradients="zero")
        return outputs, dict(zip(map(id, weights), gradients, strict=True))

    def _forward(self, batch: Batch):
        """The losses, float32 [tasks], times their loss weights, and the outputs by task."""
        if self._is_one_pass:
            with RowGroups(None, [len(part) for part in self.sub_batches]).recording(self.model.layers):
                outputs = self.model(batch.x, training=True)
            found = [(part, {task: part.of(outputs[task]) for task in part.tasks}) for part in self.sub_batches]
        else:
            found = [(part, self._nets[part.tasks](part.of(batch.x), training=True)) for part in self.sub_batches]
            outputs = _join(found, self.model.output)
        losses: dict[str, list] = {task: [] for task in self.tasks}
        for part, own in found:
            for task in part.tasks:
                losses[task].append(self._loss(task, batch, own[task], part))
        return tf.stack([tf.add_n(losses[task]) for task in self.tasks]), outputs

    def _weigh_gradients(self, batch: Batch):
        halves = self._halves if self.weighting.halves else [self.sub_batches]
        losses, member, apart, own, outputs = self.by_group(batch, halves)
        weights = None
        if self.weighting.sees == "gradients":
            combined = self.weighting.combine(self._by_task(apart, member[0]), losses)
            result = dict(zip(map(id, self.shared), combined, strict=True))
        else:
            inner = tf.add_n([found.inner() for found in apart])
            products = tf.matmul(tf.matmul(member[0], inner), member[-1], transpose_b=True)
            weights = self._choice(losses, products)
            by_group = tf.tensordot(weights, member.sum(0), 1) / len(halves)
            result = _merged(found.weighted(by_group) for found in apart)
        return outputs, self._weigh_own(own, losses, weights) | result

    def _by_task(self, apart: Sequence[Grouped], member: np.ndarray) -> list[list[tf.Tensor]]:
        """For each task the gradient of each shared weight; `member` as from `by_group`, of a half."""
        terms = _merged(found.terms() for found in apart)
        return [
            [tf.add_n([tf.cast(terms[id(weight)][g], tf.float32) for g in own.nonzero()[0]]) for weight in self.shared]
            for own in member
        ]

    def _from_one_pass(self, batch: Batch, halves: Sequence[Sequence[SubBatch]]):
        """As `by_group`, but for each group its half and task; from one forward and one backward pass."""
        parts = sorted(
            ((part, half) for half, own in enumerate(halves) for part in own), key=lambda entry: entry[0].start or 0
        )
        rest = self._own_trainable()
        with tf.GradientTape() as tape:
            rows = RowGroups(tape, [len(part) for part, _ in parts])
            with rows.recording(self.model.layers):
                outputs = self.model(batch.x, training=True)
            losses: dict[str, list] = {task: [] for task in self.tasks}
            for part, half in parts:
                (task,) = part.tasks
                losses[task].append(self._loss(task, batch, part.of(outputs[task]), part, halves[half]))
            total = tf.add_n([loss for own in losses.values() for loss in own])
        kept = rows.watched()
        gradients = tape.gradient(total, [*kept, *rest], unconnected_gradients="zero")
        found = rows.read(gradients[: len(kept)])
        apart = [part for part in (entry.only(self._is_shared) for entry in found) if part.keys]
        others = [part for part in (entry.only(self._owner) for entry in found) if part.keys]
        share = 1 / len(halves)
        own = {id(weight): share * gradient for weight, gradient in zip(rest, gradients[len(kept) :], strict=True)}
        own |= _merged(part.weighted(tf.fill([len(parts)], share)) for part in others)
        losses = tf.stack([tf.add_n(losses[task]) * share for task in self.tasks])
        return losses, [(half, part.tasks[0]) for part, half in parts], apart, own, outputs

    def _from_passes(self, batch: Batch, halves: Sequence[Sequence[SubBatch]]):
        """The same from a pass a sub-batch, and a backward pass for each of its tasks."""
        found = [self._task_gradients(batch, half if len(halves) > 1 else None) for half in halves]
        rows = [row for _, gradients, _ in found for row in self._shared_rows(gradients)]
        apart = in_pieces(
            [(id(weight), column) for weight, column in zip(self.shared, zip(*rows, strict=True), strict=True)]
        )
        own = {}
        for weight in self._own_trainable():
            terms = [g[id(weight)] for _, gradients, _ in found for g in gradients.values() if id(weight) in g]
            own[id(weight)] = tf.add_n(terms) / len(halves) if terms else tf.zeros(weight.shape)
        losses = tf.add_n([losses for losses, _, _ in found]) / len(halves)
        groups = [(half, task) for half in range(len(halves)) for task in self.tasks]
        outputs = _join([entry for _, _, outputs in found for entry in outputs], self.model.output)
        return losses, groups, apart, own, outputs

    def _weigh_features(self, batch: Batch):
        part = self.sub_batches[0]
        shared = self.shared
        with tf.GradientTape() as below:
            features = self._trunk(part.of(batch.x), training=True)
        with tf.GradientTape(persistent=True) as above:
            above.watch(features)
            outputs = self._branches(features, training=True)
            by_task = [self._loss(task, batch, outputs[task], part) for task in self.tasks]
            total = tf.add_n(by_task)
        per_task = [batch.gradients(above, loss, [features]) for loss in by_task]
        losses = tf.stack(by_task)
        weights = None
        if self.weighting.sees == "gradients":
            combined = self.weighting.combine([[tf.cast(g, tf.float32) for g in row] for row in per_task], losses)
        else:
            rows = stack(per_task)
            weights = self._choice(losses, gramian(rows))
            combined = [tf.reshape(tf.matmul(weights[None, :], rows[0]), tf.shape(features))]
        result = dict(zip(map(id, shared), batch.gradients(below, features, shared, upstream=combined[0]), strict=True))
        rest = self._own_trainable()
        own = batch.gradients(above, total, rest, unconnected_gradients="zero")
        return outputs, result | self._weigh_own(dict(zip(map(id, rest), own, strict=True)), losses, weights)

    def _choice(self, losses, inner=None) -> tf.Tensor:
        """The weights, remembered for whoever wants to show them; NaN where inner products are not finite.

        Of those no method can make anything, and what it gives instead would be a step that only seems to be one.
        """
        weights = tf.stop_gradient(self.weighting.weights(tf.stop_gradient(losses), inner))
        if inner is not None:
            weights = tf.where(tf.reduce_all(tf.math.is_finite(inner)), weights, np.nan)
        self.chosen.assign(weights)
        return weights

    def _loss(self, task: str, batch: Batch, output, part: SubBatch, parts: Sequence[SubBatch] | None = None):
        """A sub-batch's part of a task's loss: they sum up to the loss over all rows, times its loss weight."""
        weights = part.of(batch.sample_weight[task])
        loss = self.losses[task](part.of(batch.y[task]), output, sample_weight=weights)
        parts = parts or self.sub_batches
        if sum(task in other.tasks for other in parts) > 1:
            loss *= tf.math.divide_no_nan(self.labels(batch, task, [part]), self.labels(batch, task, parts))
        return tf.cast(loss, tf.float32) * self.loss_weights[task]

    def labels(self, batch: Batch, task: str, parts: Sequence[SubBatch]) -> tf.Tensor:
        """What sub-batches count in a task's mean: the sum of its sample weights there."""
        weights = [part.of(batch.sample_weight[task]) for part in parts if task in part.tasks]
        return tf.add_n([tf.reduce_sum(tf.cast(part, tf.float32)) for part in weights])

    def _losses_only(self, batch: Batch) -> tf.Tensor:
        with pooled_statistics(self.model, forget=True):
            return self._forward(batch)[0]

    def _check_losses(self, in_parts: bool) -> None:
        for name, loss in self.losses.items():
            if in_parts and loss.reduction != "mean_with_sample_weight":
                raise UserError(
                    f"With sub_batches the loss of {name!r} must be a keras.losses.Loss with "
                    f"reduction='mean_with_sample_weight': of others the parts don't add up. Received: {loss}"
                )
            if loss.reduction in (None, "none"):
                raise UserError(f"To be balanced, the loss of {name!r} must be one number. Received: reduction=None")

    @property
    def _is_scaled(self) -> bool:
        scale = self.model.optimizer.scale_loss(1.0)
        return not (isinstance(scale, float) and scale == 1.0)

    def _choose(self, gradients: str) -> str:
        if gradients not in GRADIENTS:
            raise UserError(f"gradients takes one of {', '.join(GRADIENTS)}. Received: {gradients!r}")
        several = any(len(part.tasks) > 1 for part in self.sub_batches)
        whole = len(self.sub_batches) == 1
        if gradients == "features" and not whole:
            raise UserError(
                "gradients='features' compares the tasks on the same images: it needs one sub-batch with all labels. "
                "Take 'trunk', or no sub_batches"
            )
        if self.weighting.sees == "losses":
            return "trunk"
        if gradients == "auto":
            fits = several and whole and self.weighting.sees == "gramian" and not self.weighting.halves
            fits = fits and shared_features(self.model) is not None
            return "features" if fits else "trunk"
        if gradients == "features" and self.weighting.halves:
            raise UserError(f"Weighting {self.weighting.name!r} samples twice: it needs gradients='trunk'")
        return gradients

    def _cut(self):
        features = shared_features(self.model)
        if features is None:
            raise UserError("gradients='features' needs branches that all leave from one layer; take 'trunk'")
        return keras.Model(self.model.input, features), keras.Model(features, dict(self.model.output))

    def _combined(self) -> list:
        """What the gradients that a weighting combines belong to."""
        return self.shared if self.gradients == "trunk" else [self._trunk.output]


@dataclasses.dataclass(frozen=True)
class Batch:
    """What `fit` has of a batch.

    Attributes:
        x: images.
        y: labels by task.
        sample_weight: by task.
        scale: what the optimizer scales losses by, for float16; None for nothing.
        are_finite: of each call of `gradients`, bool, where there is a scale.
    """

    x: tf.Tensor
    y: Mapping[str, tf.Tensor]
    sample_weight: Mapping[str, tf.Tensor]
    scale: tf.Tensor | None = None
    are_finite: list[tf.Tensor] = dataclasses.field(default_factory=list)

    def gradients(self, tape: tf.GradientTape, target, sources: Sequence, upstream=None, **options) -> list:
        """What `tape.gradient` gives, `upstream` being that of the target; in float16's range on the way there.

        With a scale: float32, 0 where they overflow, as weightings can bear it.
        """
        if self.scale is None:
            upstream = upstream if upstream is None else tf.cast(upstream, target.dtype)
            return tape.gradient(target, sources, output_gradients=upstream, **options)
        upstream = tf.cast(self.scale if upstream is None else self.scale * upstream, target.dtype)
        found = tape.gradient(target, sources, output_gradients=upstream, **options)
        is_finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(g)) for g in found if g is not None])
        self.are_finite.append(is_finite)
        return [g if g is None else tf.where(is_finite, tf.cast(g, tf.float32) / self.scale, 0.0) for g in found]


def _merged(parts: Iterable[dict]) -> dict:
    return {key: value for part in parts for key, value in part.items()}


def _join(outputs: Sequence[tuple[SubBatch, Mapping[str, tf.Tensor]]], tasks: Iterable[str]) -> dict[str, tf.Tensor]:
    """The outputs of all rows in order; zeros where a sub-batch has no output for a task."""
    outputs = sorted(outputs, key=lambda entry: entry[0].start or 0)
    joined = {}
    for task in tasks:
        units = next(found[task].shape[-1] for _, found in outputs if task in found)
        pieces = []
        for _, found in outputs:
            rows = tf.shape(next(iter(found.values())))[0]
            pieces.append(found[task] if task in found else tf.zeros([rows, units]))
        joined[task] = tf.concat(pieces, 0) if len(pieces) > 1 else pieces[0]
    return joined
