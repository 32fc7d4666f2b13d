"""Conflict: how the gradients that the tasks sent to the trunk agreed, where a training looked at them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from keras_mtl.comparison.cells import Row
from keras_mtl.comparison.colours import LIGHT
from keras_mtl.comparison.report import wording
from keras_mtl.comparison.report.blocks import (
    Cell,
    Details,
    Figure,
    Heading,
    HtmlTable,
    LegendEntry,
    Panels,
    Section,
    Text,
)
from keras_mtl.comparison.report.context import Context
from keras_mtl.comparison.report.plots import plot, vertical

WHOLE = "whole"
POINTS = 20  # of a curve: each is the mean over a part of the training, since single looks scatter
CURVES = 6
PAIRS = 30
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
HEAD = ("Looks with\na conflict", "Conflicting\npairs", "Mean cosine", "Magnitudes'\nsimilarity")
SCALE = [[0.0, "#b2182b"], [0.5, "#f7f7f7"], [1.0, "#2166ac"]]
ABOUT = (
    "Every so many steps a look was taken at the gradients that the tasks' losses send to the weights that they share. "
    "Two tasks conflict in a look where the cosine of their gradients is negative: what helps the one then hurts the "
    "other. From -1, opposite, over 0, nothing in common, to 1, the same. The magnitudes' similarity is 1 where both "
    "gradients are equally long and goes to 0 the more one outweighs the other. A look sees one batch, and gradients "
    "of different images that have nothing in common conflict in half of the looks by chance. "
    "A stage that a task's branch leaves the trunk below has no gradient of that task."
)


def section(context: Context) -> Section | None:
    """Cosines by stage and over training; None where no net's training looked at them."""
    found = {row: looks for row in context.results.nets if (looks := _looks(context, row)) is not None}
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


def _looks(context: Context, row: Row) -> pd.DataFrame | None:
    """The looks of a net's trainings: `conflict.csv` of all seeds, with columns `seed`, `pair`, `images`."""
    found = []
    for seed in context.results.seeds:
        cell = context.results.cell(row, seed)
        if cell.run.conflict_path.is_file():
            frame = pd.read_csv(cell.run.conflict_path, keep_default_na=False, na_values={"cosine": [""]})
            found.append(frame.assign(seed=seed, thousands=frame["step"] * cell.config.batch_size / 1000))
    looks = pd.concat(found, ignore_index=True) if found else None
    if looks is None or looks.empty:
        return None
    looks["conflicts"] = looks["cosine"] < 0
    return looks.assign(pair=[_pair(*names) for names in zip(looks["task"], looks["other"], strict=True)])


def _pair(task: str, other: str) -> str:
    return f"{wording.spaced(task)} and {wording.spaced(other)}"


def _row(looks: pd.DataFrame) -> list:
    count = looks.groupby("seed")["step"].nunique().sum()
    stages = list(dict.fromkeys(looks["stage"]))
    matrices = Panels(
        [_matrix(looks[looks["stage"] == stage], stage) for stage in stages],
        caption=f"Mean cosine over {count:,} looks. Red: conflict; blue: agreement.",
    )
    whole = looks[looks["stage"] == WHOLE]
    curves = _curves(whole)
    return [matrices, curves, Details("The same in figures", [_by_stage(looks, stages), _by_pair(looks, stages)])]


def _matrix(looks: pd.DataFrame, stage: str) -> Figure:
    import plotly.graph_objects as go

    means = looks.groupby(["task", "other"], sort=False, as_index=False)["cosine"].mean()
    names = list(dict.fromkeys([*looks["task"], *looks["other"]]))
    values = np.full((len(names), len(names)), np.nan)
    for task, other, mean in zip(means["task"], means["other"], means["cosine"], strict=True):
        one, two = names.index(task), names.index(other)
        values[one, two] = values[two, one] = mean
    titles = [wording.spaced(name) for name in names]
    few = len(names) <= 10
    trace = go.Heatmap(
        x=titles,
        y=titles,
        z=[[None if np.isnan(value) else round(float(value), 4) for value in line] for line in values],
        zmin=-1,
        zmax=1,
        colorscale=SCALE,
        showscale=False,
        xgap=2,
        ygap=2,
        texttemplate="%{z:+.2f}" if few else None,
        hovertemplate="%{y} and %{x}: %{z:+.3f}<extra></extra>",
        hoverongaps=False,
    )
    pairs = list(dict.fromkeys(looks["pair"]))
    told = "; ".join(f"{pair} {_signed(looks[looks['pair'] == pair]['cosine'].mean())}" for pair in pairs[:PAIRS])
    axis = {"showgrid": False, "ticks": "", "constrain": "domain"}
    shown = plot(
        [trace],
        height=max(230, 14 * len(names) + 110),
        xaxis={**axis, "side": "bottom", "showticklabels": few},
        yaxis={**axis, "autorange": "reversed"},
    )
    return Figure(_stage(stage), f"Mean cosines: {told}.", shown)


