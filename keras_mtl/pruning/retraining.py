"""Removal of branches, retraining, and what both change: the work of `keras_mtl.prune`."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import TYPE_CHECKING

from keras_mtl.errors import UserError
from keras_mtl.evaluation.evaluate import evaluate_model, evaluate_run
from keras_mtl.evaluation.metrics import metrics_for
from keras_mtl.evaluation.scoring import readable
from keras_mtl.files import short_name
from keras_mtl.models.cost import model_cost
from keras_mtl.pruning.settings import PruneConfig
from keras_mtl.table import aligned
from keras_mtl.training.config import Config
from keras_mtl.training.fit import train
from keras_mtl.training.initial_model import load_trained, pruned_model
from keras_mtl.training.inputs import available_split
from keras_mtl.training.run_folder import RunFolder

if TYPE_CHECKING:
    from keras_mtl.models.multitask import MultiTaskModel


def prune(settings: PruneConfig) -> RunFolder:
    """Removes branches, retrains what is left, and scores it before and after.

    The run folder's `metrics.json` has, besides a training's entries, `before`: the scores of the sub-model as it
    was cut off, by split.

    Args:
        settings: the flags.

    Returns:
        The new run folder.

    Raises:
        UserError: a net, a task, a stage or data that can't be used.
    """
    if not settings.run:
        raise UserError("No trained net given: name a run folder with --run=runs/NAME, or a .keras file")
    model = load_trained(settings.run, "--run")
    config = retraining_config(settings, model)
    tasks = config.selected_tasks()
    left = pruned_model(model, dataclasses.replace(config, prune_from=settings.run), tasks)
    print(removal_summary(model, left))
    split = available_split(config, tasks, settings.split)
    if split != settings.split:
        print(f"There is no {settings.split} split: evaluated on {split}")
    run = RunFolder(config.run_path)
    run.check(config)
    before, *_ = evaluate_model(left, config, split)
    train(config)
    run.update_metrics(before={split: before})
    after = evaluate_run(run.path, split, tell=lambda text: None)
    print(_before_and_after(before, after, left, split))
    return run


def retraining_config(settings: PruneConfig, model: MultiTaskModel) -> Config:
    """The settings of the retraining: those that the net was trained with, where the flags say nothing else.

    Args:
        settings: the flags.
        model: the trained net.

    Raises:
        UserError: no task to keep, or settings that don't go together.
    """
    path = pathlib.Path(settings.run)
    if path.is_dir():
        base = RunFolder.existing(path).config()
    elif settings.init == "scratch":
        raise UserError("--init=scratch needs a run folder, whose flags say how its net is built")
    else:
        base = Config(tasks=tuple(model.tasks), image_size=model.input_shape[1], name=path.stem)
    if not settings.keep:
        raise UserError(f"No task to keep: name some of {', '.join(model.tasks)} with --keep")
    for task in settings.keep:
        if task not in model.tasks:
            raise UserError(f"{settings.run} has no task {task!r} to keep; its tasks are {', '.join(model.tasks)}")
    config = dataclasses.replace(base, task_file=settings.task_file or base.task_file).for_tasks(settings.keep)
    given = {
        name: getattr(settings, name)
        for name in ("batch_size", "augment", "seed", "sources", "data_dir", "branch_at")
        if getattr(settings, name) not in (None, "", ())
    }
    return dataclasses.replace(
        config,
        **given,
        prune_from=settings.run if settings.init == "multitask" else "",
        init_from="",
        freeze=settings.freeze,
        epochs=settings.epochs,
        steps=None,
        steps_per_epoch=None,
        learning_rate=settings.learning_rate,
        resume=True,
        workdir=settings.workdir or (str(path.parent) if path.is_dir() else base.workdir),
        name=settings.name or _default_name(path.resolve().name if path.is_dir() else path.stem, settings),
    )


def _default_name(name: str, settings: PruneConfig) -> str:
    """A name for each way to cut the same net, so that one can be tried after the other."""
    ways = [f"at-{place.rpartition(':')[2]}" for place in settings.branch_at]
    if settings.init == "scratch":
        ways.append("scratch")
    if settings.freeze != "none":
        ways.append(f"{settings.freeze}-frozen")
    if settings.epochs == 0:
        ways.append("removed")
    return short_name("-".join([name, *settings.keep, *ways]))


def removal_summary(before: MultiTaskModel, after: MultiTaskModel) -> str:
    """What a removal took away, as a table: layers, parameters, FLOPs of one image, megabytes of weights."""
    costs = [model_cost(model) for model in (before, after)]
    pairs = [
        ("layers", [float(len(model.layers)) for model in (before, after)], 0),
        ("parameters", [float(cost.parameters) for cost in costs], 0),
        ("FLOPs", [float(cost.flops) for cost in costs], 0),
        ("megabytes", [cost.megabytes for cost in costs], 2),
    ]
    rows = [(name, *(f"{value:,.{digits}f}" for value in (old, new, old - new))) for name, (old, new), digits in pairs]
    gone = sorted(set(before.tasks) - set(after.tasks))
    title = f"Kept {', '.join(after.tasks)}" + (f"; removed the branches of {', '.join(gone)}" if gone else "")
    return f"{title}\n" + aligned([("", "before", "after", "removed"), *rows], right=(1, 2, 3))


def _before_and_after(before: dict, after: dict, model: MultiTaskModel, split: str) -> str:
    """The scores of both as a table."""
    rows: list[tuple] = []
    for name, task in model.tasks.items():
        for metric in metrics_for(task).values():
            pair = [result["tasks"][name]["metrics"].get(metric.name) for result in (before, after)]
            if None not in pair:
                rows.append((name, metric.name, *(readable(estimate["value"], metric, task) for estimate in pair)))
    return f"On split {split!r}:\n" + aligned([("task", "metric", "before", "after"), *rows], right=(2, 3))
