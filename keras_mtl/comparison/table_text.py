"""The table of a comparison to read: in the terminal, and as Markdown."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from keras_mtl.comparison.cost_ratios import relative_costs, share_of_singles
from keras_mtl.comparison.results import Results
from keras_mtl.comparison.table import Table, main_metric
from keras_mtl.evaluation.metrics import Metric
from keras_mtl.evaluation.scoring import readable, unit_of
from keras_mtl.evaluation.statistics import Estimate
from keras_mtl.table import aligned
from keras_mtl.tasks import Task

if TYPE_CHECKING:
    from keras_mtl.models.cost import Cost

ABBREVIATIONS = ("mae", "rmse")
NONE = "-"


@dataclasses.dataclass(frozen=True)
class Grid:
    """Rows of text under a title; the first one is the heading. `right` are the columns of numbers."""

    title: str
    rows: list[tuple[str, ...]]
    right: tuple[int, ...]
    below: str = ""


def as_text(table: Table, results: Results, costs: Mapping[str, Cost] | None = None) -> str:
    """The table for the terminal: figures, differences to single nets, costs where they are given, and notes."""
    parts = []
    for grid in _grids(table, results, costs, between=" to "):
        parts += [f"{grid.title}:\n{aligned(grid.rows, grid.right)}", *([grid.below] if grid.below else [])]
    return "\n\n".join([*parts, "\n".join(table.notes)])


def as_markdown(table: Table, results: Results, costs: Mapping[str, Cost] | None = None) -> str:
    """The same as Markdown, with a minus sign where a terminal has a hyphen."""
    parts = []
    for grid in _grids(table, results, costs, between="–"):
        rules = tuple("---:" if column in grid.right else "---" for column in range(len(grid.rows[0])))
        lines = [grid.rows[0], rules, *(_with_minus(row, grid.right) for row in grid.rows[1:])]
        parts += [f"### {grid.title}", "\n".join(f"| {' | '.join(line)} |" for line in lines)]
        parts += [grid.below] if grid.below else []
    return "\n\n".join([*parts, "\n".join(f"- {note}" for note in table.notes)]) + "\n"


def heading(task: Task, metric: Metric, *, difference: bool = False) -> str:
    """A metric's name for a column: "Age MAE (years)"; the difference of two shares is in percentage points."""
    unit = unit_of(metric, task, share="points" if difference else "%")
    name = metric.name.upper() if metric.name in ABBREVIATIONS else metric.name.replace("_", " ")
    return f"{task.name.replace('_', ' ').capitalize()} {name}" + (f" ({unit})" if unit else "")


def _grids(table: Table, results: Results, costs: Mapping[str, Cost] | None, between: str) -> list[Grid]:
    percent = f"{100 * results.config.confidence:g} % interval"
    grids = [Grid(f"Figures on the {results.split} split, mean and {percent}", *_figures(table, results, between))]
    if table.differences:
        grids.append(Grid("Difference to the single net", *_differences(table, results, percent)))
    if costs:
        grids.append(_costs(results, costs))
    return grids


def _figures(table: Table, results: Results, between: str) -> tuple[list[tuple[str, ...]], tuple[int, ...]]:
    metrics = {name: main_metric(task) for name, task in results.tasks.items()}
    rows = [("Net", *(heading(results.tasks[name], metric) for name, metric in metrics.items()))]
    for row in results.rows:
        cells = []
        for name, metric in metrics.items():
            entry = table.entry(row, name)
            cells.append(
                _with_interval(entry.estimates[metric.name], metric, results.tasks[name], between) if entry else NONE
            )
        rows.append((row.title, *cells))
    return rows, tuple(range(1, len(metrics) + 1))


def _differences(table: Table, results: Results, percent: str) -> tuple[list[tuple[str, ...]], tuple[int, ...]]:
    rows: list[tuple[str, ...]] = [("Net", "Figure", "Difference", percent, "p (Holm)", "Verdict")]
    for found in table.differences:
        task = results.tasks[found.task]
        metric = main_metric(task)
        low, high = (_signed(value, metric, task) for value in (found.estimate.low, found.estimate.high))
        rows.append(
            (
                found.row.title,
                heading(task, metric, difference=True),
                _signed(found.estimate.value, metric, task),
                f"{low} to {high}",
                "<0.001" if found.adjusted_p < 0.001 else f"{found.adjusted_p:.3f}",
                found.verdict,
            )
        )
    return rows, (2, 3, 4)


def _costs(results: Results, costs: Mapping[str, Cost]) -> Grid:
    base, ratios = relative_costs(results.rows, costs)
    names = list(ratios[base.key])
    rows = [("Net", *(name[0].upper() + name[1:] for name in names))]
    for row in results.rows:
        if row.key in ratios:
            rows.append((row.title, *(_ratio(ratios[row.key][name]) for name in names)))
    share = share_of_singles(results.rows, costs)
    below = ""
    if share:
        listed = ", ".join(f"{name} {_ratio(ratio)}" for name, ratio in share.items())
        below = f"{base.title} against all single nets together: {listed}."
    return Grid(f"Cost relative to {base.title}", rows, tuple(range(1, len(names) + 1)), below)


def _with_interval(estimate: Estimate, metric: Metric, task: Task, between: str) -> str:
    value, low, high = (
        readable(None if math.isnan(number) else number, metric, task, with_unit=False)
        for number in (estimate.value, estimate.low, estimate.high)
    )
    return value if math.isnan(estimate.low) else f"{value} ({low}{between}{high})"


def _signed(number: float, metric: Metric, task: Task) -> str:
    if math.isnan(number):
        return NONE
    text = readable(abs(number), metric, task, with_unit=False)
    if not float(text):
        return text
    return ("-" if number < 0 else "+") + text


def _ratio(ratio: float) -> str:
    return NONE if math.isnan(ratio) else f"{ratio:.2f}"


def _with_minus(row: tuple[str, ...], right: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(
        cell.replace("-", "−") if column in right and cell != NONE else cell for column, cell in enumerate(row)
    )
