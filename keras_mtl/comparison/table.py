"""The table of a comparison: every net's figures with intervals, and its difference to the single net of a task."""

from __future__ import annotations

import dataclasses

from keras_mtl.comparison.cells import Row
from keras_mtl.comparison.figures import Figures
from keras_mtl.comparison.methods import Methods, build_methods
from keras_mtl.comparison.notes import notes_of
from keras_mtl.comparison.parts import Part, build_parts
from keras_mtl.comparison.results import Results
from keras_mtl.comparison.verdicts import Difference, Pair, judged, margins_of
from keras_mtl.evaluation.metrics import main_metric, metrics_for
from keras_mtl.evaluation.statistics import Estimate

JUDGED = ("multitask", "pruned", "frozen")
"""The variants that are compared with the single nets; the others are control arms, see `parts`."""


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
        differences: of the multitask and pruned nets to the single nets, by task; none where there are no single nets.
        parts: what of these differences is owed to what, by the control arms that were trained.
        notes: sentences that a reader of the figures must know.
        methods: the weightings over all tasks; None where the comparison has none.
    """

    entries: list[Entry]
    differences: list[Difference]
    parts: list[Part]
    notes: list[str]
    methods: Methods | None = None

    def entry(self, row: Row, task: str) -> Entry | None:
        """A net's figures for a task, where it has any."""
        return next((entry for entry in self.entries if (entry.row, entry.task) == (row, task)), None)

    def difference(self, row: Row, task: str) -> Difference | None:
        """A net's difference to the single net, where there is one."""
        return next((found for found in self.differences if (found.row, found.task) == (row, task)), None)


def build_table(results: Results, figures: Figures | None = None) -> Table:
    """Scores every net of a finished comparison on the same seeds and images.

    Args:
        results: the comparison.
        figures: its `Figures`, where they are there already.

    Raises:
        UserError: two nets were scored on different images or labels of a task.
    """
    figures, confidence = figures or Figures(results), results.config.confidence
    entries = [
        Entry(
            row,
            task,
            figures.images[task],
            {
                name: figure.estimate(confidence, metrics_for(results.tasks[task])[name].bounds)
                for name, figure in figures.of[task][row].items()
            },
            {name: figure.by_seed.tolist() for name, figure in figures.of[task][row].items()},
        )
        for row in results.rows
        for task in results.tasks_of(row)
        if figures.images[task]
    ]
    differences = judged(compared_pairs(figures), confidence, margins_of(results.config, results.tasks))
    parts = build_parts(figures)
    methods = build_methods(results, figures.of)
    return Table(entries, differences, parts, notes_of(results, figures.images, differences, parts), methods)


def compared_pairs(figures: Figures) -> list[Pair]:
    """Every multitask and pruned net beside the single net of each of its tasks, by the main metric."""
    results = figures.results
    single = {row.task: row for row in results.rows if row.variant == "single"}
    return [
        Pair(
            row,
            single[task],
            task,
            metric,
            figures.of[task][row][metric.name],
            figures.of[task][single[task]][metric.name],
        )
        for row in results.rows
        for task in results.tasks_of(row)
        if row.variant in JUDGED and task in single and row in figures.of[task]
        for metric in [main_metric(results.tasks[task])]
    ]
