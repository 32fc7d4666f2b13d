"""Intervals of regressions in the report: how wide they are, and which share of the labels they hold, for whom."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from keras_mtl.comparison.cells import Row
from keras_mtl.comparison.report import wording
from keras_mtl.comparison.report.blocks import Cell, Heading, HtmlTable, Text
from keras_mtl.comparison.report.context import FEW, Context
from keras_mtl.comparison.report.ranges import bins_of, range_title
from keras_mtl.evaluation.groups import members
from keras_mtl.kinds.regression import STEPS
from keras_mtl.uncertainty.conformal import LEVEL, covers, fewest_images, half_width, wilson


@dataclasses.dataclass(frozen=True, eq=False)
class Covered:
    """A net's intervals.

    Attributes:
        widths: how far they reach around a prediction, one a seed, in the task's unit.
        share: float64 [N], of each measured image the share of the seeds whose interval holds its label.
    """

    widths: list[float]
    share: np.ndarray


def coverage(context: Context, name: str) -> list:
    """Heading, text and tables of a regression: coverage of all images, by range of the label, and by group."""
    heading = Heading(f"{wording.task_name(name)}: do intervals hold the label?")
    found = {row: covered for row in context.rows_of(name) if (covered := _covered(context, row, name))}
    if not found:
        few = f"Fewer than {fewest_images()} validation images are labelled for this task: no interval can be fitted."
        return [heading, Text(few)]
    about = (
        f"Around each prediction an interval that is to hold {100 * LEVEL:g} % of the labels (split-conformal, Lei et "
        "al. 2018): as wide as the errors on validation are. That is a promise over all images like those of "
        "validation, not for each range or group: where a net errs more, fewer labels lie inside. Validation also "
        f"chose the epoch, so a little less may be held. Below each share its {context.percent} interval (Wilson), "
        "for the number of images; with several seeds shares are means over them."
    )
    task, first = context.tasks[name], context.rows_of(name)[0]
    step = task.round_part(STEPS)
    places = {row: bins_of(context, row, name, step) for row in found}
    everyone = {"All": {row: np.full(len(places[row]), True) for row in found}}
    numbers = sorted(set(bins_of(context, first, name, step).tolist()))
    ranges = {
        range_title(task, number * step, step): {row: places[row] == number for row in found} for number in numbers
    }
    unit = f", {task.unit}" if task.unit else ""
    tables = [_table(context, name, found, f"by true value{unit}", "True", {**everyone, **ranges})]
    for kind in context.group_kinds(name):
        group_of = {row: np.array(context.groups(row, name)[kind], object) for row in found}
        groups = {
            group: {row: group_of[row] == group for row in found}
            for group in members(context.groups(first, name)[kind])
        }
        title = wording.task_name(kind)
        tables.append(_table(context, name, found, f"by {wording.spaced(kind)}", title, groups))
    return [heading, Text(about), *tables]


def _covered(context: Context, row: Row, name: str) -> Covered | None:
    widths, inside = [], []
    for seed in context.results.seeds:
        width = half_width(*context.labelled(row, name, seed, "validation"))
        if math.isinf(width):
            return None
        widths.append(width)
        inside.append(covers(*context.labelled(row, name, seed), width))
    return Covered(widths, np.mean(inside, axis=0))


def _table(
    context: Context,
    name: str,
    found: dict[Row, Covered],
    by: str,
    title: str,
    chosen: dict[str, dict[Row, np.ndarray]],
) -> HtmlTable:
    task, lines = context.tasks[name], []
    for label, of_row in chosen.items():
        count = int(next(iter(of_row.values())).sum())
        look = "few" if count < FEW else ""
        cells = [_cell(context, covered.share[of_row[row]], look) for row, covered in found.items()]
        lines.append([Cell(label, look=look), Cell(f"{count:,}", look=look), *cells])
    widths = [float(np.mean(covered.widths)) for covered in found.values()]
    titles = [
        f"{row.title} (±{width:.{task.decimals + 1}f} {task.unit}".rstrip() + ")"
        for row, width in zip(found, widths, strict=True)
    ]
    caption = f"{wording.task_name(name)} {by}: share of the {context.results.split} labels in their interval."
    return HtmlTable(caption, [title, "Images", *titles], lines)


def _cell(context: Context, share: np.ndarray, look: str) -> Cell:
    if not len(share):
        return Cell(wording.NONE, look=look)
    mean = float(share.mean())
    low, high = wilson(mean, len(share), context.results.config.confidence)
    return Cell(wording.percent(mean), f"{100 * low:.1f} to {100 * high:.1f}", look)
