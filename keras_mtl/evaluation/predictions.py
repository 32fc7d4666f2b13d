"""A model's predictions for whole splits, as a table with readable columns."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from keras_mtl.files import printable, replacing
from keras_mtl.names import check_names
from keras_mtl.tasks import Task
from keras_mtl.values import check_finite

if TYPE_CHECKING:
    from keras_mtl.data.splits import SplitData

CLUSTER = "cluster"
GROUP = "group:"
"""What the columns of groups begin with; no task's name holds a colon."""


class Predictor(Protocol):
    """What is evaluated: a `MultiTaskModel`, or what stands for one."""

    @property
    def tasks(self) -> dict[str, Task]: ...

    def predict(self, batches, verbose: int = 0) -> dict[str, np.ndarray]:
        """Outputs by task for batches of images."""

    def decode(self, outputs) -> Mapping[str, Any]:
        """Values and probabilities of the outputs, as `MultiTaskModel.decode` gives them."""


def predict_split(model: Predictor, data: Sequence[SplitData], *, batch_size: int = 64) -> pd.DataFrame:
    """Predicts every image of a split, labelled or not.

    Args:
        model: a `MultiTaskModel`, or another `Predictor`.
        data: the split, one entry for each source.
        batch_size: images at once.

    Returns:
        One row for each record, in the order of `data`: `source`, `image` (its name, as `printable` gives it),
        `cluster` (the same number for images of one person or one photo) where `data` tells it, and for each task
        `<task>` (the label: a value or a class name, missing where there is none), `<task>_predicted`, and for classes
        one column `<task>_<class>` with its probability, 0 to 1; then `group:<kind>` for each kind of group that a
        source tells, missing where it is unknown.

    Raises:
        UserError: two columns would bear one name.
    """
    tasks = model.tasks
    check_names(tasks)
    return pd.concat([_predict_source(model, tasks, part, batch_size) for part in data], ignore_index=True)


def labels_and_predictions(frame: pd.DataFrame, task: Task) -> tuple[np.ndarray, np.ndarray]:
    """A task's labels and predictions out of the table, labelled images only, as metrics want them.

    Returns:
        For regression float64 [N] and float64 [N], in the task's unit; else class indices int64 [N] and
        probabilities float64 [N, K].

    Raises:
        UserError: a prediction is not finite, as in a table of before that was refused.
    """
    labelled = frame[frame[task.name].notna()]
    columns = [f"{task.name}_{name}" for name in task.classes] if task.classes else f"{task.name}_predicted"
    predicted = labelled[columns].to_numpy(np.float64)
    check_finite({task.name: predicted}, "A table of predictions")
    if not task.classes:
        return labelled[task.name].to_numpy(np.float64), predicted
    index = {name: position for position, name in enumerate(task.classes)}
    return np.array([index[str(name)] for name in labelled[task.name]], np.int64), predicted


def clusters_of(frame: pd.DataFrame) -> np.ndarray:
    """Which images of the table, or of some of its rows, are drawn together: those of one person or of one photo.

    Args:
        frame: as from `predict_split` or `read_predictions`. The numbers in its column `cluster` mean something in
            this table alone: a net that is scored on fewer sources has others.

    Returns:
        int64 [N]: from 0, in the order in which they first appear in these rows. Each image is by itself in a table
        of before there were clusters.
    """
    if CLUSTER not in frame:
        return np.arange(len(frame), dtype=np.int64)
    return pd.factorize(frame[CLUSTER])[0].astype(np.int64)


def write_predictions(frame: pd.DataFrame, path: str | pathlib.Path) -> None:
    """Writes the table as CSV, whole or not at all; numbers with 7 digits, which is what float32 holds."""
    with replacing(path) as beside:
        frame.to_csv(beside, index=False, float_format="%.7g")


def read_predictions(path: str | pathlib.Path, tasks: Mapping[str, Task]) -> pd.DataFrame:
    """Reads what `write_predictions` wrote; names of classes and groups stay text, whatever they look like."""
    groups = [column for column in pd.read_csv(path, nrows=0).columns if column.startswith(GROUP)]
    named = [name for name, task in tasks.items() if task.classes]
    text = ["source", "image", *named, *(f"{name}_predicted" for name in named), *groups]
    return pd.read_csv(path, dtype=dict.fromkeys(text, str), keep_default_na=False, na_values=[""])


def _predict_source(model, tasks: Mapping[str, Task], part: SplitData, batch_size: int) -> pd.DataFrame:
    from keras_mtl.data.batches import evaluation_batches

    raw = model.predict(evaluation_batches(part, list(tasks), batch_size), verbose=0)
    decoded = {name: np.asarray(values) for name, values in model.decode(raw).items()}
    check_finite(decoded, "The model")
    columns: dict[str, object] = {
        "source": [part.source] * len(part.keys),
        "image": [printable(key) for key in part.keys],
    }
    if part.clusters is not None:
        columns[CLUSTER] = part.clusters
    unlabelled = np.full(len(part.keys), np.nan)
    for name, task in tasks.items():
        labels, predicted = part.labels.get(name, unlabelled), decoded[name]
        if task.classes:
            columns[name] = [None if np.isnan(label) else task.classes[int(label)] for label in labels]
            columns[f"{name}_predicted"] = [task.classes[best] for best in predicted.argmax(-1)]
            columns.update({f"{name}_{label}": predicted[:, index] for index, label in enumerate(task.classes)})
        else:
            columns[name] = np.asarray(labels, np.float64)
            columns[f"{name}_predicted"] = predicted.reshape(-1)
    columns |= {f"{GROUP}{kind}": names for kind, names in part.groups.items()}
    return pd.DataFrame(columns)
