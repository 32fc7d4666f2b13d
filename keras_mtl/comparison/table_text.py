"""The table of a comparison to read: in the terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from keras_mtl.comparison.cost_ratios import relative_costs, share_of_singles
from keras_mtl.comparison.grid import NONE, Grid, as_good, chance, heading, ratio, signed, with_interval
from keras_mtl.comparison.methods_text import methods_grids
from keras_mtl.comparison.parts import end_of
from keras_mtl.comparison.results import Results
from keras_mtl.comparison.table import Table
from keras_mtl.comparison.verdicts import Difference
from keras_mtl.evaluation.metrics import main_metric
from keras_mtl.table import aligned

if TYPE_CHECKING:
    from keras_mtl.models.cost import Cost


def as_text(table: Table, results: Results, costs: Mapping[str, Cost] | None = None) -> str:
    """The table for the terminal: figures, differences to single nets, costs where they are given, and notes."""
    grids = _grids(table, results, costs, between=" to ", best="{} *")
    return "\n\n".join([*map(grid_text, grids), "\n".join(table.notes)])


def grid_text(grid: Grid) -> str:
    """A grid for the terminal, with what stands below it."""
    below = [grid.below, "\n".join(grid.notes)]
    return "\n\n".join([f"{grid.title}:\n{aligned(grid.rows, grid.right)}", *filter(None, below)])


def as_markdown(table: Table, results: Results, costs: Mapping[str, Cost] | None = None) -> str:
    """The same as Markdown, with a minus sign where a terminal has a hyphen."""
    parts = []
    for grid in _grids(table, results, costs, between="–", best="**{}**"):
        rules = tuple("---:" if column in grid.right else "---" for column in range(len(grid.rows[0])))
        lines = [grid.rows[0], rules, *(_with_minus(row, grid.right) for row in grid.rows[1:])]
        parts += [f"### {grid.title}", "\n".join(f"| {' | '.join(line)} |" for line in lines)]
        parts += [grid.below] if grid.below else []
        parts += [_list(grid.notes)] if grid.notes else []
    return "\n\n".join([*parts, _list(table.notes)]) + "\n"


def _grids(table: Table, results: Results, costs: Mapping[str, Cost] | None, between: str, best: str) -> list[Grid]:
    percent = f"{100 * results.config.confidence:g} % interval"
    grids = methods_grids(table, results, percent, between, best)
    if not grids or {"pruned", "frozen"} & set(results.config.compared):
        title = f"Figures on the {results.split} split, mean and {percent}"
        grids.append(Grid(title, *_figures(table, results, between)))
    if table.differences:
        grids.append(Grid("Difference to the single net", *_differences(table, results, percent)))
    if table.parts:
        grids.append(_parts(table, results, percent))
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
                with_interval(entry.estimates[metric.name], metric, results.tasks[name], between) if entry else NONE
            )
        rows.append((row.title, *cells))
    return rows, tuple(range(1, len(metrics) + 1))


def _differences(table: Table, results: Results, percent: str) -> tuple[list[tuple[str, ...]], tuple[int, ...]]:
    asked = any(found.as_good is not None for found in table.differences)
    head = ("Net", "Figure", "Difference", percent, "p (Holm)", "Verdict", *(["As good"] if asked else []))
    rows: list[tuple[str, ...]] = [head]
    for found in table.differences:
        cells = (found.row.title, *_difference(found, results), found.verdict)
        rows.append((*cells, as_good(found, results.tasks[found.task])) if asked else cells)
    return rows, (2, 3, 4)


def _parts(table: Table, results: Results, percent: str) -> Grid:
    rows: list[tuple[str, ...]] = [("Net", "Figure", "Owed to", "Difference", percent, "p (Holm)", "Verdict")]
    for part in table.parts:
        figure, *numbers = _difference(part.difference, results)
        rows.append((end_of(part, results).title, figure, part.owed_to, *numbers, part.difference.verdict))
    return Grid("What of the difference to the single net is owed to what", rows, (3, 4, 5))


def _difference(found: Difference, results: Results) -> tuple[str, str, str, str]:
    """Figure, size, interval and p-value."""
    task = results.tasks[found.task]
    metric = main_metric(task)
    low, high = (signed(value, metric, task) for value in (found.estimate.low, found.estimate.high))
    size = signed(found.estimate.value, metric, task)
    return heading(task, metric, difference=True), size, f"{low} to {high}", chance(found.adjusted_p)


def _costs(results: Results, costs: Mapping[str, Cost]) -> Grid:
    base, ratios = relative_costs(results.rows, costs)
    names = list(ratios[base.key])
    rows = [("Net", *(name[0].upper() + name[1:] for name in names))]
    for row in results.rows:
        if row.key in ratios:
            rows.append((row.title, *(ratio(ratios[row.key][name]) for name in names)))
    shares = share_of_singles(results.rows, costs)
    below = ""
    if shares:
        listed = ", ".join(f"{name} {ratio(share)}" for name, share in shares.items())
        below = f"{base.title} against all single nets together: {listed}."
    return Grid(f"Cost relative to {base.title}", rows, tuple(range(1, len(names) + 1)), below)


def _with_minus(row: tuple[str, ...], right: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(
        cell.replace("-", "−") if column in right and cell != NONE else cell for column, cell in enumerate(row)
    )


def _list(notes: Sequence[str]) -> str:
    return "\n".join(f"- {note}" for note in notes)
