"""From a config to a trained model in a run folder."""

from __future__ import annotations

import dataclasses
import math
import os
import time
from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf

from keras_mtl.balancing.weighting import Weighting
from keras_mtl.data.augment import Augmentation
from keras_mtl.data.batches import TrainingBatches, evaluation_batches
from keras_mtl.data.permuted import permuted
from keras_mtl.data.sources import parse_sources
from keras_mtl.data.splits import SplitData
from keras_mtl.errors import Diverged, UserError
from keras_mtl.kinds import kind_of
from keras_mtl.locks import only_writer
from keras_mtl.models.multitask import MultiTaskModel
from keras_mtl.optimizers import build_optimizer, build_schedule
from keras_mtl.tasks import Task
from keras_mtl.training.checkpoint import BestModel, Checkpoint, Progress
from keras_mtl.training.config import Config
from keras_mtl.training.conflict import ConflictLog
from keras_mtl.training.conflict_meter import ConflictMeter
from keras_mtl.training.initial_model import initial_model
from keras_mtl.training.inputs import load_inputs
from keras_mtl.training.precision import choose_precision, precision_of
from keras_mtl.training.progress_bar import TaskProgress
from keras_mtl.training.run_folder import RunFolder
from keras_mtl.training.scores import Skill, choosing_score, guess_errors
from keras_mtl.training.tensorboard import TensorBoardByTask, plain_settings
from keras_mtl.training.throughput import Throughput
from keras_mtl.training.way_on import another_try, way_on
from keras_mtl.weighting_names import parse_weighting


def train(config: Config) -> RunFolder:
    """Trains as `config` says, or goes on with a training that was stopped, and fills the run folder.

    A finished training is left as it is. The model that is kept is the one of the best epoch by
    `config.best_by`.

    Args:
        config: the settings.

    Returns:
        The run folder.

    Raises:
        UserError: a setting, a source or a file that can't be used, or another process trains there, in one line.
        Diverged: a loss, a weight or the optimizer's state is not finite after a step; what was kept before stays.

    Example:
        >>> train(Config(tasks=("smile",), epochs=1)).model_path  # doctest: +SKIP
        PosixPath('runs/smile/model.keras')
    """
    tasks = config.selected_tasks()
    run = RunFolder(config.run_path)
    config.told_tasks()
    run.check(config)
    if run.finished:
        print(f"{run.path} is finished; nothing to do. For another training choose another --name.")
        return run
    with only_writer(run.path):
        return _train(config, tasks, run)


def _train(config: Config, tasks: dict[str, Task], run: RunFolder) -> RunFolder:
    """Does what is left of a training whose folder nobody else writes to."""
    weighting = parse_weighting(config.weighting)
    sources = parse_sources(config.sources, tasks, config.data_dir or None)
    keras.config.set_floatx("float32")  # Whatever Keras' own settings say: losses and figures are not to be halves.
    tf.config.experimental.enable_op_determinism()
    inputs = load_inputs(config, sources, tasks)
    guesses = guess_errors({task: tasks[task] for task in config.told_tasks()}, inputs.validation)
    score = choosing_score(config.best_by, guesses)
    config = _with_precision(config, tasks, run)  # May take seconds: once it is known what to train on.
    keras.utils.set_random_seed(config.seed)
    batches = TrainingBatches(
        [permuted(part, config.permute_labels, config.seed) for part in inputs.training],
        list(tasks),
        batch_size=config.batch_size,
        mix=config.mix_of(),
        seed=config.seed,
        augment=Augmentation.named(config.augment),
        steps_per_epoch=config.steps_per_epoch,
    )
    epochs = config.epochs if config.steps is None else math.ceil(config.steps / batches.steps_per_epoch)
    steps = config.steps or epochs * batches.steps_per_epoch
    model = _compiled_model(config, tasks, steps, weighting, batches.sub_batches)
    meter = ConflictMeter(model, batches.sub_batches) if config.log_conflict_every else None

    progress = Progress()
    checkpoint = Checkpoint(run.checkpoints_path, batches, progress, config.checkpoint_steps)
    if checkpoint.read_progress():
        _check_same_data(run, inputs.facts)
        print(f"Going on from epoch {progress.epoch + 1}, step {progress.step} of {batches.steps_per_epoch}")
    else:
        if run.manifest_path.exists():
            print(f"{run.path} was begun and has no checkpoint: from the start")
        config = dataclasses.replace(config, precision=precision_of(model))
        run.begin(_with_data_dir(config))
        facts = {"precision": config.precision, "parameters": model.count_params(), "sources": inputs.facts}
        run.write_manifest(config, {**facts, "quarantined": len(inputs.bad)})
        run.write_quarantine(inputs.bad)
    if inputs.bad:
        print(f"Warning: {len(inputs.bad)} records can't be used; {run.quarantine_path} names them")
    print(
        f"Training {', '.join(tasks)}: {model.count_params():,} parameters, {epochs} epochs of "
        f"{batches.steps_per_epoch} steps of {config.batch_size} images"
    )
    best = BestModel(run.model_path, score, progress, config.patience if config.early_stopping else None)
    board = TensorBoardByTask(run.logs_path, tasks, inputs.validation, plain_settings(config), config.histograms)
    bar = TaskProgress(tasks, batches, epochs)
    looks = (batches, run.conflict_path, config.log_conflict_every, board, config.checkpoint_steps)
    own = [
        Skill({task: tasks[task] for task in guesses}, guesses),
        Throughput(batches, config.batch_size),
        best,
        board,
        *([ConflictLog(meter, *looks)] if meter else []),
        bar,
        checkpoint,
    ]
    if not epochs:
        model.optimizer.build(model.trainable_variables)  # else the file would hold an optimizer without its state
        best.keep(model)
    # Keras looks at stop_training only after a step: a run that was killed once it had stopped gets no epoch more.
    last = progress.epoch if best.is_patience_over else epochs
    try:
        seconds = _fit(model, batches, inputs.validation, progress, last, config, own)
    except Diverged as error:
        run.update_metrics(diverged={"step": error.step, "task": error.task, "what": error.what})
        raise Diverged(error.what, error.task, error.step, way_on(config, run, score, progress)) from None
    finally:
        bar.close()
    if progress.history and progress.best is None:
        raise UserError(
            f"No epoch's {score} on validation images was finite, so no model of {run.path} is worth keeping: "
            f"{another_try(config)}"
        )
    run.update_metrics(
        diverged=None,
        training={
            "best_by": score,
            "best": progress.best,
            "best_epoch": progress.best_epoch,
            "constant_guess_error": guesses,
            "seconds_of_last_start": seconds,
            "images": int(model.optimizer.iterations) * config.batch_size,
            "history": progress.history,
        },
    )
    return run


