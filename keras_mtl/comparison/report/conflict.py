"""Conflict: how the gradients that the tasks sent to the trunk agreed, where a training looked at them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from keras_mtl.comparison.report import wording
from keras_mtl.comparison.report.blocks import Cell, Details, Heading, HtmlTable, Panels, Section, Text
from keras_mtl.comparison.report.conflict_figures import (
    NOT_TOLD,
    by_chance,
    by_pairs,
    has_signal,
    interval,
    looks_of,
    signal_share,
    signed,
    stage_title,
    told,
    value_of,
    with_conflict,
)
from keras_mtl.comparison.report.conflict_plots import PAIRS, curves, matrix
from keras_mtl.comparison.report.context import Context
from keras_mtl.training.conflict_cosine import HALF_WIDTH, WHOLE

HEAD = (
    *("Cosine\nwithout noise", "Pairs: conflict,\nagree, not told", "Looks\nneeded", "Signal in\na batch"),
    *("Cosine\nof a batch", "Looks with\na conflict", "By\nchance", "Conflicting\npairs", "Magnitudes'\nsimilarity"),
)
ABOUT = (
    "Every so many steps a look was taken at the gradients that the tasks' losses send to the weights that they share. "
    "Two tasks conflict where the cosine of their gradients is negative: what helps the one then hurts the other. From "
    "-1, opposite, over 0, nothing in common, to 1, the same. A look sees one batch, and nearly all of its gradients "
    "is noise of that batch: its own cosine says little, and pairs with nothing in common conflict in half of the "
    "looks by chance. The cosine without noise is of all looks together, by products of gradients of different images; "
    "looks with longer gradients count more. Behind it is its 95 % interval, and how many looks of this batch size it "
    f"would take for one of {HALF_WIDTH:g} to each side. {NOT_TOLD}: the looks are too few to tell. The magnitudes' "
    "similarity is 1 where both gradients of a batch are equally long and goes to 0 the more one outweighs the other. "
    "A stage that a task's branch leaves the trunk below has no gradient of that task."
)
OLD = " This training was looked at before noise was told apart: cosines are means of batches' own."


def section(context: Context) -> Section | None:
    """Cosines by stage and over training; None where no net's training looked at them."""
    found = {row: looks for row in context.results.nets if (looks := looks_of(context, row)) is not None}
    if not found:
        return None
    blocks: list = [Text(ABOUT)]
    if len(found) > 1:
        lines = [[row.title, *_figures(looks[looks["stage"] == WHOLE])] for row, looks in found.items()]
        blocks.append(HtmlTable("Over all pairs of tasks, in the whole trunk.", ["Net", *HEAD], lines))
    for row, looks in found.items():
        if any(row in context.rows_of(task) for task in context.tasks):
            blocks += [Heading(row.title), *_row(looks)]
    return Section("conflict", "Conflict", blocks)


def _row(looks: pd.DataFrame) -> list:
    count = looks.groupby("seed")["step"].nunique().sum()
    stages = list(dict.fromkeys(looks["stage"]))
    caption = f"Cosine without noise over {count:,} looks. Red: conflict; blue: agreement; grey: not told."
    matrices = Panels(
        [matrix(looks[looks["stage"] == stage], stage) for stage in stages],
        caption=caption + ("" if has_signal(looks) else OLD),
    )
    over_training = curves(looks[looks["stage"] == WHOLE])
    return [
        matrices,
        over_training,
        Details("The same in figures", [_by_stage(looks, stages), _by_pair(looks, stages)]),
    ]


def _by_stage(looks: pd.DataFrame, stages: list[str]) -> HtmlTable:
    lines = [[stage_title(stage), *_figures(looks[looks["stage"] == stage])] for stage in stages]
    return HtmlTable("Over all pairs of tasks, by stage of the trunk.", ["Stage", *HEAD], lines)


def _figures(looks: pd.DataFrame) -> list[Cell | str]:
    """What `HEAD` says, of the looks at a stage."""
    cosines = list(by_pairs(looks).values())
    values = [value for value in map(value_of, cosines) if not np.isnan(value)]
    mean = signed(float(np.mean(values))) if values else NOT_TOLD
    only = interval(cosines[0]) if len(cosines) == 1 else ""
    conflict, agree = sum(one.high < 0 for one in cosines), sum(one.low > 0 for one in cosines)
    pairs = f"{conflict}, {agree}, {len(cosines) - conflict - agree}" if has_signal(looks) else wording.NONE
    slowest = max(cosines, key=lambda one: (np.isnan(one.needed), one.needed))
    return [
        *(
            Cell(mean, only) if only else mean,
            pairs,
            slowest.looks_needed if has_signal(looks) else wording.NONE,
        ),
        *(wording.percent(signal_share(looks)), signed(looks["cosine"].mean())),
        *map(wording.percent, (with_conflict(looks), by_chance(looks), float(looks["conflicts"].mean()))),
        f"{looks['magnitude_similarity'].mean():.2f}",
    ]


def _by_pair(looks: pd.DataFrame, stages: list[str]) -> HtmlTable:
    by_stage = {stage: by_pairs(looks[looks["stage"] == stage]) for stage in stages}
    lines = []
    for pair in list(by_stage[WHOLE])[:PAIRS]:
        found = [by_stage[stage].get(pair) for stage in stages]
        lines.append(
            [Cell(pair), *(Cell(wording.NONE) if one is None else Cell(told(one), interval(one)) for one in found)]
        )
    caption = (
        "Cosine without noise of each pair, and below it its 95 % interval and the looks that one of "
        f"{HALF_WIDTH:g} to each side needs."
    )
    caption += "" if has_signal(looks) else OLD
    if looks["pair"].nunique() > PAIRS:
        caption += f" Shown are the {PAIRS} pairs that agreed least."
    return HtmlTable(caption, ["Tasks", *map(stage_title, stages)], lines)
