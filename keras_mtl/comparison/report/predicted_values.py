"""Regression tasks: predicted against true values, and the error and its direction along the labels' range."""

from __future__ import annotations

import math

import numpy as np

from keras_mtl.comparison.cells import Row
from keras_mtl.comparison.report import wording
from keras_mtl.comparison.report.blocks import Cell, Details, Figure, Heading, HtmlTable, Panels, Section, Text
from keras_mtl.comparison.report.context import FEW, SYMBOLS, Context
from keras_mtl.comparison.report.coverage import coverage
from keras_mtl.comparison.report.plots import GREY, plot
from keras_mtl.comparison.report.ranges import bins_of, range_title
from keras_mtl.evaluation.metrics import Metric, metrics_for
from keras_mtl.evaluation.statistics import Estimate
from keras_mtl.kinds import kind_of
from keras_mtl.kinds.regression import STEPS
from keras_mtl.tasks import Task

MOST_POINTS = 1500
"""With more images than that a density is drawn in place of points."""


def section(context: Context) -> Section | None:
    """Values predicted, and errors by range; None where no task is a regression."""
    blocks: list = []
    for name, task in context.tasks.items():
        rows, unit = context.rows_of(name), f" {task.unit}".rstrip()
        if kind_of(task).shown != "values" or not len(context.images(rows[0], name, context.first_seed)):
            continue
        seeds = f", predicted with seed {context.first_seed}" if len(context.results.seeds) > 1 else ""
        blocks += [
            Heading(f"{wording.task_name(name)}: predicted and true"),
            Text(f"One point for each image{seeds}; on the grey line the prediction is the label."),
            Panels([_scatter(context, row, name) for row in rows]),
            Heading(f"{wording.task_name(name)}: error by range"),
            Text(
                "Mean absolute error, and bias (predicted minus true), for labels in steps of "
                f"{task.round_part(STEPS):g}{unit}, with {context.percent} intervals. "
                f"Hollow marks stand for fewer than {FEW} images."
            ),
            *_by_range(context, name),
            *coverage(context, name),
        ]
    return Section("values", "Values predicted", blocks) if blocks else None


def _scatter(context: Context, row: Row, name: str) -> Figure:
    import plotly.graph_objects as go

    task = context.tasks[name]
    labels, predictions = context.labelled(row, name, context.first_seed)
    bottom, top = _ends(context, name)
    diagonal = go.Scatter(x=[bottom, top], y=[bottom, top], mode="lines", line={"color": GREY}, hoverinfo="skip")
    hover = "true %{x:.3g}<br>predicted %{y:.3g}<extra></extra>"
    if len(labels) > MOST_POINTS:
        shown = _density(labels, predictions, context.colour(row))
    else:
        marker = {"color": context.colour(row), "size": 4, "opacity": 0.45}
        shown = go.Scatter(x=labels, y=predictions, mode="markers", marker=marker, hovertemplate=hover)
    unit, room = f", {task.unit}" if task.unit else "", 0.03 * (top - bottom or 1)
    axis = {"range": [bottom - room, top + room]}
    correlation = np.corrcoef(labels, predictions)[0, 1] if len(labels) > 1 and np.ptp(predictions) else math.nan
    return Figure(
        row.title,
        f"Predicted against true {name} of {len(labels):,} images; correlation {correlation:.2f}.",
        plot([shown, diagonal], x=f"true{unit}", y=f"predicted{unit}", height=280, xaxis=axis, yaxis=axis),
    )


def _ends(context: Context, name: str) -> tuple[float, float]:
    """The smallest and the largest label or prediction of all rows."""
    drawn = [values for row in context.rows_of(name) for values in context.labelled(row, name, context.first_seed)]
    return min(float(values.min()) for values in drawn), max(float(values.max()) for values in drawn)


def _density(labels: np.ndarray, predictions: np.ndarray, colour: str):
    import plotly.graph_objects as go

    count, xs, ys = np.histogram2d(labels, predictions, bins=48)
    scale = [[0, _transparent(colour, 0)], [1, _transparent(colour, 1)]]
    return go.Heatmap(
        x=(xs[1:] + xs[:-1]) / 2,
        y=(ys[1:] + ys[:-1]) / 2,
        z=np.log1p(count).T,
        customdata=count.T,
        colorscale=scale,
        showscale=False,
        hovertemplate="true %{x:.3g}<br>predicted %{y:.3g}<br>%{customdata:.0f} images<extra></extra>",
    )


