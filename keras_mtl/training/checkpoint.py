"""Checkpoints from which a killed training goes on as if it had never stopped, and the best model."""

from __future__ import annotations

import json
import pathlib

import keras
import tensorflow as tf

from keras_mtl.errors import UserError
from keras_mtl.files import json_text, replacing, without_pattern
from keras_mtl.training.checkpoint_files import CheckpointFiles
from keras_mtl.values import rank, without_nan

LOWER_IS_BETTER = ("loss", "mae")


class Progress:
    """How far a training has come: all of its state that is not in Keras' variables.

    Attributes:
        epoch, step: the epoch to go on with, and the number of its steps that are done.
        history: the logs of each finished epoch, None for a figure that was not finite.
        best: the best value of the chosen score so far, None before the first epoch's end.
        best_epoch: the epoch (from 1) that it came from.
    """

    def __init__(self):
        self.epoch = 0
        self.step = 0
        self.history: list[dict[str, float | None]] = []
        self.best: float | None = None
        self.best_epoch = 0

    @property
    def epochs_since_best(self) -> int:
        return len(self.history) - self.best_epoch


class BestModel(keras.callbacks.Callback):
    """Keeps the model of the epoch with the best value of a score, and can end a training that stands still.

    Args:
        path: the `.keras` file to keep.
        score: the name of an entry of the epoch's logs, such as "val_skill" or "val_age_mae". One that is not finite
            is none.
        progress: the training's `Progress`; its history and best value are kept here.
        patience: epochs without a better value after which training stops; None never stops.
    """

    def __init__(self, path: pathlib.Path, score: str, progress: Progress, patience: int | None):
        super().__init__()
        self.path = path
        self.score = score
        self.progress = progress
        self.patience = patience

    @property
    def is_patience_over(self) -> bool:
        """Whether training has stood still for too long; true again for a run resumed after that."""
        return self.patience is not None and self.progress.epochs_since_best >= self.patience

    def keep(self, model: keras.Model) -> None:
        """Makes this model the one that is kept."""
        with replacing(self.path) as beside:
            model.save(beside)

    def on_epoch_end(self, epoch, logs=None):
        progress = self.progress
        value = float(logs[self.score])
        sign = -1.0 if self.score.endswith(LOWER_IS_BETTER) else 1.0
        progress.history.append(without_nan({name: float(figure) for name, figure in logs.items()}))
        if rank(sign * value) > rank(None if progress.best is None else sign * progress.best):
            progress.best, progress.best_epoch = value, epoch + 1
            self.keep(self.model)
        if self.is_patience_over:
            self.model.stop_training = True


class Checkpoint(keras.callbacks.Callback):
    """Saves the whole state of a training, and puts it back.

    The state is every variable of model, optimizer, metrics and weighting, the seeds among them, and `Progress`, in
    one TensorFlow checkpoint with checksums: one that was damaged since is passed over for the one before. With
    batches that are a function of epoch and step, a training that was killed and resumed ends bit-identical to one
    that was not.

    Args:
        directory: where checkpoints go; the newest two are kept.
        batches: the `TrainingBatches`; told at which step to begin.
        progress: the training's `Progress`.
        every: steps between checkpoints, besides one at the end of each epoch; 0 for none.

    Put it last among the callbacks, so that what it saves includes what the others did.
    """

    def __init__(self, directory: pathlib.Path, batches, progress: Progress, every: int = 0):
        super().__init__()
        self.files = CheckpointFiles(directory)
        self.batches = batches
        self.progress = progress
        self.every = every
        self._state = tf.Variable("", dtype=tf.string, trainable=False)
        self._resumed: pathlib.Path | None = None
        # With the variables only once a training begins: before, Keras has not made all of them.
        self._checkpoint = tf.train.Checkpoint(state=self._state)

    def read_progress(self) -> bool:
        """Fills `progress` from the newest checkpoint that is whole. Returns whether there is one.

        Raises:
            UserError: there are some, and none is whole.
        """
        self._resumed = self.files.newest_whole()
        if self._resumed is None:
            return False
        with without_pattern(self.files.directory) as plain:
            reader = tf.train.load_checkpoint(f"{plain}/{self._resumed.name}")
            text = reader.get_tensor("state/.ATTRIBUTES/VARIABLE_VALUE")
        vars(self.progress).update(json.loads(text))
        return True

    def on_train_begin(self, logs=None):
        model = self.model
        variables = model.optimizer.variables + model.variables + model.metrics_variables + model.balance_variables
        unique = {id(variable): variable.value for variable in variables}
        self._checkpoint = tf.train.Checkpoint(state=self._state, variables=list(unique.values()))
        if self._resumed:
            try:
                self._restore(self._resumed).assert_consumed()
            except AssertionError:
                raise UserError(
                    f"Checkpoint {self._resumed} has other variables than this training, as one of another version of "
                    f"keras_mtl: remove {self.files.directory} to start anew, or go on with that version"
                ) from None
            if found := model.divergence.found():
                raise UserError(
                    f"Checkpoint {self._resumed} is of a training that had diverged, for {found[0]}: choose another "
                    "--name and a lower --learning_rate"
                )

    def on_epoch_begin(self, epoch, logs=None):
        self.batches.first_step = self.progress.step
        if self._resumed and self.progress.step:
            # Keras has just reset the metrics of the epoch that this run is in the middle of.
            self._restore(self._resumed)
        self._resumed = None

    def on_train_batch_end(self, batch, logs=None):
        self.progress.step += 1
        if self.every and self.progress.step % self.every == 0 and self.progress.step < self.batches.steps_per_epoch:
            self.save()

    def on_epoch_end(self, epoch, logs=None):
        self.progress.epoch, self.progress.step = epoch + 1, 0
        self.save()

    def save(self) -> None:
        """Writes a checkpoint now. Raises Diverged where the training has: the one before is the last good one."""
        self.model.divergence.check()
        self._state.assign(json_text(vars(self.progress)))
        self.files.write(self._checkpoint)

    def _restore(self, path: pathlib.Path):
        with without_pattern(self.files.directory) as plain:
            return self._checkpoint.restore(f"{plain}/{path.name}")
