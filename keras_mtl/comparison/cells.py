"""What a comparison consists of: its rows, and for each row and seed a cell, which is one training."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping

from keras_mtl.comparison.config import ORDER, CompareConfig
from keras_mtl.comparison.weightings import expand, key_of, title_of, with_weighting
from keras_mtl.data.clean import read_clean
from keras_mtl.errors import UserError
from keras_mtl.files import short_name
from keras_mtl.training.config import Config
from keras_mtl.training.run_folder import RunFolder
from keras_mtl.values import SEEDS, is_seed

CELLS = "cells"
ENDINGS = {
    "single": "",
    "updates": "-Updates",
    "permuted": "-Permuted",
    "retrained": "-Retrained",
    "pruned": "-Pruned",
    "frozen": "-Pruned-Frozen",
}
NEEDS = {"updates": "single", "permuted": "multitask", "retrained": "single"}


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        variant: one of `ORDER`.
        task: the only task of its net, or for `permuted` the only one that it is measured on; None for the multitask
            net.
        title: what it is called in tables, plots and TensorBoard, such as "ResNet-18-Age".
        weighting: the entry of --weightings that a multitask net is balanced by; empty where there are none.
    """

    variant: str
    task: str | None
    title: str
    weighting: str = ""

    @property
    def key(self) -> str:
        """A short name for files and JSON, such as "single-age"."""
        ending = self.task or key_of(self.weighting)
        return f"{self.variant}-{ending}" if ending else self.variant


@dataclasses.dataclass(frozen=True)
class Cell:
    """One training: a row with a seed.

    Attributes:
        row: which net.
        seed: of its training.
        config: the training's settings; its `run_path` is the cell's folder.
    """

    row: Row
    seed: int
    config: Config

    @property
    def run(self) -> RunFolder:
        return RunFolder(self.config.run_path)


@dataclasses.dataclass(frozen=True)
class Lengths:
    """How long the nets are trained, in steps of `batch_size` images.

    Attributes:
        multitask: steps of the multitask net.
        epochs: how often each net is validated on the way.
        share: by task, the share of the multitask net's images that are labelled for it.
    """

    multitask: int
    epochs: int
    share: Mapping[str, float]

    def single(self, task: str, budget: str) -> int:
        """Steps of a single net under a budget: "epochs" or "compute"."""
        return self.multitask if budget == "compute" else max(1, round(self.multitask * self.share[task]))

    def images(self, task: str, batch_size: int) -> int:
        """A task's images in one of the multitask net's batches."""
        return max(1, round(batch_size * self.share[task]))


def net_name(config: Config) -> str:
    """What the trunk is called: "ResNet-18" for 2,2,2,2 blocks, with its width where that is not 64."""
    name = f"ResNet-{2 + 2 * sum(config.stages)}"
    return name if config.width == 64 else f"{name}-w{config.width}"


def rows(config: CompareConfig) -> list[Row]:
    """The table's rows, in its order.

    Raises:
        UserError: an unknown variant or weighting, or some that need the multitask net and it is not there.
    """
    chosen = config.compared
    if set(chosen) - set(ORDER):
        raise UserError(f"--variants takes some of {', '.join(ORDER)}. Received: {','.join(chosen)!r}")
    if {"pruned", "frozen"} & set(chosen) and "multitask" not in chosen:
        raise UserError("--variants pruned and frozen are made from multitask: name that one as well")
    for arm, other in NEEDS.items():
        if arm in chosen and other not in chosen:
            raise UserError(f"--variants {arm} is a control arm beside {other}: name that one as well")
    if "updates" in chosen and config.budget == "compute":
        raise UserError(
            "--variants updates is for --budget=epochs: with equal compute single nets make as many updates"
        )
    if "permuted" in chosen and len(config.tasks) < 2:
        raise UserError("--variants permuted permutes other tasks' labels: it needs two --tasks or more")
    if config.weightings and "multitask" not in chosen:
        raise UserError("--weightings are those of multitask nets: name multitask in --variants as well")
    if not is_seed(config.seed + config.seeds - 1):
        raise UserError(f"--seed and --seeds count up to {config.seed + config.seeds - 1}; at most {SEEDS - 1}")
    net = net_name(config)
    titles = {task: task.replace("_", " ").title().replace(" ", "") for task in config.tasks}
    if len({title.lower() for title in titles.values()}) < len(titles):  # Of "eyes_open" and "EyesOpen".
        titles = {task: task for task in config.tasks}
    entries = expand(config.weightings, len(config.tasks))
    found = [Row("multitask", None, f"Multitask-{net} {title_of(entry)}", entry) for entry in entries]
    if "multitask" in chosen and not entries:
        found = [Row("multitask", None, f"Multitask-{net}")]
    for variant in ORDER[1:]:
        if variant in chosen:
            start = f"Multitask-{net}" if variant == "permuted" else net
            found += [Row(variant, task, f"{start}-{title}{ENDINGS[variant]}") for task, title in titles.items()]
    return found


