"""Error by group, where the data tell groups."""

from __future__ import annotations

import numpy as np

from keras_mtl.comparison.report import wording
from keras_mtl.comparison.report.blocks import Cell, Details, Figure, Heading, HtmlTable, Note, Panels, Section, Text
from keras_mtl.comparison.report.context import FEW, SYMBOLS, Context
from keras_mtl.comparison.report.plots import plot
from keras_mtl.data import utkface
from keras_mtl.evaluation.groups import MOST, members
from keras_mtl.evaluation.statistics import Estimate

LABELS = (
    "The groups are those that the data name, in the words of whoever labelled them. Where they are of people they are "
    "what others take them for, and not what those who are pictured say of themselves."
)


def section(context: Context) -> Section:
    """The main metric of each task in each group."""
    blocks: list = []
    without = []
    for name in context.tasks:
        kinds = context.group_kinds(name)
        if not kinds:
            without.append(wording.task_name(name).lower())
            continue
        figures, tables = zip(*(_group(context, name, kind) for kind in kinds), strict=True)
        blocks += [
            Heading(f"{wording.task_name(name)}: {wording.metric_name(context.metric(name))}"),
            Panels(figures, context.legend(context.rows_of(name)), _left_out(context, name)),
            Details("The same in figures", tables),
        ]
    if not blocks:
        return Section("groups", "Error by group", [Text("The data name no groups.")])
    about = (
        f"With {context.percent} intervals. Groups with fewer than {FEW} images are hollow here and grey in the "
        "tables: what they show may be chance."
    )
    missing = [Text(f"The images of {wording.and_list(without)} carry no groups.")] if without else []
    guessed = f" {utkface.GUESSED}" if context.of_utkface else ""
    return Section("groups", "Error by group", [Note(LABELS + guessed), Text(about), *blocks, *missing])


def _group(context: Context, name: str, kind: str) -> tuple[Figure, HtmlTable]:
    metric, rows = context.metric(name), context.rows_of(name)
    counts = members(context.groups(rows[0], name)[kind])
    group_of = {row: np.array(context.groups(row, name)[kind], object) for row in rows}
    estimates = {
        (row, group): context.estimate(row, name, metric, group_of[row] == group) for row in rows for group in counts
    }
    return _figure(context, name, kind, counts, estimates), _table(context, name, kind, counts, estimates)


def _left_out(context: Context, name: str) -> str:
    """How many images and groups are not shown, in sentences; empty where all are."""
    groups, told = context.groups(context.rows_of(name)[0], name), []
    for kind in context.group_kinds(name):
        unknown, number = groups[kind].count(None), len(set(groups[kind]) - {None})
        if unknown:
            images = "1 image" if unknown == 1 else f"{unknown:,} images"
            told.append(f"The {wording.spaced(kind)} of {images} is unknown.")
        if number > MOST:
            told.append(f"Of {number:,} groups by {wording.spaced(kind)} the {MOST} largest are shown.")
    return " ".join(told)


def _figure(context: Context, name: str, kind: str, counts: dict[str, int], estimates: dict) -> Figure:
    import plotly.graph_objects as go

    task, metric, rows = context.tasks[name], context.metric(name), context.rows_of(name)
    by, traces = wording.scale(metric), []
    for number, row in enumerate(rows):
        shift = (number - (len(rows) - 1) / 2) * min(0.2, 0.7 / len(rows))
        found: list[Estimate] = [estimates[row, group] for group in counts]
        traces.append(
            go.Scatter(
                x=[by * estimate.value for estimate in found],
                y=[index + shift for index in range(len(found))],
                error_x={
                    "array": [by * (estimate.high - estimate.value) for estimate in found],
                    "arrayminus": [by * (estimate.value - estimate.low) for estimate in found],
                    "thickness": 1.2,
                    "width": 0,
                },
                mode="markers",
                legendgroup=row.key,
                marker={
                    "color": context.colour(row),
                    "size": 7,
                    "symbol": [SYMBOLS[row.variant] + ("-open" if count < FEW else "") for count in counts.values()],
                },
                customdata=[
                    [group, wording.number(metric, task, estimate.value), wording.interval(metric, task, estimate)]
                    for group, estimate in zip(counts, found, strict=True)
                ],
                hovertemplate=f"{row.title}<br>%{{customdata[0]}}: %{{customdata[1]}} (%{{customdata[2]}})"
                "<extra></extra>",
            )
        )
    titles = [f"{group} ({count:,})" for group, count in counts.items()]
    ticks = {"tickvals": list(range(len(titles))), "ticktext": titles, "range": [len(titles) - 0.5, -0.5]}
    told = "; ".join(
        f"{group} {wording.value(metric, task, estimates[rows[0], group].value)} of {count:,} images"
        for group, count in counts.items()
    )
    unit = wording.unit(metric, task)
    return Figure(
        f"By {wording.spaced(kind)}",
        f"{rows[0].title}: {told}.",
        plot(
            traces,
            x=f"{wording.metric_name(metric)}{', ' + unit if unit else ''}",
            height=80 + max(44, 13 * len(rows)) * len(counts),
            yaxis={**ticks, "showgrid": False},
        ),
    )


def _table(context: Context, name: str, kind: str, counts: dict[str, int], estimates: dict) -> HtmlTable:
    task, metric, rows = context.tasks[name], context.metric(name), context.rows_of(name)
    lines = []
    for group, count in counts.items():
        look = "few" if count < FEW else ""
        cells = [
            Cell(wording.number(metric, task, estimate.value), wording.interval(metric, task, estimate), look)
            for estimate in (estimates[row, group] for row in rows)
        ]
        lines.append([Cell(group, look=look), Cell(f"{count:,}", look=look), *cells])
    unit = wording.unit(metric, task)
    what = f"{wording.metric_name(metric)}{', ' + unit if unit else ''}"
    caption = f"{wording.task_name(name)} by {wording.spaced(kind)}: {what}."
    return HtmlTable(caption, [wording.task_name(kind), "Images", *(row.title for row in rows)], lines)