def _transparent(colour: str, alpha: float) -> str:
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def _by_range(context: Context, name: str) -> list:
    task, rows = context.tasks[name], context.rows_of(name)
    step = task.round_part(STEPS)
    places = bins_of(context, rows[0], name, step)
    bins = sorted(set(places.tolist()))
    titles = [range_title(task, number * step, step) for number in bins]
    counts = [int((places == number).sum()) for number in bins]
    figures, tables = [], []
    for metric_name, heading in (("mae", "mean absolute error"), ("bias", "bias")):
        metric = metrics_for(task)[metric_name]
        estimates = {
            row: [context.estimate(row, name, metric, bins_of(context, row, name, step) == number) for number in bins]
            for row in rows
        }
        figures.append(_lines(context, metric, task, heading, estimates, titles, counts))
        tables.append(_table(metric, task, heading, estimates, titles, counts))
    return [Panels(figures, context.legend(rows)), Details("The same in figures", tables)]


def _table(metric: Metric, task: Task, heading: str, estimates: dict[Row, list[Estimate]], titles, counts) -> HtmlTable:
    lines = []
    for index, (title, count) in enumerate(zip(titles, counts, strict=True)):
        look, found = "few" if count < FEW else "", [of_row[index] for of_row in estimates.values()]
        shown = [(wording.number(metric, task, one.value), wording.interval(metric, task, one)) for one in found]
        lines.append(
            [Cell(title, look=look), Cell(f"{count:,}", look=look), *(Cell(*texts, look=look) for texts in shown)]
        )
    unit = f", {task.unit}" if task.unit else ""
    caption = f"{wording.task_name(task.name)}: {heading} by true value{unit}."
    return HtmlTable(caption, ["True", "Images", *(row.title for row in estimates)], lines)


def _lines(
    context: Context, metric: Metric, task: Task, heading: str, estimates: dict[Row, list[Estimate]], titles, counts
) -> Figure:
    import plotly.graph_objects as go

    traces = []
    for number, (row, found) in enumerate(estimates.items()):
        shift = (number - (len(estimates) - 1) / 2) * 0.14
        colour, symbol = context.colour(row), SYMBOLS[row.variant]
        traces.append(
            go.Scatter(
                x=[index + shift for index in range(len(found))],
                y=[estimate.value for estimate in found],
                error_y={
                    "array": [estimate.high - estimate.value for estimate in found],
                    "arrayminus": [estimate.value - estimate.low for estimate in found],
                    "thickness": 1.2,
                    "width": 0,
                },
                mode="markers",
                legendgroup=row.key,
                marker={
                    "color": colour,
                    "size": 7,
                    "symbol": [symbol + ("-open" if count < FEW else "") for count in counts],
                },
                customdata=[
                    [
                        title,
                        wording.number(metric, task, estimate.value),
                        wording.interval(metric, task, estimate),
                        count,
                    ]
                    for title, estimate, count in zip(titles, found, counts, strict=True)
                ],
                hovertemplate=f"{row.title}<br>%{{customdata[0]}} {task.unit}: %{{customdata[1]}} (%{{customdata[2]}})"
                "<br>%{customdata[3]:,} images<extra></extra>",
            )
        )
    ticks = {"tickvals": list(range(len(titles))), "ticktext": titles, "tickangle": -45, "showgrid": False}
    first, found = next(iter(estimates.items()))
    told = "; ".join(
        f"{title}: {wording.number(metric, task, one.value)}" for title, one in zip(titles, found, strict=True)
    )
    layout = {"xaxis": ticks, "yaxis": {"zeroline": True}}
    return Figure(
        f"{wording.task_name(task.name)}: {heading}",
        f"By true value, {first.title}: {told}.",
        plot(traces, x=f"true, {task.unit}" if task.unit else "true", y=task.unit, height=340, **layout),
    )
