"""How the multitask nets of each weighting do over all tasks: delta-m, mean rank, cost, and differences to plain EW."""

from __future__ import annotations

import math
from collections.abc import Sequence

from keras_mtl.comparison.cells import Row
from keras_mtl.comparison.grid import best_of, chance
from keras_mtl.comparison.methods import DELTA_M, RANK, Method, Methods
from keras_mtl.comparison.methods_text import SINGLES, methods_notes
from keras_mtl.comparison.report import wording
from keras_mtl.comparison.report.blocks import Cell, Details, Figure, HtmlTable, List, Panels, Section, Text
from keras_mtl.comparison.report.context import Context
from keras_mtl.comparison.report.overview import LOOK, SIGN
from keras_mtl.comparison.report.plots import listed, vertical
from keras_mtl.comparison.tuning_text import tuning_grid
from keras_mtl.comparison.verdicts import Difference
from keras_mtl.comparison.weightings import title_of
from keras_mtl.evaluation.statistics import Estimate


def section(context: Context) -> Section | None:
    """Plots, the table and its notes, and the differences; None without weightings."""
    methods = context.table.methods
    if methods is None:
        return None
    figures = [_ranks(context, methods)]
    if all(score.delta_m for score in methods.scores):
        figures.insert(0, _deltas(context, methods))
    blocks: list = [
        Text(_summary(context, methods)),
        Panels(figures, narrowest=300, caption=f"Tinted: better than the single nets. Dashed: {_name(methods.base)}."),
        _table(context, methods),
        List(methods_notes(context.results, methods)),
    ]
    shown = context.weightings_in_detail
    if len(shown) < len(methods.scores):
        names = wording.and_list([_name(row) for row in shown])
        blocks.append(Text(f"Where nets are shown in detail below, {names} stand for the weightings."))
    if methods.differences:
        blocks.append(Details(f"Differences to {_name(methods.base)}", [_differences(context, methods)]))
    chosen = tuning_grid(context.results)
    if chosen:
        blocks.append(Details(chosen.title, [HtmlTable(chosen.below, chosen.rows[0], chosen.rows[1:])]))
    return Section("weightings", "Weightings", blocks)


def _name(row: Row) -> str:
    return title_of(row.weighting)


def _summary(context: Context, methods: Methods) -> str:
    count, base = len(methods.scores), _name(methods.base)
    shown = [found for found in methods.differences if not found.task and found.verdict in SIGN]
    told = "; ".join(
        f"{_name(found.row)} is {found.verdict} by {wording.number(DELTA_M, _any(context), abs(found.estimate.value))} "
        "points"
        for found in shown
    )
    verdicts = f"By delta-m {told} than {base}." if told else f"By delta-m no difference to {base} is shown."
    if not any(score.delta_m for score in methods.scores):
        verdicts = "There is no delta-m without a single net for every task."
    return (
        f"The same net, balanced in {count} {'way' if count == 1 else 'ways'}, over {wording.and_list(_tasks(context))}"
        f". {verdicts}"
    )


def _tasks(context: Context) -> list[str]:
    return [wording.spaced(name) for name in context.tasks]


def _any(context: Context):
    """A task for functions that want one: figures over all tasks have no unit of a task's."""
    return next(iter(context.tasks.values()))


def _deltas(context: Context, methods: Methods) -> Figure:
    scores = [(score, score.delta_m) for score in methods.scores if score.delta_m]
    ends = [abs(end) for _, found in scores for end in (found.value, found.low, found.high) if not math.isnan(end)]
    reach = 1.12 * max(ends, default=1.0) or 1.0
    tint = {"type": "rect", "yref": "paper", "y0": 0, "y1": 1, "x0": 0, "x1": reach,
            "fillcolor": "rgba(38, 150, 90, 0.10)", "line": {"width": 0}, "layer": "below"}  # fmt: skip
    told = "; ".join(f"{_name(score.row)} {_signed(context, found.value)} %" for score, found in scores)
    return Figure(
        "Delta-m",
        f"Mean gain over the single nets: {told}.",
        listed(
            _marks(context, methods.base, scores, "%{x:+.2f} %"),
            [_name(score.row) for score, _ in scores],
            x="delta-m, % (better →)",
            line=42,
            xaxis={"range": [-reach, reach]},
            shapes=[tint, vertical(0), *_reference(methods.base, scores)],
        ),
    )


def _ranks(context: Context, methods: Methods) -> Figure:
    scores = [(score, Estimate(score.rank, math.nan, math.nan)) for score in methods.scores]
    told = "; ".join(f"{_name(score.row)} {score.rank:.2f}" for score in methods.scores)
    return Figure(
        "Mean rank",
        f"Mean over tasks of the rank among the weightings: {told}.",
        listed(
            _marks(context, methods.base, scores, "%{x:.2f}"),
            [_name(score.row) for score, _ in scores],
            x="mean rank (← better)",
            line=42,
            xaxis={"range": [0.5, len(scores) + 0.5]},
            shapes=_reference(methods.base, scores),
        ),
    )


def _reference(base: Row, scores: Sequence[tuple[Method, Estimate]]) -> list[dict]:
    return [vertical(found.value, dash="dash") for score, found in scores if score.row == base and len(scores) > 1]


def _marks(context: Context, base: Row, scores: Sequence[tuple[Method, Estimate]], shown: str) -> list:
    """Points with intervals, from top to bottom, all in the base's colour, as titles tell them apart."""
    import plotly.graph_objects as go

    return [
        go.Scatter(
            x=[found.value],
            y=[index],
            error_x={"array": [found.high - found.value], "arrayminus": [found.value - found.low],
                     "thickness": 2, "width": 5},
            mode="markers",
            marker={"color": context.colour(base), "size": 9, "symbol": "diamond" if score.row == base else "circle"},
            hovertemplate=f"{_name(score.row)}<br>{shown}"
            + ("" if math.isnan(found.low) else f" ({found.low:.2f} to {found.high:.2f})")
            + "<extra></extra>",
        )
        for index, (score, found) in enumerate(scores)
    ]  # fmt: skip


