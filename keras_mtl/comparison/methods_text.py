"""The weightings of a comparison as text: their table, their differences to plain EW, and what must be known."""

from __future__ import annotations

import dataclasses
import math

from keras_mtl.comparison.grid import NONE, Grid, best_of, chance, heading, ratio, signed, with_interval
from keras_mtl.comparison.methods import DELTA_M, RANK, Method, Methods
from keras_mtl.comparison.results import Results
from keras_mtl.comparison.table import Table
from keras_mtl.comparison.tuning_text import tuning_grid, tuning_note
from keras_mtl.comparison.verdicts import LEAST_SEEDS, Difference
from keras_mtl.comparison.weightings import PLAIN, title_of
from keras_mtl.evaluation.metrics import main_metric
from keras_mtl.tasks import Task

SINGLES = "Single nets"


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of the weightings' table.

    Attributes:
        title: its heading.
        cells: one for each weighting.
        best: whether each of them is the best one.
        single: what the single nets have there.
    """

    title: str
    cells: list[str]
    best: list[bool]
    single: str = NONE


def methods_grids(table: Table, results: Results, percent: str, between: str, best: str) -> list[Grid]:
    """The weightings' table and differences; none where the comparison has no weightings.

    Args:
        table, results: of the comparison.
        percent: what the intervals are called.
        between: stands between an interval's ends.
        best: how a column's best figure is marked, {} being the figure.
    """
    methods = table.methods
    if methods is None:
        return []
    columns = _columns(table, methods, results, between)
    rows: list[tuple[str, ...]] = [("Weighting", *(column.title for column in columns))]
    if any(column.single != NONE for column in columns):
        rows.append((SINGLES, *(column.single for column in columns)))
    for number, score in enumerate(methods.scores):
        cells = (
            best.format(column.cells[number]) if column.best[number] else column.cells[number] for column in columns
        )
        rows.append((title_of(score.row.weighting), *cells))
    right = tuple(range(1, len(columns) + 1))
    title = f"Weightings on the {results.split} split, mean and {percent}"
    grids = [
        Grid(title, rows, right, f"{best.format('Best')} of the weightings.", tuple(methods_notes(results, methods)))
    ]
    if methods.differences:
        lines = [_difference(found, results.tasks) for found in methods.differences]
        head = ("Weighting", "Figure", "Difference", percent, "p (Holm)", "Verdict")
        grids.append(Grid(f"Difference to {title_of(methods.base.weighting)}", [head, *lines], (2, 3, 4)))
    chosen = tuning_grid(results)
    return [*grids, chosen] if chosen else grids


def methods_notes(results: Results, methods: Methods) -> list[str]:
    """What a reader of the weightings' table must know, in sentences."""
    config, base = results.config, title_of(methods.base.weighting)
    given = any("@" in score.row.weighting or ":" in score.row.weighting for score in methods.scores)
    notes = [
        tuning_note(results)
        if results.tuning
        else "Equal tuning for all: every weighting has its authors' defaults, and all share the net, data, "
        f"{config.optimizer} with learning rate {config.learning_rate:g} ({config.schedule}), length, augmentation "
        f"({config.augment}) and seeds; nothing was tuned for one of them"
        + (", besides what stands behind its name." if given else "."),
    ]
    if any(score.delta_m for score in methods.scores):
        notes.append(
            "Delta-m is the mean over tasks of how much better the net is than the single nets, in percent of their "
            "figures, seed by seed (Maninis et al. 2019): above 0 is better. Papers that turn the sign round call "
            "what is below 0 better."
        )
    notes.append(
        "Mean rank is the mean over tasks of the rank among the weightings, by the mean over seeds: 1 is best."
    )
    if methods.differences:
        notes.append(
            f"A difference is a weighting's figure minus that of {base}, paired by seed and image; p is two-sided and "
            f"corrected for {len(methods.differences)} comparisons (Holm 1979)."
            + (f" There is no verdict with fewer than {LEAST_SEEDS} seeds." if config.seeds < LEAST_SEEDS else "")
        )
    notes.append(
        f"Time is that of a training image relative to {base}, from the nets' own logs (median over epochs and seeds, "
        "without validation). The trainings ran at different times, beside whatever else the machine had to do: "
        "benchmarks/balancing_speed.py measures steps side by side. The training compute among the costs is that of "
        "plain steps."
    )
    if any(not math.isnan(score.memory) for score in methods.scores):
        notes.append("Memory is the most that a training's process held, TensorFlow and decoded images included.")
    return [*notes, *_statistics(results, methods)]


