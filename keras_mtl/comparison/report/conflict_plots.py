"""The report's plots of conflict: a matrix of cosines a stage, and curves over training."""

from __future__ import annotations

import numpy as np
import pandas as pd

from keras_mtl.comparison.colours import LIGHT
from keras_mtl.comparison.report import wording
from keras_mtl.comparison.report.blocks import Figure, LegendEntry, Panels
from keras_mtl.comparison.report.conflict_figures import (
    NOT_TOLD,
    by_chance,
    by_pairs,
    cosine_of,
    has_signal,
    stage_title,
    told,
    value_of,
    with_conflict,
)
from keras_mtl.comparison.report.plots import plot, vertical

POINTS = 20  # of a curve, over equal parts of the training, since single looks scatter
CURVES = 6
PAIRS = 30
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SCALE = [[0.0, "#b2182b"], [0.5, "#f7f7f7"], [1.0, "#2166ac"]]


def matrix(looks: pd.DataFrame, stage: str) -> Figure:
    """The cosines of a stage by two tasks."""
    import plotly.graph_objects as go

    cosines = by_pairs(looks)
    names = list(dict.fromkeys([*looks["task"], *looks["other"]]))
    values = np.full((len(names), len(names)), np.nan)
    for task, other, pair in looks[["task", "other", "pair"]].drop_duplicates().itertuples(index=False):
        one, two = names.index(task), names.index(other)
        values[one, two] = values[two, one] = value_of(cosines[pair])
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
    in_words = "; ".join(f"{pair} {told(cosine)}" for pair, cosine in list(cosines.items())[:PAIRS])
    axis = {"showgrid": False, "ticks": "", "constrain": "domain"}
    shown = plot(
        [trace],
        height=max(230, 14 * len(names) + 110),
        xaxis={**axis, "side": "bottom", "showticklabels": few},
        yaxis={**axis, "autorange": "reversed"},
    )
    return Figure(stage_title(stage), f"Cosines: {in_words}.", shown)


def curves(looks: pd.DataFrame) -> Panels:
    """Cosines and shares of conflict over training, of the pairs that agree least."""
    import plotly.graph_objects as go

    drawn = list(by_pairs(looks))[:CURVES]
    palette = LIGHT[1:3] + LIGHT[4:]
    styles = {pair: (palette[index % len(palette)], DASHES[index]) for index, pair in enumerate(drawn)}
    panels, last = [], float(looks["thousands"].max())
    is_new = has_signal(looks)
    for title, unit in (("Cosine so far" if is_new else "Cosine", ""), ("Looks with conflict over training", "%")):
        traces, ends = [], []
        for pair, (colour, dash) in styles.items():
            own = looks[looks["pair"] == pair]
            if unit:
                x, y = _means(own["thousands"], 100.0 * own["conflicts"], last)
            else:
                x, y = _so_far(own, last) if is_new else _means(own["thousands"], own["cosine"], last)
            line = {"color": colour, "dash": dash, "width": 2}
            hover = f"{pair}<br>%{{x:.1f}} thousand images<br>%{{y:.2f}} {unit}<extra></extra>"
            mode = "lines" if len(x) > 1 else "markers"
            traces.append(go.Scatter(x=x, y=y, line=line, mode=mode, legendgroup=pair, hovertemplate=hover))
            ends.append(f"{pair} {y[-1]:.2f} {unit}".rstrip() if y else f"{pair} {NOT_TOLD}")
        limits = {"range": [-2, 102]} if unit else {}
        level = 50 if unit else 0  # of gradients that have nothing in common
        line = {**vertical(0), "yref": "y", "xref": "paper", "x0": 0, "x1": 1, "y0": level, "y1": level}
        shown = plot(
            traces,
            x="thousand images",
            y=unit,
            height=300,
            xaxis={"range": [0, 1.03 * last]},
            yaxis=limits,
            shapes=[line],
        )
        panels.append(Figure(title, "At the end of training: " + "; ".join(ends) + ".", shown))
    legend = [LegendEntry(pair, pair, colour, dash) for pair, (colour, dash) in styles.items()]
    share = wording.percent(with_conflict(looks))
    caption = (
        "In the whole trunk; on the left without noise over the looks so far, on the right the share of a part of the "
        f"training's looks. In {share} of the looks some pair conflicted; gradients with nothing in common would in "
        f"{wording.percent(by_chance(looks))}."
    )
    if looks["pair"].nunique() > len(drawn):
        caption += f" Shown are the {len(drawn)} pairs that agreed least."
    return Panels(panels, legend, caption)


def _so_far(looks: pd.DataFrame, last: float) -> tuple[list[float], list[float]]:
    """A pair's cosine without noise up to the end of each part of the training, from where the looks tell it."""
    x, y = [], []
    for end in last * np.arange(1, POINTS + 1) / POINTS:
        value = value_of(cosine_of(looks[looks["thousands"] <= end * (1 + 1e-9)]))
        if not np.isnan(value):
            x.append(float(end))
            y.append(value)
    return x, y


def _means(x: pd.Series, y: pd.Series, last: float) -> tuple[list[float], list[float]]:
    """Means of x and y over equal parts of the training; parts without a look are left out."""
    part = np.minimum((x / last * POINTS).astype(int), POINTS - 1)
    means = pd.DataFrame({"x": x, "y": y.astype(float)}).groupby(part).mean()
    return means["x"].tolist(), means["y"].tolist()