def _table(context: Context, methods: Methods) -> HtmlTable:
    head, columns = ["Weighting"], []
    for name in context.tasks:
        column = _task_column(context, methods, name)
        if column:
            task, metric = context.tasks[name], context.metric(name)
            unit = f", {wording.unit(metric, task)}" if wording.unit(metric, task) else ""
            head.append(f"{wording.task_name(name)}\n{wording.metric_name(metric)}{unit}")
            columns.append(column)
    for title, column in _columns(context, methods):
        head.append(title)
        columns.append(column)
    titles = [SINGLES, *(_name(score.row) for score in methods.scores)]
    rows = [[Cell(title), *cells] for title, *cells in zip(titles, *columns, strict=True)]
    if not any(row.variant == "single" for row in context.results.rows):
        del rows[0]
    signs = f"; ▲ better and ▼ worse than {_name(methods.base)}" if methods.differences else ""
    return HtmlTable(f"With {context.percent} intervals{signs}; the best weighting in bold.", head, rows)


def _task_column(context: Context, methods: Methods, name: str) -> list[Cell]:
    """A task's figures: of the single net, then of each weighting; none where no image is labelled for it."""
    task, metric = context.tasks[name], context.metric(name)
    rows = [score.row for score in methods.scores]
    entries = [context.table.entry(row, name) for row in rows]
    found = [entry.estimates[metric.name] for entry in entries if entry]
    if not found:
        return []
    single = next((row for row in context.rows_of(name) if row.variant == "single"), None)
    alone = context.table.entry(single, name) if single else None
    cells = [Cell(wording.NONE)]
    if alone:
        estimate = alone.estimates[metric.name]
        cells = [Cell(wording.number(metric, task, estimate.value), wording.interval(metric, task, estimate))]
    best = best_of([estimate.value for estimate in found], metric)
    for row, estimate, is_best in zip(rows, found, best, strict=True):
        text, small = wording.number(metric, task, estimate.value), wording.interval(metric, task, estimate)
        cells.append(_judged(text, small, methods.difference(row, name), is_best))
    return cells


def _columns(context: Context, methods: Methods) -> list[tuple[str, list[Cell]]]:
    """The columns over all tasks, each beginning with the single nets' cell."""
    scores, columns = methods.scores, []
    deltas = [score.delta_m for score in scores if score.delta_m]
    if len(deltas) == len(scores):
        best = best_of([delta.value for delta in deltas], DELTA_M)
        cells = [
            _judged(
                _signed(context, delta.value),
                wording.interval(DELTA_M, _any(context), delta, sign=True),
                methods.difference(score.row),
                is_best,
            )
            for score, delta, is_best in zip(scores, deltas, best, strict=True)
        ]
        columns.append(("Delta-m\n%", [Cell("0"), *cells]))
    best = best_of([score.rank for score in scores], RANK)
    cells = [
        Cell(f"{score.rank:.2f}", look="best" if is_best else "") for score, is_best in zip(scores, best, strict=True)
    ]
    columns.append(("Mean rank\n1 is best", [Cell(wording.NONE), *cells]))
    for title, values, write in (
        (f"Time\nrelative to {_name(methods.base)}", [score.time for score in scores], wording.ratio),
        ("Memory\nMiB", [score.memory / 2**20 for score in scores], _whole),
    ):
        if not all(map(math.isnan, values)):
            looks = ["best" if is_best else "" for is_best in best_of(values, RANK)]
            told = [Cell(write(value), look=look) for value, look in zip(values, looks, strict=True)]
            columns.append((title, [Cell(wording.NONE), *told]))
    return columns


def _judged(text: str, small: str, difference: Difference | None, is_best: bool) -> Cell:
    verdict = difference.verdict if difference else ""
    sign = f" {SIGN[verdict]}" if verdict in SIGN else ""
    return Cell(text + sign, small, " ".join(filter(None, [LOOK.get(verdict, ""), "best" if is_best else ""])))


def _differences(context: Context, methods: Methods) -> HtmlTable:
    rows = []
    for found in methods.differences:
        task = context.tasks[found.task] if found.task else _any(context)
        metric = context.metric(found.task) if found.task else DELTA_M
        unit = wording.difference_unit(metric, task) if found.task else "percentage points"
        size = f"{wording.number(metric, task, found.estimate.value, sign=True)} {unit}".rstrip()
        what = f"{wording.task_name(found.task)}, {wording.metric_name(metric)}" if found.task else "Delta-m"
        rows.append(
            [
                Cell(_name(found.row)),
                Cell(what),
                Cell(size, wording.interval(metric, task, found.estimate, sign=True)),
                Cell(chance(found.adjusted_p)),
                Cell(f"{SIGN.get(found.verdict, '○')} {found.verdict}", look=LOOK.get(found.verdict, "same")),
            ]
        )
    return HtmlTable(
        f"Each weighting minus {_name(methods.base)}, paired by seed and image, with {context.percent} intervals.",
        ["Weighting", "Figure", "Difference", "p (Holm)", "Verdict"],
        rows,
        words=(1, 4),
    )


def _signed(context: Context, value: float) -> str:
    return wording.number(DELTA_M, _any(context), value, sign=True)


def _whole(number: float) -> str:
    return wording.NONE if math.isnan(number) else f"{number:,.0f}"
