"""The table of a comparison: every net's figures with intervals, and its difference to the single net of a task."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import pandas as pd

from keras_mtl.comparison.cells import Row
from keras_mtl.comparison.methods import Methods, build_methods
from keras_mtl.comparison.notes import notes_of
from keras_mtl.comparison.results import Results
from keras_mtl.comparison.verdicts import Difference, judged
from keras_mtl.errors import UserError
from keras_mtl.evaluation.metrics import main_metric, metrics_for
from keras_mtl.evaluation.predictions import labels_and_predictions
from keras_mtl.evaluation.statistics import Estimate, Resampled, resample
from keras_mtl.tasks import Task


@dataclasses.dataclass(frozen=True)
class Entry:
    """A net's figures for a task.

    Attributes:
        row: which net.
        task: the task's name.
        images: labelled images of the split.
        estimates: by metric, the mean over seeds with its interval over seeds and images.
        by_seed: by metric, one value a seed, in the order of `Results.seeds`.
    """

    row: Row
    task: str
    images: int
    estimates: dict[str, Estimate]
    by_seed: dict[str, list[float]]


@dataclasses.dataclass(frozen=True)
class Table:
    """The figures of a comparison.

    Attributes:
        entries: of every row and task, in the rows' order; none for a task that no image of the split is labelled for.
        differences: of every row and task but the single nets; none where there are no single nets.
        notes: sentences that a reader of the figures must know.
        methods: the weightings over all tasks; None where the comparison has none.
    """

    entries: list[Entry]
    differences: list[Difference]
    notes: list[str]
    methods: Methods | None = None

    def entry(self, row: Row, task: str) -> Entry | None:
        """A net's figures for a task, where it has any."""
        return next((entry for entry in self.entries if (entry.row, entry.task) == (row, task)), None)

    def difference(self, row: Row, task: str) -> Difference | None:
        """A net's difference to the single net, where there is one."""
        return next((found for found in self.differences if (found.row, found.task) == (row, task)), None)


def build_table(results: Results) -> Table:
    """Scores every net of a finished comparison on the same resamples of seeds and images.

    Raises:
        UserError: two nets were scored on different images or labels of a task.
    """
    images, figures = {}, {}
    for task in results.tasks.values():
        images[task.name], figures[task.name] = _figures(results, task)
    entries = [
        Entry(
            row,
            task,
            images[task],
            {name: figure.estimate(results.config.confidence) for name, figure in figures[task][row].items()},
            {name: figure.by_seed.tolist() for name, figure in figures[task][row].items()},
        )
        for row in results.rows
        for task in results.tasks_of(row)
        if images[task]
    ]
    differences = _differences(results, figures)
    methods = build_methods(results, figures)
    return Table(entries, differences, notes_of(results, images, len(differences)), methods)


def _figures(results: Results, task: Task) -> tuple[int, dict[Row, dict[str, Resampled]]]:
    """The number of a task's labelled images, and the metrics of each row that has the task."""
    common: pd.Series | None = None
    figures = {}
    for row in results.rows:
        if task.name not in results.tasks_of(row):
            continue
        predictions = []
        for seed in results.seeds:
            frame = _labelled(results.predictions(row, seed), task)
            common = frame[task.name] if common is None else common
            _check_same(common, frame[task.name], task, f"{row.title} with seed {seed}")
            labels, predicted = labels_and_predictions(frame, task)
            predictions.append(predicted)
        if len(labels):
            settings = {"resamples": results.config.resamples, "seed": results.config.seed}
            figures[row] = resample(metrics_for(task), labels, predictions, **settings)
    return 0 if common is None else len(common), figures


def _labelled(frame: pd.DataFrame, task: Task) -> pd.DataFrame:
    """The labelled images by source, name and, where a source lists one twice, number: the same order for all nets."""
    frame = frame[frame[task.name].notna()]
    number = frame.groupby(["source", "image"]).cumcount()
    return frame.assign(number=number).set_index(["source", "image", "number"]).sort_index()


def _check_same(ours: pd.Series, theirs: pd.Series, task: Task, net: str) -> None:
    """Raises UserError where two nets were not scored on the same images with the same labels."""
    if ours.index.equals(theirs.index) and (ours.to_numpy() == theirs.to_numpy()).all():
        return
    different = ours.index.symmetric_difference(theirs.index)
    if len(different):
        what = f"{len(ours)} and {len(theirs)} labelled images, {different[0][1]} in one of them only"
    else:
        what = f"other labels, for instance of {ours.index[int(np.argmax(ours.to_numpy() != theirs.to_numpy()))][1]}"
    raise UserError(
        f"The nets were not scored on the same images of {task.name} ({what}, in {net}): "
        "remove the predictions/ of all cells and compare again"
    )


def _differences(results: Results, figures: Mapping[str, Mapping[Row, Mapping[str, Resampled]]]) -> list[Difference]:
    """Every net but the single ones against the single net of each of its tasks, on the main metric."""
    single = {row.task: row for row in results.rows if row.variant == "single"}
    pairs = [
        (row, task, main_metric(results.tasks[task]))
        for row in results.rows
        for task in results.tasks_of(row)
        if row.variant != "single" and task in single and row in figures[task]
    ]
    return judged(
        [
            (row, task, metric, figures[task][row][metric.name] - figures[task][single[task]][metric.name])
            for row, task, metric in pairs
        ],
        results.config.confidence,
    )
