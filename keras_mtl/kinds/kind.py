"""What every kind of task offers: all that is known of its labels and of what is predicted of them.

Kinds import NumPy in functions only: flags name tasks, and `--help` needs none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from keras_mtl.tasks import Task


class Kind:
    """What a task's labels are, and how they and what is predicted of them are read, judged and shown.

    A kind is a subclass in a file of its own, listed in `KINDS`; nothing else knows a kind by its name. Predictions are
    what a head's `decode` gives: one row an image.

    Args:
        task: the task, whose fields `check` looks at.

    Attributes:
        name: what `Task.kind` calls it.
        head: the head that predicts it where the task names none.
        measures: what training tells of it, as `measure` computes it; the first is the main one, by which nets are
            judged, and a metric of `evaluation.metrics` has the same name.
        shown: the part of the comparison's report that shows it, "classes" or "values".
        page: what the server's page must know of how it is shown: "ordered" classes, "likeliest_first".
    """

    name: ClassVar[str]
    head: ClassVar[str]
    measures: ClassVar[tuple[str, ...]]
    shown: ClassVar[str]
    page: ClassVar[Mapping[str, bool]] = {}

    def __init__(self, task: Task):
        self.task = task

    # The declaration.

    def check(self) -> None:
        """Raises UserError where the task's fields don't make a task of this kind."""
        raise NotImplementedError

    @property
    def bounds(self) -> tuple[float, float]:
        """The smallest and the largest label."""
        raise NotImplementedError

    @property
    def wanted(self) -> str:
        """Which labels there are, in words, for who wrote others."""
        raise NotImplementedError

    @property
    def described(self) -> str:
        """Which labels there are, in a table."""
        raise NotImplementedError

    # Labels.

    def parse(self, value: object, found: Any) -> float:
        """A label as a number.

        Args:
            value: as it stands in a file, for the error.
            found: the same as `values.plain` gives it; not missing.

        Raises:
            UserError: it is no label of the task.
        """
        raise NotImplementedError

    def text(self, label: float) -> str:
        """A label as `parse` reads it."""
        raise NotImplementedError

    def counts(self, labels: np.ndarray) -> dict[str, int]:
        """How often each label occurs among known ones [N], by its text, in the labels' order."""
        raise NotImplementedError

    # Training.

    def measure(self, name: str, labels, decoded):
        """One of `measures` of each image: from labels `[batch]` and predictions, Keras' tensors, to `[batch]`."""
        raise NotImplementedError

    def error(self, value: float) -> float:
        """A value of the main measure as an error: 0 is best."""
        raise NotImplementedError

    def guess_error(self, labels: np.ndarray) -> float:
        """The `error` of the best constant guess, on known labels [N]."""
        raise NotImplementedError

    def digits(self, measure: str) -> int:
        """How many decimals one of `measures` is told with."""
        return 3

    def readable(self, value: Any) -> str:
        """A label, or an image's prediction, in a word or a number, for pictures."""
        raise NotImplementedError

    # Tables of predictions.

    @property
    def endings(self) -> tuple[str, ...]:
        """`<task>_<ending>` are the columns that tables have of it besides `<task>`."""
        raise NotImplementedError

    @property
    def texts(self) -> list[str]:
        """The columns of a table of predictions that hold texts."""
        raise NotImplementedError

    @property
    def numbers(self) -> list[str]:
        """The columns of a table of predictions that hold numbers."""
        raise NotImplementedError

    def columns(self, labels: np.ndarray, predicted: np.ndarray) -> dict[str, Any]:
        """A table's columns: the label, missing where it is NaN, and what was predicted."""
        raise NotImplementedError

    def check_columns(self, frame: pd.DataFrame) -> None:
        """Raises UserError where a table's texts are none of the task's."""

    def from_columns(self, labelled: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Labels and predictions out of a table's labelled rows, as metrics want them."""
        raise NotImplementedError

    def misses(self, labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """How far off each image is, float64 [N]."""
        raise NotImplementedError

    def cell(self, row: Mapping[str, Any], *, label: bool = False) -> tuple[str, float | None]:
        """Of a table's row the label or the prediction in a word or a number, and its probability, if it has one."""
        raise NotImplementedError

    # After the training.

    def calibrated(self, labels: np.ndarray, predictions: np.ndarray, level: float) -> dict[str, Any]:
        """What an export works into its outputs, fitted on these; empty where they are too few or too plain."""
        raise NotImplementedError

    def by_estimate(self, labels: np.ndarray, predictions: np.ndarray, fitted: Mapping[str, Any]) -> list[dict]:
        """What came of the images of which the net said the like, as `score_by_estimate` tells it."""
        raise NotImplementedError

    # What is read out of an export.

    def outputs(self, decoded, extra: Mapping[str, Any], fitted: Mapping[str, Any]) -> dict[str, Any]:
        """An export's numeric outputs, in TensorFlow.

        Args:
            decoded: what the head decodes, float32.
            extra: what the head gives beside it, by ending: see `Head.extra`.
            fitted: what `calibrated` gave, or nothing.
        """
        raise NotImplementedError

    def class_names(self, outputs: np.ndarray) -> np.ndarray | None:
        """The likeliest class's name for each row of an export's output, [n] of str; None without classes."""
        return None

    def words(self, output) -> dict[str, Any]:
        """An export's outputs that are words, in TensorFlow: `<task>_class`, string `[batch]`, or none."""
        return {}

    @property
    def range(self) -> float:
        """How far apart two outputs can be."""
        raise NotImplementedError

    def scores(self, outputs: np.ndarray) -> np.ndarray:
        """What a person reads of each of some images, as a number: float64 [n]; of classes that of the first's."""
        raise NotImplementedError

    def types(self, endings: Mapping[str, int]) -> dict[str, tuple[str, tuple[int, ...]]]:
        """By output its type, "FP32" or "BYTES", and an image's shape; `endings` are the sizes of the extra ones."""
        raise NotImplementedError

    def entry(self, outputs: Mapping[str, np.ndarray], index: int) -> dict[str, Any]:
        """An image's outputs as plain data."""
        raise NotImplementedError

    def flat(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """An entry's values by column of a CSV."""
        raise NotImplementedError

    def brief(self, entry: Mapping[str, Any]) -> str:
        """An entry in few words."""
        raise NotImplementedError

    def named(self, *endings: str) -> list[str]:
        """Names that begin with the task's."""
        return [f"{self.task.name}_{ending}" for ending in endings]
