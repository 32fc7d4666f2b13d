"""A model's predictions for whole splits, as a table with readable columns."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from keras_mtl import formulas
from keras_mtl.errors import UserError
from keras_mtl.files import printable, read_csv, replacing
from keras_mtl.kinds import kind_of
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
    labels, predicted = kind_of(task).from_columns(labelled)
    check_finite({task.name: predicted}, "A table of predictions")
    return labels, predicted


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
        texts = {str(name): column.map(_cell) for name, column in frame.items() if not is_numeric_dtype(column)}
        frame.assign(**texts).to_csv(beside, index=False, float_format="%.7g")


def read_predictions(path: str | pathlib.Path, tasks: Mapping[str, Task]) -> pd.DataFrame:
    """Reads what `write_predictions` wrote; names of classes and groups stay text, whatever they look like.

    Raises:
        UserError: it is damaged: no CSV, without one of the columns, or with something else in one.
    """
    kinds = [kind_of(task) for task in tasks.values()]
    text = ["source", "image", *(column for kind in kinds for column in kind.texts)]
    numbers = [column for kind in kinds for column in kind.numbers]
    rows = read_csv(path, [*text, *numbers])
    columns = list(rows[0]) if rows else [*text, *numbers]
    frame = pd.DataFrame(rows, columns=columns, dtype=object).replace({"": np.nan})
    for column in columns:
        if column in numbers or column == CLUSTER:
            try:
                frame[column] = pd.to_numeric(frame[column]).astype(np.int64 if column == CLUSTER else np.float64)
            except (ValueError, TypeError) as error:
                raise UserError(f"{path} is damaged: {column} must hold numbers: {error}") from None
    for kind in kinds:
        try:
            kind.check_columns(frame)
        except UserError as error:
            raise UserError(f"{path} is damaged: {error}") from None
    return frame


def _cell(value: Any) -> Any:
    return formulas.quoted(value) if isinstance(value, str) else value


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
        columns.update(kind_of(task).columns(part.labels.get(name, unlabelled), decoded[name]))
    for kind, names in part.groups.items():
        columns[f"{GROUP}{kind}"] = [None if name is None else printable(name) for name in names]
    return pd.DataFrame(columns)
