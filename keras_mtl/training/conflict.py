"""See the conflict: how the tasks' gradients of the shared weights agree while a net is trained."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_mtl.data.batches import TrainingBatches
from keras_mtl.files import write_csv
from keras_mtl.training.conflict_cosine import HALF_WIDTH, WHOLE, Cosine, cosine_without_noise
from keras_mtl.training.conflict_meter import ConflictMeter, Products, agreement
from keras_mtl.training.conflict_picture import heat_maps
from keras_mtl.training.conflict_rows import COLUMNS, Place, Share, gather, place_of, read_rows, rows_of, shares
from keras_mtl.training.tensorboard import TensorBoardByTask

MANY = 10  # above so many tasks TensorBoard gets no curve a pair: 40 tasks have 780 pairs in each stage; as many lines


class ConflictLog(keras.callbacks.Callback):
    """Looks at the tasks' gradients every so many steps: `conflict.csv`, and TensorBoard's curves and pictures.

    A look sees the images of the step that is about to be made, without their augmentation, and the weights as
    they are before it. What cosine and magnitude similarity mean is said by `agreement`; the weights are those that
    the weighting chose in that step, none for one that does not choose weights. A task whose branch leaves the trunk
    below a stage has no gradient there, nor has one without a label in the batch: it is left out.

    A look's own cosine is that of the batch, nearly all of it noise, which draws it to 0 or, where images have several
    labels, to the noise's own. What can be said of the gradients themselves takes many looks: see
    `cosine_without_noise`, which TensorBoard has over the training so far, with its interval, and as a picture over
    each epoch. Shares of conflict are of single looks and have a floor: what chance makes of gradients with nothing in
    common, a half of the pairs.

    Training is not changed by a bit. A look costs about what a step costs where each source labels one task, and a
    backward pass more for each further label; the first one also makes its graph.

    Args:
        meter: looks at the model that is trained.
        batches: what it is trained on.
        path: `conflict.csv`. A row is a look at two tasks in a stage, or in the "whole" trunk.
        every: steps between two looks; the steps whose number is a multiple of it.
        board: what writes for TensorBoard.
        checkpoint_steps: as for `Checkpoint`: what a checkpoint goes on from is then in the file.

    Put it behind `board` and before `Checkpoint`.
    """

    def __init__(
        self,
        meter: ConflictMeter,
        batches: TrainingBatches,
        path: pathlib.Path,
        every: int,
        board: TensorBoardByTask,
        checkpoint_steps: int = 0,
    ):
        super().__init__()
        self.meter = meter
        self.batches = batches
        self.path = path
        self.every = every
        self.board = board
        self.checkpoint_steps = checkpoint_steps
        self._rows: list[dict[str, str]] = []
        self._has_begun = False
        self._shares: dict[str, Share] = {}
        self._gathered: dict[Place, list[tuple[float, ...]]] = {}
        self._seen: dict[str, Products] | None = None

    def on_train_batch_begin(self, batch, logs=None):
        step = self._number(batch)
        if not self._has_begun:
            self._has_begun = True
            # What a killed run has looked at behind its last checkpoint is looked at again.
            self._rows = [row for row in read_rows(self.path) if int(row["step"]) < step]
            self._shares = shares(self._rows)
            self._gathered = gather(self._rows)
        if step % self.every == 0:
            self._seen = self.meter.look(*self.batches.plain_batch(self.batches.epoch, self.batches.first_step + batch))

    def on_train_batch_end(self, batch, logs=None):
        step = self._number(batch)
        if self._seen is not None:
            chosen = self._chosen()
            rows = list(rows_of(step, self.meter.tasks, self._seen, chosen))
            self._rows += rows
            shares(rows, self._shares)
            gather(rows, self._gathered)
            self._write_curves(step, rows, chosen)
            self._seen = None
        if self.checkpoint_steps and (self.batches.first_step + batch + 1) % self.checkpoint_steps == 0:
            self._save()

    def on_epoch_end(self, epoch, logs=None):
        self._save()
        first = epoch * self.batches.steps_per_epoch
        recent = [row for row in self._rows if int(row["step"]) > first]
        if recent:
            looks = len({row["step"] for row in recent})
            cosines = {place: cosine_without_noise(found) for place, found in gather(recent).items()}
            with self.board.train_writer.as_default(int(self.model.optimizer.iterations)):
                tf.summary.image("conflict/cosines", heat_maps(cosines, self.meter.tasks, looks)[None])
            self.board.train_writer.flush()

    def on_train_end(self, logs=None):
        cosines = {place: cosine_without_noise(found) for place, found in self._gathered.items() if place[0] == WHOLE}
        if cosines:
            print("The tasks' gradients, by cosines without noise (by stage: the report, TensorBoard):")
        for (_, task, other), cosine in list(cosines.items())[:MANY]:
            told = f"{cosine.value:+.2f} ({cosine.low:+.2f} to {cosine.high:+.2f})" if cosine.is_told else "not told"
            print(f"  {task} and {other}: {told} by {cosine.looks} looks; ±{HALF_WIDTH:g} needs {cosine.looks_needed}")

    def _number(self, batch: int) -> int:
        """The number of a step, from 1, over all epochs."""
        return self.batches.epoch * self.batches.steps_per_epoch + self.batches.first_step + batch + 1

    def _chosen(self) -> np.ndarray | None:
        balance = self.model.balance
        return None if balance is None or balance.weighting.sees == "gradients" else np.asarray(balance.chosen)

    def _save(self) -> None:
        write_csv(self.path, COLUMNS, ([row.get(name, "") for name in COLUMNS] for row in self._rows))

    def _write_curves(self, step: int, rows: Sequence[Mapping[str, str]], chosen: np.ndarray | None) -> None:
        tasks = self.meter.tasks
        figures: dict[str, float] = {}
        for part, products in self._seen.items() if self._seen else ():
            lengths = agreement(products.batch)[0]
            figures |= {f"{_tag(part)}/magnitude/{task}": lengths[index] for index, task in enumerate(tasks)}
            if part in self._shares:
                share = self._shares[part]
                figures[f"{_tag(part)}/share"] = share.of_looks
                figures[f"{_tag(part)}/share_by_chance"] = share.by_chance
                figures[f"{_tag(part)}/share_of_pairs"] = share.of_pairs
        if len(tasks) <= MANY:
            for row in rows:
                figures |= _of_pair(row, cosine_without_noise(self._gathered[place_of(row)]))
        if chosen is not None:
            figures |= {f"conflict/weight/{task}": chosen[index] for index, task in enumerate(tasks)}
        with self.board.train_writer.as_default(step):
            for tag, value in figures.items():
                if np.isfinite(value):
                    tf.summary.scalar(tag, float(value))


def _of_pair(row: Mapping[str, str], so_far: Cosine) -> dict[str, float]:
    """A pair's curves: the look's own cosine, that without noise over the looks so far, and how many it would take."""
    tag, pair = _tag(row["stage"]), f"{row['task']}-{row['other']}"
    figures = {f"{tag}/cosine_of_batch/{pair}": float(row["cosine"]), f"{tag}/looks_needed/{pair}": so_far.needed}
    if so_far.is_told:
        figures[f"{tag}/cosine_so_far/{pair}"] = so_far.value
        figures[f"{tag}/cosine_so_far_low/{pair}"] = so_far.low
        figures[f"{tag}/cosine_so_far_high/{pair}"] = so_far.high
    return figures


def _tag(part: str) -> str:
    return "conflict" if part == WHOLE else f"conflict_{part}"