def _curves(looks: pd.DataFrame) -> Panels:
    import plotly.graph_objects as go

    lowest = looks.groupby("pair")["cosine"].mean().sort_values().index[:CURVES]
    drawn = [pair for pair in dict.fromkeys(looks["pair"]) if pair in set(lowest)]
    palette = LIGHT[1:3] + LIGHT[4:]
    looks_of = {pair: (palette[index % len(palette)], DASHES[index]) for index, pair in enumerate(drawn)}
    panels, last = [], float(looks["thousands"].max())
    for title, column, by, unit in (
        ("Cosine over training", "cosine", 1.0, ""),
        ("Looks with conflict over training", "conflicts", 100.0, "%"),
    ):
        traces, told = [], []
        for pair, (colour, dash) in looks_of.items():
            own = looks[looks["pair"] == pair]
            x, y = _means(own["thousands"], by * own[column], last)
            line = {"color": colour, "dash": dash, "width": 2}
            hover = f"{pair}<br>%{{x:.1f}} thousand images<br>%{{y:.2f}} {unit}<extra></extra>"
            mode = "lines" if len(x) > 1 else "markers"
            traces.append(go.Scatter(x=x, y=y, line=line, mode=mode, legendgroup=pair, hovertemplate=hover))
            told.append(f"{pair} {y[-1]:.2f} {unit}".rstrip())
        limits = {"range": [-2, 102]} if unit else {}
        zero = [] if unit else [{**vertical(0), "yref": "y", "xref": "paper", "x0": 0, "x1": 1, "y0": 0, "y1": 0}]
        shown = plot(
            traces,
            x="thousand images",
            y=unit,
            height=300,
            xaxis={"range": [0, 1.03 * last]},
            yaxis=limits,
            shapes=zero,
        )
        panels.append(Figure(title, "At the end of training: " + "; ".join(told) + ".", shown))
    legend = [LegendEntry(pair, pair, colour, dash) for pair, (colour, dash) in looks_of.items()]
    share = wording.percent(_with_conflict(looks))
    caption = (
        "In the whole trunk; each point is the mean over a part of the training. "
        f"In {share} of the looks some pair conflicted."
    )
    if looks["pair"].nunique() > len(drawn):
        caption += f" Shown are the {len(drawn)} pairs that agreed least."
    return Panels(panels, legend, caption)


def _means(x: pd.Series, y: pd.Series, last: float) -> tuple[list[float], list[float]]:
    """Means of x and y over equal parts of the training; parts without a look are left out."""
    part = np.minimum((x / last * POINTS).astype(int), POINTS - 1)
    means = pd.DataFrame({"x": x, "y": y.astype(float)}).groupby(part).mean()
    return means["x"].tolist(), means["y"].tolist()


def _by_stage(looks: pd.DataFrame, stages: list[str]) -> HtmlTable:
    lines = [[_stage(stage), *_figures(looks[looks["stage"] == stage])] for stage in stages]
    return HtmlTable("Over all pairs of tasks, by stage of the trunk.", ["Stage", *HEAD], lines)


def _figures(looks: pd.DataFrame) -> list[str]:
    """What `HEAD` says, of the looks at a stage."""
    shares = (_with_conflict(looks), float(looks["conflicts"].mean()))
    similarity = looks["magnitude_similarity"].mean()
    return [*map(wording.percent, shares), _signed(looks["cosine"].mean()), f"{similarity:.2f}"]


def _with_conflict(looks: pd.DataFrame) -> float:
    """The share of the looks at a stage in which some pair conflicted."""
    return float(looks.groupby(["seed", "step"])["conflicts"].any().mean())


def _by_pair(looks: pd.DataFrame, stages: list[str]) -> HtmlTable:
    order = looks[looks["stage"] == WHOLE].groupby("pair")["cosine"].mean().sort_values().index[:PAIRS]
    lines = []
    for pair in order:
        cells = []
        for stage in stages:
            own = looks[(looks["pair"] == pair) & (looks["stage"] == stage)]
            share = wording.percent(float(own["conflicts"].mean()), 0)
            cells.append(Cell(_signed(own["cosine"].mean()), f"{share}" if len(own) else ""))
        lines.append([Cell(pair), *cells])
    caption = "Mean cosine of each pair, and below it the share of looks in which the two conflicted."
    if looks["pair"].nunique() > PAIRS:
        caption += f" Shown are the {PAIRS} pairs that agreed least."
    return HtmlTable(caption, ["Tasks", *map(_stage, stages)], lines)


def _stage(stage: str) -> str:
    """A part of the trunk as a heading has it."""
    return "Whole trunk" if stage == WHOLE else wording.capital(stage.replace("stage", "stage "))


def _signed(cosine: float) -> str:
    return wording.NONE if np.isnan(cosine) else f"{cosine:+.2f}".replace("-", "−")
