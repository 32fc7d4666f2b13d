"""Everything that decides a training, as one dataclass: the flags of `keras_mtl.train`."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence

from keras_mtl import tasks as tasks_module
from keras_mtl.cli import Settings, flag
from keras_mtl.errors import UserError
from keras_mtl.files import inside, short_name
from keras_mtl.names import owner_of
from keras_mtl.tasks import Task
from keras_mtl.values import SEEDS, check_number, read_number

DATA, MODEL, TRAINING, BALANCING, RUN = "Data", "Model", "Training", "Balancing", "Run folder and reports"


@dataclasses.dataclass(frozen=True)
class Config(Settings):
    """Settings of a training; `keras_mtl.train --help` explains each one.

    Example:
        >>> Config(tasks=("smile",), epochs=3).run_path
        PosixPath('runs/smile')
    """

    tasks: tuple[str, ...] = flag(
        ("age", "gender", "smile"),
        "What to predict, with commas between. One name makes a single-task net.",
        DATA,
    )
    task_file: str = flag(
        "", "YAML or JSON file that declares more tasks (name, kind, classes or range).", DATA, path=True
    )
    sources: tuple[str, ...] = flag(
        ("drawn",),
        "Where images and labels come from: TASK=KIND:PATH with commas between, TASK+TASK=… where one source "
        "labels several. Kinds: csv, parquet, jsonl, classes, shards, utkface, smiles, genki4k, drawn; TASK=NAME for a "
        "published set such as fairface, whose files lie in --data_dir. 'drawn' alone is the built-in set of drawn "
        "faces (no real people), one source for each of age, gender and smile.",
        DATA,
    )
    data_dir: str = flag(
        "",
        "Folder that relative paths start from, and images in a CSV inside it; default: $KERAS_MTL_DATA, else here.",
        DATA,
        path=True,
    )
    clean: str = flag(
        "",
        "Folder of a clean split, from keras_mtl.audit --write_clean: its ledger's images are left out. Empty: the "
        "splits as given.",
        DATA,
        path=True,
    )
    image_size: int = flag(64, "Height and width in pixels that images are resized to.", DATA, low=32)
    validation_fraction: float = flag(
        0.1,
        "Share of the training images kept for validation where a source has no such split.",
        DATA,
        low=0.01,
        high=0.5,
    )
    mix: tuple[str, ...] = flag(
        ("size",),
        "How a batch is mixed: 'size' (by number of images), 'equal', or SOURCE=SHARE pairs with commas between.",
        DATA,
    )
    augment: str = flag("light", "Random changes to training images.", DATA, choices=("none", "light", "strong"))
    permute_labels: tuple[str, ...] = flag(
        (),
        "A control: tasks whose training labels are permuted among the labelled images of each source, so that they "
        "tell nothing. val_skill is then the mean over the other tasks.",
        DATA,
    )
    cache: str = flag(
        "auto",
        "Where decoded images are kept while training: auto chooses memory up to 2 GiB, else file; none: in memory, "
        "and nothing is written to --cache_dir.",
        DATA,
        choices=("auto", "memory", "file", "none"),
    )
    cache_dir: str = flag(
        "", "Folder of decoded images; default: $KERAS_MTL_CACHE, else ~/.cache/keras_mtl.", DATA, path=True
    )
    max_bad_share: float = flag(
        0.05, "Stop if more than this share of a source's records can't be used.", DATA, low=0.0, high=1.0
    )

    width: int = flag(
        64, "Channels of the trunk's first stage; 64 is ResNet-18, 32 is about four times cheaper.", MODEL, low=1
    )
    stages: tuple[int, ...] = flag((2, 2, 2, 2), "Residual blocks in each stage; 2,2,2,2 is ResNet-18.", MODEL)
    stem: str = flag(
        "imagenet",
        "First layers: imagenet (7x7, stride 2, max-pool) or small (3x3), for small images.",
        MODEL,
        choices=("imagenet", "small"),
    )
    heads: tuple[str, ...] = flag(
        (),
        "How tasks are predicted, where not by default: TASK=HEAD or TASK=HEAD:option=value, for instance "
        "age=dldl:sigma=3. Heads: dldl, dex, l1 (regression); logistic, softmax (classes); corn (ordered classes).",
        MODEL,
    )
    hidden: int = flag(0, "Units of a hidden layer in each branch; 0 for none.", MODEL, low=0)
    dropout: float = flag(
        0.0, "Share of features dropped in front of each branch's last layer.", MODEL, low=0.0, high=0.95
    )
    branch_at: tuple[str, ...] = flag(
        (),
        "Where branches leave the trunk, TASK:STAGE with commas between, for instance age:stage4,smile:stage3; "
        "default: behind its last stage (pool).",
        MODEL,
    )
    init_from: str = flag(
        "",
        "Initial weights: a run folder, a .keras file, or a ResNet-18 of torchvision (.pth) or timm (.safetensors).",
        MODEL,
        path=True,
    )

    prune_from: str = flag(
        "",
        "Trains what is left of the model of a run folder or a .keras file when the branches of all other tasks are "
        "removed, in place of a new net: keras_mtl.prune sets it. A task that --branch_at moves gets a fresh branch.",
        MODEL,
        path=True,
    )

    epochs: int = flag(5, "Passes over the data (a smaller source repeats); 0 only makes the model.", TRAINING, low=0)
    steps: int | None = flag(None, "Stop after this many steps instead of after --epochs.", TRAINING, low=1)
    steps_per_epoch: int | None = flag(
        None,
        "Steps in an epoch, after which the net is validated and kept if it is the best; default: until every image "
        "was seen.",
        TRAINING,
        low=1,
    )
    batch_size: int = flag(64, "Images in a step, all sources together.", TRAINING, low=1)
    optimizer: str = flag("adamw", "Optimizer.", TRAINING, choices=("adamw", "adam", "sgd"))
    learning_rate: float = flag(1e-3, "Highest learning rate.", TRAINING, low=0.0)
    schedule: str = flag(
        "cosine",
        "How the learning rate falls from its highest value.",
        TRAINING,
        choices=("cosine", "constant", "linear"),
    )
    warmup: float = flag(
        0.05, "Share of the steps in which the learning rate rises from 0.", TRAINING, low=0.0, high=0.9
    )
    weight_decay: float = flag(
        0.05, "Weight decay, decoupled; not on biases and BatchNormalization.", TRAINING, low=0.0
    )
    freeze: str = flag(
        "none",
        "Part of the trunk that is not trained: none, trunk, or the last stage of it (stem, stage1, ...).",
        TRAINING,
    )
    loss_weights: tuple[str, ...] = flag(
        (), "Weights of the tasks' losses, TASK=WEIGHT; where not given 1, or 0.1 for the head dldl.", TRAINING
    )
    weighting: str = flag(
        "ew",
        "How the tasks are balanced: NAME or NAME:setting=value, for instance cagrad:c=0.4. By the losses: "
        "ew (as --loss_weights says), uw, dwa, rlw, gls, imtl_l, famo, stch. By the gradients of the shared weights: "
        "gradnorm, mgda, pcgrad, gradvac, cagrad, imtl_g, nash_mtl, aligned_mtl, upgrad, dualproj, fairgrad, config, "
        "modo, sdmgrad, db_mtl, moco, graddrop, excess_mtl.",
        BALANCING,
    )
    gradients: str = flag(
        "auto",
        "Which gradients those see: trunk (of the shared weights), features (of what the heads read: cheap where every "
        "image has all labels); auto: features where images have several labels, else trunk.",
        BALANCING,
        choices=("auto", "trunk", "features"),
    )
    batch_statistics: str = flag(
        "auto",
        "What BatchNormalization normalises by in training: joint (the whole batch) or source (each source's images by "
        "themselves, which lets gradients of tasks be told apart at the price of one); auto: source for a weighting "
        "that sees the gradients of the trunk, else joint. The moving statistics are those of the whole batch.",
        BALANCING,
        choices=("auto", "joint", "source"),
    )
    log_conflict_every: int = flag(
        0,
        "Steps between two looks at how the tasks' gradients of the shared weights agree (cosines without the batch's "
        "noise, magnitudes, share of conflicts, by stage of the trunk): TensorBoard, conflict.csv, the report; 0: "
        "never. Changes no number. A look costs about a step, two or three where images have three labels: at 50 some "
        "2 to 5 % of the training's time. What is told takes many looks, or large batches: how many is told with it.",
        BALANCING,
        low=0,
    )
    precision: str = flag(
        "auto",
        "Arithmetic; auto takes bfloat16 where the processor has it and trains this net faster by it, which a trial of "
        "some seconds tells once (kept in --cache_dir). A run keeps what it began with.",
        TRAINING,
        choices=("auto", "float32", "bfloat16"),
    )
    seed: int = flag(
        0, "Decides all that is random: the same seed gives the same numbers.", TRAINING, low=0, high=SEEDS - 1
    )
    best_by: str = flag(
        "val_skill",
        "Which validation figure chooses the model that is kept: val_skill (mean over tasks; 0 is the best constant "
        "guess, 1 is perfect), val_loss, or a task's own such as val_age_mae.",
        TRAINING,
    )
    early_stopping: bool = flag(False, "Stop when --best_by has not improved for --patience epochs.", TRAINING)
    patience: int = flag(5, "Epochs that --early_stopping waits.", TRAINING, low=1)

    workdir: str = flag("runs", "Folder of the run folders.", RUN, path=True)
    name: str = flag("", "Name of the run folder; default: the tasks' names.", RUN)
    resume: bool = flag(True, "Go on from the last checkpoint where the run folder has one.", RUN)
    checkpoint_steps: int = flag(
        0, "Steps between checkpoints, besides one at the end of each epoch; 0: none.", RUN, low=0
    )
    histograms: bool = flag(False, "Write histograms of the weights for TensorBoard at the end of each epoch.", RUN)

    @property
    def run_path(self) -> pathlib.Path:
        """The run folder. Raises UserError where the name leads out of `workdir`."""
        return inside(self.workdir, self.name or short_name("-".join(self.tasks)), "--name")

    def selected_tasks(self) -> dict[str, Task]:
        """The tasks by name, with the heads that the settings choose.

        Raises:
            UserError: an unknown task or head, a bad option, or a head given to a task that is not trained.
        """
        declared = tasks_module.read_task_file(self.task_file) if self.task_file else {}
        tasks = tasks_module.select_tasks(self.tasks, declared)
        chosen: set[str] = set()
        for entry in self.heads:
            name, _, spec = entry.partition("=")
            head, *options = spec.split(":")
            if name not in tasks or not head or name in chosen:
                raise UserError(
                    f"--heads takes TASK=HEAD once for each of {', '.join(tasks)} at most. Received: {entry!r}"
                )
            chosen.add(name)
            tasks[name] = dataclasses.replace(tasks[name], head=head, options=number_pairs("--heads", options))
        return tasks

    def for_tasks(self, names: Sequence[str]) -> Config:
        """The settings of a net for some of the tasks: what names other tasks, or a mix with them, is left out."""

        def only(entries, separator: str):
            return tuple(entry for entry in entries if entry.partition(separator)[0] in names)

        best_by = self.best_by
        owner = owner_of(best_by.removeprefix("val_"), self.tasks)
        if owner is not None and owner not in names:
            best_by = "val_skill"
        elif len(names) == 1 and best_by == f"val_{owner}_loss":
            best_by = "val_loss"  # Of a single output Keras gives only that one.
        return dataclasses.replace(
            self,
            tasks=tuple(names),
            heads=only(self.heads, "="),
            loss_weights=only(self.loss_weights, "="),
            branch_at=only(self.branch_at, ":"),
            permute_labels=tuple(task for task in self.permute_labels if task in names),
            mix=self.mix if isinstance(self.mix_of(), str) else ("size",),
            best_by=best_by,
            weighting=self.weighting if len(names) > 1 else "ew",
            gradients=self.gradients if len(names) > 1 else "auto",
            log_conflict_every=self.log_conflict_every if len(names) > 1 else 0,
        )

    def loss_weight_of(self) -> dict[str, float]:
        """The losses' weights by task. Raises UserError for an entry that names no trained task, or one below 0."""
        weights = dict(number_pairs("--loss_weights", self.loss_weights))
        unknown = sorted(set(weights) - set(self.tasks))
        if unknown:
            raise UserError(f"--loss_weights names {unknown[0]!r}; the tasks are {', '.join(self.tasks)}")
        for name, weight in weights.items():
            check_number(f"--loss_weights {name}", weight, low=0.0)
        return weights

    def normalises_by_source(self, sources: int) -> bool:
        """Whether BatchNormalization sees each source's images by themselves in training.

        Args:
            sources: how many there are.
        """
        from keras_mtl.weighting_names import parse_weighting

        if self.batch_statistics != "auto":
            return self.batch_statistics == "source"
        weighting = parse_weighting(self.weighting)
        # Only then does it make the gradients cheap to tell apart, or possible to sample twice.
        sees_trunk = weighting.sees != "losses" and self.gradients != "features"
        return sees_trunk and (sources > 1 or weighting.halves)

    def told_tasks(self) -> list[str]:
        """The tasks whose labels are not permuted. Raises UserError for an unknown task, or where none is left."""
        unknown = sorted(set(self.permute_labels) - set(self.tasks))
        left = [task for task in self.tasks if task not in self.permute_labels]
        if unknown or not left:
            what = f"names {unknown[0]!r}; the tasks are" if unknown else "must leave one of the tasks as it is:"
            raise UserError(f"--permute_labels {what} {', '.join(self.tasks)}")
        return left

    def branches(self) -> dict[str, str]:
        """By task, the stage that its branch leaves from, where `branch_at` names one."""
        places = {}
        for entry in self.branch_at:
            task, colon, stage = entry.partition(":")
            if not colon or task not in self.tasks or task in places:
                raise UserError(
                    f"--branch_at takes TASK:STAGE once for each of {', '.join(self.tasks)}. Received: {entry!r}"
                )
            places[task] = stage
        return places

    def mix_of(self) -> str | dict[str, float]:
        """The mix as `TrainingBatches` takes it."""
        if len(self.mix) == 1 and "=" not in self.mix[0]:
            return self.mix[0]
        return dict(number_pairs("--mix", self.mix))


def number_pairs(flag_name: str, entries) -> tuple[tuple[str, float], ...]:
    """NAME=NUMBER entries of a flag as pairs. Raises UserError for another form or a name given twice."""
    pairs = []
    for entry in entries:
        name, _, value = entry.partition("=")
        try:
            pairs.append((name, read_number(value)))
        except ValueError:
            raise UserError(f"{flag_name} takes NAME=NUMBER. Received: {entry!r}") from None
        check_number(f"{flag_name} {name}", pairs[-1][1])
        if [known for known, _ in pairs].count(name) > 1:
            raise UserError(f"{flag_name} names {name!r} twice: {', '.join(entries)}")
    return tuple(pairs)
