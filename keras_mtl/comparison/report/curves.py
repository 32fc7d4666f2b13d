"""Learning curves: each task's validation figures over the images that a net was shown."""

from __future__ import annotations

import numpy as np

from keras_mtl.comparison.cells import Row
from keras_mtl.comparison.colours import dash_of
from keras_mtl.comparison.report import wording
from keras_mtl.comparison.report.blocks import Figure, Panels, Section, Text
from keras_mtl.comparison.report.context import MANY, Context
from keras_mtl.comparison.report.plots import plot


def section(context: Context) -> Section:
    """Curves of the main metric and the loss of each task."""
    seeds = len(context.results.seeds)
    about = (
        "On validation images, once an epoch, over the images that the net was shown in its own training; those of "
        "the multitask net are of all tasks together. Pruned nets begin with what the multitask net has learned. "
        "The model of the best epoch by the validation score is the one that was kept."
    )
    if seeds > 1:
        crowded = any(_is_crowded(context, name) for name in context.tasks)
        about += " Lines are means over seeds." if crowded else " Bold lines are means over seeds, thin ones the seeds."
    blocks: list = [Text(about)]
    for name, task in context.tasks.items():
        metric = context.metric(name)
        unit = wording.unit(metric, task)
        title = f"{wording.task_name(name)}: {wording.metric_name(metric)}"
        figures = [
            _curves(context, name, title, unit, f"val_{name}_{metric.name}", wording.scale(metric)),
            _curves(context, name, f"{wording.task_name(name)}: loss", "", f"val_{name}_loss", 1.0),
        ]
        drawn = [figure for figure in figures if figure]
        if drawn:
            blocks.append(Panels(drawn, context.legend(context.all_rows_of(name))))
        else:
            blocks.append(Text(f"{wording.task_name(name)}: no validation figures were kept."))
    return Section("curves", "Learning curves", blocks)


def _is_crowded(context: Context, task: str) -> bool:
    """Whether a task has too many nets for a line of each seed."""
    return len(context.all_rows_of(task)) > 2 * MANY


def _curves(context: Context, task: str, title: str, unit: str, key: str, by: float) -> Figure | None:
    import plotly.graph_objects as go

    traces, ends, last = [], [], 0.0
    for row in context.all_rows_of(task):
        lines = [line for seed in context.results.seeds if (line := _line(context, row, seed, key, by)) is not None]
        if not lines:
            continue
        look = {"color": context.colour(row), "dash": dash_of(row, context.results.rows)}
        common = {"mode": "lines", "legendgroup": row.key}
        if len(lines) > 1 and not _is_crowded(context, task):
            traces += [
                go.Scatter(
                    x=x, y=y, line={"color": look["color"], "width": 1}, opacity=0.35, hoverinfo="skip", **common
                )
                for x, y in lines
            ]
        x = max((line[0] for line in lines), key=len)
        last = max(last, float(x[-1]))
        mean = _mean([y for _, y in lines])
        hover = f"{row.title}<br>%{{x:.1f}} thousand images<br>%{{y:.3g}} {unit}<extra></extra>"
        if len(x) == 1:
            common["mode"] = "markers"
        traces.append(go.Scatter(x=x, y=mean, line={**look, "width": 2.5}, hovertemplate=hover, **common))
        ends.append(f"{row.title} {mean[-1]:.3g} {unit}".rstrip())
    if not traces:
        return None
    shown = plot(traces, x="thousand images", y=unit, xaxis={"range": [0, 1.03 * last]}, height=300)
    return Figure(title, "Curves by epoch; at the end of training: " + "; ".join(ends) + ".", shown)


def _line(context: Context, row: Row, seed: int, key: str, by: float) -> tuple[np.ndarray, np.ndarray] | None:
    """x and y of a net's curve; None where its history does not have it."""
    history = context.results.training(row, seed)["history"]
    if not history or not all(key in entry for entry in history):
        return None
    thousands = np.array(context.results.images_seen(row, seed)) / 1000
    return thousands, by * np.array([entry[key] for entry in history], np.float64)


def _mean(lines: list[np.ndarray]) -> np.ndarray:
    """The mean at each epoch over the lines that got so far."""
    longest = max(map(len, lines))
    padded = np.full((len(lines), longest), np.nan)
    for index, line in enumerate(lines):
        padded[index, : len(line)] = line
    return np.nanmean(padded, axis=0)