def _statistics(results: Results, methods: Methods) -> list[str]:
    """A sentence where some nets were normalised by source and others over the whole batch."""
    seed = results.seeds[0]
    by_source = {
        score.row: results.cell(score.row, seed).config.normalises_by_source(
            len(results.manifest(score.row, seed)["sources"])
        )
        for score in methods.scores
    }
    if len(set(by_source.values())) < 2:
        return []
    names = ", ".join(title_of(row.weighting) for row, itself in by_source.items() if itself)
    return [
        f"BatchNormalization normalises each source's images by themselves in the training of {names}, and the whole "
        f"batch in that of the others (--batch_statistics). The entry {PLAIN}@batch_statistics=source tells what is "
        "owed to that alone."
    ]


def _columns(table: Table, methods: Methods, results: Results, between: str) -> list[Column]:
    scores, single = methods.scores, {row.task: row for row in results.rows if row.variant == "single"}
    columns = []
    for name, task in results.tasks.items():
        metric = main_metric(task)
        entries = [table.entry(score.row, name) for score in scores]
        found = [entry.estimates[metric.name] for entry in entries if entry]
        if not found:
            continue
        cells = [with_interval(estimate, metric, task, between) for estimate in found]
        alone = table.entry(single[name], name) if name in single else None
        told = with_interval(alone.estimates[metric.name], metric, task, between) if alone else NONE
        best = best_of([estimate.value for estimate in found], metric)
        columns.append(Column(heading(task, metric), cells, best, told))
    any_task = next(iter(results.tasks.values()))
    if all(score.delta_m for score in scores):
        cells = [_delta(score, any_task) for score in scores]
        best = best_of([score.delta_m.value for score in scores if score.delta_m], DELTA_M)
        columns.append(Column("Delta-m (%)", cells, best, "0"))
    ranks = [score.rank for score in scores]
    columns.append(Column("Mean rank", [ratio(rank) for rank in ranks], best_of(ranks, RANK)))
    times = [score.time for score in scores]
    columns.append(Column("Time", [ratio(time) for time in times], best_of(times, RANK)))
    memory = [score.memory / 2**20 for score in scores]
    if not all(map(math.isnan, memory)):
        cells = [NONE if math.isnan(number) else f"{number:,.0f}" for number in memory]
        columns.append(Column("Memory (MiB)", cells, best_of(memory, RANK)))
    return columns


def _delta(score: Method, task: Task) -> str:
    assert score.delta_m
    value, low, high = (
        signed(end, DELTA_M, task) for end in (score.delta_m.value, score.delta_m.low, score.delta_m.high)
    )
    return value if low == NONE else f"{value} ({low} to {high})"


def _difference(found: Difference, tasks: dict[str, Task]) -> tuple[str, ...]:
    task = tasks[found.task] if found.task else next(iter(tasks.values()))
    metric = main_metric(task) if found.task else DELTA_M
    value, low, high = (
        signed(end, metric, task) for end in (found.estimate.value, found.estimate.low, found.estimate.high)
    )
    figure = heading(task, metric, difference=True) if found.task else "Delta-m (points)"
    return title_of(found.row.weighting), figure, value, f"{low} to {high}", chance(found.adjusted_p), found.verdict