def plan(config: CompareConfig, lengths: Lengths) -> list[Cell]:
    """Every cell of a comparison, in an order in which each comes after what it needs.

    All rows of a seed come before the next seed, so that a comparison that is stopped early has whole seeds.
    """
    settings = {field.name: getattr(config, field.name) for field in dataclasses.fields(Config)}
    common = Config(**{**settings, "workdir": str(pathlib.Path(config.workdir) / config.name / CELLS)})
    clean = read_clean(config.clean)
    if clean and clean.side == "test":
        # It leaves what is trained on alone. The twins that it takes out of validation, too few to choose other
        # epochs by, would have every net trained anew: the nets are those of the splits as given, and a note says so.
        common = dataclasses.replace(common, clean="")
    return [
        Cell(row, seed, _training(config, common, row, seed, lengths))
        for seed in range(config.seed, config.seed + config.seeds)
        for row in rows(config)
    ]


def _training(config: CompareConfig, common: Config, row: Row, seed: int, lengths: Lengths) -> Config:
    entries = expand(config.weightings, len(config.tasks))
    if row.task is None:
        return _multitask(common, row.weighting, seed)
    origin = _multitask(common, entries[0] if entries else "", seed)
    by_weighting = "" if origin.name == f"multitask-seed{seed}" else f"-{key_of(entries[0])}"
    if row.variant == "permuted":
        others = tuple(task for task in config.tasks if task != row.task)
        name = f"{row.key}{by_weighting}-seed{seed}"
        return dataclasses.replace(origin, permute_labels=others, name=short_name(name))
    steps = lengths.single(row.task, config.budget)
    own = dataclasses.replace(common, seed=seed).for_tasks([row.task])
    # The budget is in the name, so that one folder can hold the comparison under both.
    name = f"{row.key}-{config.budget}-seed{seed}"
    if row.variant == "updates":
        steps = lengths.multitask
        own = dataclasses.replace(own, batch_size=lengths.images(row.task, common.batch_size))
    elif row.variant != "single":
        if row.variant == "retrained":
            single = next(other for other in rows(config) if (other.variant, other.task) == ("single", row.task))
            origin, by_weighting = _training(config, common, single, seed, lengths), ""
        steps = max(1, round(steps * config.retrain_share))
        own = dataclasses.replace(
            origin.for_tasks([row.task]),
            prune_from=str(origin.run_path),
            init_from="",
            freeze="trunk" if row.variant == "frozen" else "none",
            learning_rate=config.retrain_learning_rate,
        )
        name = f"{row.key}{by_weighting}-{config.budget}-seed{seed}"
    return dataclasses.replace(own, name=short_name(name), steps=steps, steps_per_epoch=-(-steps // lengths.epochs))


def _multitask(common: Config, entry: str, seed: int) -> Config:
    """The training of a multitask net; one that is balanced as --weighting says has the same folder without entry."""
    balanced = with_weighting(common, entry) if entry else common
    name = "multitask" if balanced == common else f"multitask-{key_of(entry)}"
    return dataclasses.replace(balanced, seed=seed, name=short_name(f"{name}-seed{seed}"))