class EpochEnd(keras.callbacks.Callback):
    """Ends an epoch after its last step, and the training after a number of steps counted over all epochs.

    A resumed epoch is shorter than its batches' cardinality says. Left to itself Keras would ask for one batch
    too many, and part of that step, weight decay for one, runs before the lack of data is noticed.

    Args:
        batches: the `TrainingBatches`.
        steps: after how many steps the training ends; None for never.

    Put it first among the callbacks, so that the others' wish to stop comes later and counts.
    """

    def __init__(self, batches: TrainingBatches, steps: int | None):
        super().__init__()
        self.batches = batches
        self.steps = steps

    def on_train_batch_end(self, batch, logs=None):
        is_last = self.batches.first_step + batch + 1 == self.batches.steps_per_epoch
        if is_last or self._is_over():
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = self._is_over()

    def _is_over(self) -> bool:
        return self.steps is not None and int(self.model.optimizer.iterations) >= self.steps


def _compiled_model(
    config: Config, tasks: Mapping[str, Task], steps: int, weighting: Weighting, sub_batches: Sequence
) -> MultiTaskModel:
    """The model with its initial weights, ready to be fitted for so many steps."""
    model = initial_model(config, tasks)
    schedule = build_schedule(config.schedule, config.learning_rate, steps, config.warmup)
    optimizer = build_optimizer(config.optimizer, schedule, config.weight_decay)
    model.compile(
        optimizer,
        loss_weights=config.loss_weight_of() or None,
        weighting=weighting,
        sub_batches=sub_batches if config.normalises_by_source(len(sub_batches)) else None,
        gradients=config.gradients,
    )
    _check_score(config.best_by, model)
    return model


def _fit(
    model: MultiTaskModel,
    batches: TrainingBatches,
    validation: Sequence[SplitData],
    progress: Progress,
    epochs: int,
    config: Config,
    callbacks: list[keras.callbacks.Callback],
) -> float:
    """Fits from where `progress` stands, and returns the seconds that it took."""
    started = time.monotonic()
    judged = evaluation_batches(validation, list(model.tasks), config.batch_size)
    # Makes the metrics' variables, which Keras otherwise does in the first step: too late to put their state back.
    model.evaluate(judged, steps=1, verbose=0)
    model.fit(
        batches.dataset(),
        epochs=epochs,
        initial_epoch=progress.epoch,
        validation_data=judged,
        shuffle=False,
        verbose=0,
        callbacks=[EpochEnd(batches, config.steps), batches.follow_epochs(), *callbacks],
    )
    return round(time.monotonic() - started, 1)


def _check_score(score: str, model: MultiTaskModel) -> None:
    """Meets an unknown --best_by before the first epoch, not after it."""
    known = ["val_skill", "val_loss"]
    for name, task in model.tasks.items():
        known += [f"val_{name}_{measure}" for measure in ("loss", *kind_of(task).measures)]
    if score not in known:
        raise UserError(f"--best_by takes one of {', '.join(known)}. Received: {score!r}")


def _check_same_data(run: RunFolder, facts: dict) -> None:
    """A training can't go on exactly where its data have changed."""
    if run.manifest("sources")["sources"] != facts:
        raise UserError(f"The data of {run.path} have changed since it began: choose another --name")


def _with_precision(config: Config, tasks: Mapping[str, Task], run: RunFolder) -> Config:
    """The config with the precision to train in: a training keeps the one that it began with, told in a line."""
    if config.prune_from:
        print(f"Precision: that of {config.prune_from}")
        return config
    precision, reason = (run.precision, "as it began") if run.precision else choose_precision(config, tasks)
    print(f"Precision: {precision} ({reason})")
    return dataclasses.replace(config, precision=precision)


def _with_data_dir(config: Config) -> Config:
    """The config with the folder that relative paths started from, so that flags.txt gives the run again."""
    folder = config.data_dir or os.environ.get("KERAS_MTL_DATA", "")
    return dataclasses.replace(config, data_dir=os.path.abspath(os.path.expanduser(folder)) if folder else "")
