"""What the finished cells of a comparison hold, read once and handed to the table, the report and TensorBoard."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import pandas as pd

from keras_mtl.comparison.cells import Cell, Row, rows
from keras_mtl.comparison.config import CONTROLS, CompareConfig
from keras_mtl.comparison.tuning import Tuning
from keras_mtl.evaluation.predictions import read_predictions
from keras_mtl.tasks import Task


@dataclasses.dataclass(frozen=True)
class Results:
    """A finished comparison.

    Attributes:
        config: its settings.
        cells: its trainings, each evaluated on `split` and on validation.
        split: what is measured on: "test", or "validation" where there is no test split.
        tasks: by name.
        tuning: what its methods were tuned by; None where they were not.
    """

    config: CompareConfig
    cells: Sequence[Cell]
    split: str
    tasks: dict[str, Task]
    tuning: Tuning | None = None

    @property
    def rows(self) -> list[Row]:
        """The table's rows, in its order."""
        return rows(self.config)

    @property
    def nets(self) -> list[Row]:
        """The rows without the control arms: those whose curves, costs and predictions are shown in detail."""
        return [row for row in self.rows if row.variant not in CONTROLS]

    @property
    def seeds(self) -> list[int]:
        return list(range(self.config.seed, self.config.seed + self.config.seeds))

    @property
    def drawn(self) -> list[str]:
        """The sources of `split` that are drawn, not photos of people."""
        found = (cell.run.metrics(self.split)[self.split]["drawn"] for cell in self.cells)
        return list(dict.fromkeys(source for sources in found for source in sources))

    def tasks_of(self, row: Row) -> list[str]:
        """The tasks that a row's net predicts."""
        return list(self.tasks) if row.task is None else [row.task]

    def cell(self, row: Row, seed: int) -> Cell:
        return next(cell for cell in self.cells if cell.row == row and cell.seed == seed)

    def predictions(self, row: Row, seed: int, split: str = "") -> pd.DataFrame:
        """A cell's predictions for a split, by default `split`: the table that `predict_split` describes."""
        path = self.cell(row, seed).run.predictions_path / f"{split or self.split}.csv"
        return read_predictions(path, {name: self.tasks[name] for name in self.tasks_of(row)})

    def training(self, row: Row, seed: int) -> dict:
        """The entry `training` of a cell's metrics.json: `history` (one dict an epoch), `best`, `best_epoch`, …

        A figure of the history that was not finite is NaN.

        Older runs of one task have no loss of the task's own, only the whole, which is weighted: it is added here.
        """
        training = self.cell(row, seed).run.metrics("training")["training"]
        training["history"] = [
            {name: math.nan if figure is None else figure for name, figure in figures.items()}
            for figures in training["history"]
        ]
        if row.task is not None:
            weight = self._loss_weight(row, seed)
            for figures in training["history"]:
                for prefix in ("", "val_"):
                    figures.setdefault(f"{prefix}{row.task}_loss", figures[f"{prefix}loss"] / weight)
        return training

    def images_seen(self, row: Row, seed: int) -> list[int]:
        """How many images a cell had been trained on at the end of each epoch; the last one may be shorter."""
        training, config = self.training(row, seed), self.cell(row, seed).config
        images, epochs = training["images"], len(training["history"])
        each = config.steps_per_epoch * config.batch_size if config.steps_per_epoch else images / max(1, epochs)
        return [min(images, round(each * epoch)) for epoch in range(1, epochs + 1)]

    def _loss_weight(self, row: Row, seed: int) -> float:
        from keras_mtl.heads.by_name import head_of

        assert row.task is not None
        given = self.cell(row, seed).config.loss_weight_of()
        return given.get(row.task, head_of(self.tasks[row.task]).weight)

    def manifest(self, row: Row, seed: int) -> dict:
        """A cell's manifest.json: versions, host, commit, precision, parameters, sources."""
        return self.cell(row, seed).run.manifest("versions", "host", "sources")
