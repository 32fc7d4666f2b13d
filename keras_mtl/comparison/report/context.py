"""What the report's sections work from: results, table and costs, with predictions read once."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from keras_mtl.comparison.cells import Row
from keras_mtl.comparison.colours import colour_of, dash_of
from keras_mtl.comparison.report.blocks import LegendEntry
from keras_mtl.comparison.results import Results
from keras_mtl.comparison.table import Table
from keras_mtl.data.utkface import groups_of
from keras_mtl.evaluation.crossed import crossed, number_parts
from keras_mtl.evaluation.groups import groups_for
from keras_mtl.evaluation.metrics import Metric, main_metric
from keras_mtl.evaluation.predictions import clusters_of, labels_and_predictions
from keras_mtl.evaluation.statistics import Estimate
from keras_mtl.tasks import Task

if TYPE_CHECKING:
    from keras_mtl.models.cost import Cost

SYMBOLS = {"multitask": "circle", "single": "square", "pruned": "diamond", "frozen": "triangle-up"}
MANY = 4
"""More weightings than these are not all shown in detail."""
FEW = 30
"""Groups with fewer images are shown greyed."""


@dataclasses.dataclass(frozen=True, eq=False)
class Context:
    """A comparison to report on.

    Attributes:
        results, table, costs: as `write_report` takes them.
    """

    results: Results
    table: Table
    costs: Mapping[str, Cost]

    @property
    def tasks(self) -> dict[str, Task]:
        return self.results.tasks

    @property
    def first_seed(self) -> int:
        return self.results.seeds[0]

    @property
    def multitask(self) -> Row | None:
        """The multitask net; of several weightings the one that others are compared with."""
        if self.table.methods:
            return self.table.methods.base
        return next((row for row in self.results.rows if row.variant == "multitask"), None)

    @property
    def percent(self) -> str:
        """The intervals' confidence, such as "95 %"."""
        return f"{100 * self.results.config.confidence:g} %"

    def all_rows_of(self, task: str) -> list[Row]:
        """The rows whose nets predict a task, in the table's order, without control arms: the table has those."""
        return [row for row in self.results.nets if task in self.results.tasks_of(row)]

    def rows_of(self, task: str) -> list[Row]:
        """Those that are shown in detail: of many weightings only the one others are compared with and the best."""
        rows = self.all_rows_of(task)
        return [row for row in rows if not row.weighting or row in self.weightings_in_detail]

    @functools.cached_property
    def weightings_in_detail(self) -> list[Row]:
        rows, methods = [row for row in self.results.rows if row.weighting], self.table.methods
        if methods is None or len(rows) <= MANY:
            return rows
        return [row for row in rows if row in (methods.base, methods.scores[0].row)]

    def colour(self, row: Row) -> str:
        return colour_of(row, self.results.rows)

    def legend(self, rows) -> list[LegendEntry]:
        return [LegendEntry(row.key, row.title, self.colour(row), dash_of(row, self.results.rows)) for row in rows]

    def metric(self, task: str) -> Metric:
        """A task's main metric."""
        return main_metric(self.tasks[task])

    @functools.cache  # noqa: B019 - a context lives as long as its report is written
    def predictions(self, row: Row, seed: int, split: str = "") -> pd.DataFrame:
        return self.results.predictions(row, seed, split)

    @functools.cache  # noqa: B019
    def images(self, row: Row, task: str, seed: int) -> pd.DataFrame:
        """The images that are labelled for a task, one a row, numbered from 0."""
        frame = self.predictions(row, seed)
        return frame[frame[task].notna()].reset_index(drop=True)

    @functools.cache  # noqa: B019
    def groups(self, row: Row, task: str) -> dict[str, list[str | None]]:
        """What groups the images that are labelled for a task belong to: `groups_for`, in the order of `images`."""
        return groups_for(self.images(row, task, self.first_seed), self.tasks[task])

    def group_kinds(self, task: str) -> list[str]:
        """The kinds of groups that the predictions of all rows of a task tell."""
        first, *others = (self.groups(row, task) for row in self.rows_of(task))
        return [kind for kind in first if all(kind in other for other in others)]

    @functools.cached_property
    def of_utkface(self) -> bool:
        """Whether images that are measured on have UTKFace's names."""
        names = (self.images(self.rows_of(task)[0], task, self.first_seed)["image"] for task in self.tasks)
        return any(groups_of(list(images)) for images in names)

    @functools.cache  # noqa: B019
    def labelled(self, row: Row, task: str, seed: int, split: str = "") -> tuple[np.ndarray, np.ndarray]:
        """Labels and predictions of the images that are labelled for a task, as metrics want them."""
        return labels_and_predictions(self.predictions(row, seed, split), self.tasks[task])

    def estimate(self, row: Row, task: str, metric: Metric, chosen: np.ndarray) -> Estimate:
        """A metric with its interval over seeds and images, on some images only.

        Args:
            row: whose predictions.
            task, metric: what of them.
            chosen: bool [N], which of the images that are labelled for the task count; one at least.
        """
        labels = self.labelled(row, task, self.first_seed)[0][chosen]
        predictions = [self.labelled(row, task, seed)[1][chosen] for seed in self.results.seeds]
        parts = number_parts(clusters_of(self.images(row, task, self.first_seed))[chosen])
        figure = crossed({metric.name: metric}, labels, predictions, parts)[metric.name]
        return figure.estimate(self.results.config.confidence, metric.bounds)
