"""Error by group, where the images' names tell groups."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_mtl.comparison.cells import Row
from keras_mtl.comparison.report import wording
from keras_mtl.comparison.report.blocks import Cell, Details, Figure, Heading, HtmlTable, Note, Panels, Section, Text
from keras_mtl.comparison.report.context import FEW, SYMBOLS, Context
from keras_mtl.comparison.report.plots import plot
from keras_mtl.evaluation.groups import groups_of, in_order
from keras_mtl.evaluation.statistics import Estimate

LABELS = (
    "The groups are read out of UTKFace's file names. By its authors' account an algorithm guessed age, gender and "
    "race and a person checked the guess: these are labels that others gave, in their words, and not what those who "
    "are pictured say of themselves."
)


def section(context: Context) -> Section:
    """The main metric of each task in each group."""
    blocks: list = []
    without = []
    for name in context.tasks:
        kinds = _groups(context, context.rows_of(name)[0], name)
        if context.tasks[name].kind == "regression":
            kinds.pop(name, None)  # by decade of the age itself: that is under "Values predicted"
        kinds.pop(name if name == "gender" else "", None)
        if not kinds:
            without.append(wording.task_name(name).lower())
            continue
        figures, tables = zip(*(_group(context, name, kind, groups) for kind, groups in kinds.items()), strict=True)
        blocks += [
            Heading(f"{wording.task_name(name)}: {wording.metric_name(context.metric(name))}"),
            Panels(figures, context.legend(context.rows_of(name)), _left_out(kinds)),
            Details("The same in figures", tables),
        ]
    if not blocks:
        return Section("groups", "Error by group", [Text("The names of these images tell no groups.")])
    about = (
        f"With {context.percent} intervals. Groups with fewer than {FEW} images are hollow here and grey in the "
        "tables: what they show may be chance."
    )
    missing = [Text(f"The images of {wording.and_list(without)} carry no groups.")] if without else []
    return Section("groups", "Error by group", [Note(LABELS), Text(about), *blocks, *missing])


def _group(context: Context, name: str, kind: str, groups: Sequence[str | None]) -> tuple[Figure, HtmlTable]:
    metric, rows = context.metric(name), context.rows_of(name)
    members = {group: groups.count(group) for group in in_order(kind, groups)}
    members_of = {row: np.array(_groups(context, row, name)[kind], object) for row in rows}
    estimates = {
        (row, group): context.estimate(row, name, metric, members_of[row] == group) for row in rows for group in members
    }
    return _figure(context, name, kind, members, estimates), _table(context, name, kind, members, estimates)


def _left_out(kinds: dict[str, list[str | None]]) -> str:
    """How many images are in no group, in a sentence; empty where all are in one."""
    count = max(groups.count(None) for groups in kinds.values())
    images = "1 image has a name that tells" if count == 1 else f"{count:,} images have names that tell"
    return f"{images} no group." if count else ""


def _groups(context: Context, row: Row, name: str) -> dict[str, list[str | None]]:
    return groups_of(list(context.images(row, name, context.first_seed)["image"]))


def _figure(context: Context, name: str, kind: str, members: dict[str, int], estimates: dict) -> Figure:
    import plotly.graph_objects as go

    task, metric, rows = context.tasks[name], context.metric(name), context.rows_of(name)
    by, traces = wording.scale(metric), []
    for number, row in enumerate(rows):
        shift = (number - (len(rows) - 1) / 2) * min(0.2, 0.7 / len(rows))
        found: list[Estimate] = [estimates[row, group] for group in members]
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
                    "symbol": [SYMBOLS[row.variant] + ("-open" if count < FEW else "") for count in members.values()],
                },
                customdata=[
                    [group, wording.interval(metric, task, estimate)]
                    for group, estimate in zip(members, found, strict=True)
                ],
                hovertemplate=f"{row.title}<br>%{{customdata[0]}}: %{{x:.2f}} (%{{customdata[1]}})<extra></extra>",
            )
        )
    titles = [f"{group} ({count:,})" for group, count in members.items()]
    ticks = {"tickvals": list(range(len(titles))), "ticktext": titles, "range": [len(titles) - 0.5, -0.5]}
    told = "; ".join(
        f"{group} {wording.value(metric, task, estimates[rows[0], group].value)} of {count:,} images"
        for group, count in members.items()
    )
    unit = wording.unit(metric, task)
    return Figure(
        f"By {kind}",
        f"{rows[0].title}: {told}.",
        plot(
            traces,
            x=f"{wording.metric_name(metric)}{', ' + unit if unit else ''}",
            height=80 + max(44, 13 * len(rows)) * len(members),
            yaxis={**ticks, "showgrid": False},
        ),
    )


def _table(context: Context, name: str, kind: str, members: dict[str, int], estimates: dict) -> HtmlTable:
    task, metric, rows = context.tasks[name], context.metric(name), context.rows_of(name)
    lines = []
    for group, count in members.items():
        look = "few" if count < FEW else ""
        cells = [
            Cell(wording.number(metric, task, estimate.value), wording.interval(metric, task, estimate), look)
            for estimate in (estimates[row, group] for row in rows)
        ]
        lines.append([Cell(group, look=look), Cell(f"{count:,}", look=look), *cells])
    unit = wording.unit(metric, task)
    caption = f"{wording.task_name(name)} by {kind}: {wording.metric_name(metric)}{', ' + unit if unit else ''}."
    return HtmlTable(caption, [kind.capitalize(), "Images", *(row.title for row in rows)], lines)
