"""The settings of a pruning."""

from __future__ import annotations

import dataclasses

from keras_mtl.cli import Settings, flag
from keras_mtl.values import SEEDS

WHAT, TRAINING, DATA, RUN = "What to cut", "Retraining", "Data, where not as in --run", "Run folder"


@dataclasses.dataclass(frozen=True)
class PruneConfig(Settings):
    """The flags of `keras_mtl.prune`."""

    run: str = flag("", "The trained net: a run folder, for instance runs/mtl, or a .keras file.", WHAT, path=True)
    keep: tuple[str, ...] = flag((), "The tasks to keep, with commas between.", WHAT)
    branch_at: tuple[str, ...] = flag(
        (),
        "Cuts the trunk earlier: TASK:STAGE ends it at that stage and puts a fresh branch there, age:stage3 say.",
        WHAT,
    )

    init: str = flag(
        "multitask",
        "Weights that the retraining starts from: the multitask net's, or from scratch (a single-task net).",
        TRAINING,
        choices=("multitask", "scratch"),
    )
    freeze: str = flag(
        "none",
        "Part of the trunk that stays as it is: none, trunk, or the last stage of it (stem, stage1, ...).",
        TRAINING,
    )
    epochs: int = flag(5, "Passes over the data; 0 only removes.", TRAINING, low=0)
    learning_rate: float = flag(3e-4, "Highest learning rate.", TRAINING, low=0.0)
    batch_size: int | None = flag(None, "Images in a step; default: as --run was trained.", TRAINING, low=1)
    augment: str = flag(
        "",
        "Random changes to training images; default: as --run was trained.",
        TRAINING,
        choices=("", "none", "light", "strong"),
    )
    seed: int | None = flag(
        None, "Decides all that is random; default: that of --run.", TRAINING, low=0, high=SEEDS - 1
    )

    sources: tuple[str, ...] = flag((), "Images and labels, in the form of keras_mtl.train's --sources.", DATA)
    data_dir: str = flag("", "Folder that relative paths start from.", DATA, path=True)
    task_file: str = flag("", "YAML or JSON file that declares the tasks that are not built in.", DATA, path=True)
    split: str = flag(
        "test",
        "What to evaluate on before and after; validation where there is no test split.",
        DATA,
        choices=("test", "validation"),
    )

    workdir: str = flag("", "Folder of the run folders; default: that of --run.", RUN, path=True)
    name: str = flag(
        "",
        "Name of the run folder; default: that of --run, the tasks kept and how, faces-age-trunk-frozen say.",
        RUN,
    )
