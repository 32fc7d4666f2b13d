"""Tasks with classes: confusion, ROC and precision-recall curves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from keras_mtl.comparison.cells import Row
from keras_mtl.comparison.colours import dash_of
from keras_mtl.comparison.report import wording
from keras_mtl.comparison.report.blocks import Details, Figure, Heading, HtmlTable, Panels, Section, Text
from keras_mtl.comparison.report.calibration import calibration
from keras_mtl.comparison.report.context import Context
from keras_mtl.comparison.report.plots import GREY, plot
from keras_mtl.kinds import kind_of

GRID = np.linspace(0, 1, 101)


def section(context: Context) -> Section | None:
    """Confusion, curves and calibration of each task with classes; None where there is none."""
    blocks: list = []
    for name, task in context.tasks.items():
        labels, _ = context.labelled(context.rows_of(name)[0], name, context.first_seed)
        if kind_of(task).shown == "classes" and len(labels):
            title = wording.task_name(name)
            blocks += [Heading(f"{title}: confusion"), *_confusion(context, name)]
            blocks += [Heading(f"{title}: ROC and precision-recall"), *_curves(context, name)]
            blocks += [Heading(f"{title}: calibration"), *calibration(context, name)]
    return Section("classes", "Classes predicted", blocks) if blocks else None


def confusion(context: Context, row: Row, name: str) -> np.ndarray:
    """How many images of each class (rows) were predicted as each class, mean over seeds: float64 [K, K]."""
    size = len(context.tasks[name].classes)
    total = np.zeros((size, size))
    for seed in context.results.seeds:
        labels, probabilities = context.labelled(row, name, seed)
        np.add.at(total, (labels, probabilities.argmax(1)), 1)
    return total / len(context.results.seeds)


def _confusion(context: Context, name: str) -> list:
    seeds = ", means over seeds" if len(context.results.seeds) > 1 else ""
    text = f"Percent of the images of a true class, and below how many these are{seeds}; a row sums to 100 %."
    if len(context.tasks[name].classes) > 3:
        text = f"Percent of the images of a true class{seeds}; a row sums to 100 %."
    matrices = Panels([_matrix(context, row, name) for row in context.rows_of(name)])
    counts = [_counts(context, row, name) for row in context.rows_of(name)]
    return [Text(text), matrices, Details("How many images these are", counts)]


def _counts(context: Context, row: Row, name: str) -> HtmlTable:
    classes = context.tasks[name].classes
    counts = [[f"{count:,.1f}".removesuffix(".0") for count in line] for line in confusion(context, row, name)]
    rows = [[true, *line] for true, line in zip(classes, counts, strict=True)]
    return HtmlTable(f"{row.title}: true class by row, predicted class by column.", ["", *classes], rows)


def _matrix(context: Context, row: Row, name: str) -> Figure:
    import plotly.graph_objects as go

    classes = list(context.tasks[name].classes)
    counts = confusion(context, row, name)
    of_class = counts.sum(1, keepdims=True)
    shares = np.divide(counts, of_class, out=np.full_like(counts, np.nan), where=of_class > 0)
    few = len(classes) <= 3
    texts = [
        [
            (f"{100 * share:.1f} %<br>{count:,.0f}" if few else f"{100 * share:.0f}") if share == share else ""
            for share, count in zip(*pair, strict=True)
        ]
        for pair in zip(shares, counts, strict=True)
    ]
    heat = go.Heatmap(
        x=classes,
        y=classes,
        z=100 * shares,
        zmin=0,
        zmax=100,
        text=texts,
        texttemplate="%{text}",
        customdata=counts,
        textfont={"size": 13 if few else 11},
        colorscale=[[0, "rgba(59,110,190,0.04)"], [1, "rgba(59,110,190,0.62)"]],
        showscale=False,
        xgap=2,
        ygap=2,
        hovertemplate="true %{y}<br>predicted %{x}<br>%{z:.1f} %, %{customdata:,.1f} images<extra></extra>",
    )
    told = "; ".join(
        f"{true}: {wording.percent(shares[index, index])} right, {of_class[index, 0]:,.0f} images"
        for index, true in enumerate(classes)
    )
    flat = {"showgrid": False, "type": "category", "ticks": ""}
    return Figure(
        row.title,
        f"Confusion matrix. {told}.",
        plot(
            [heat],
            x="predicted",
            y="true",
            height=240 if few else 340,
            xaxis=flat,
            yaxis={**flat, "autorange": "reversed"},
        ),
    )


def _curves(context: Context, name: str) -> list:
    classes = context.tasks[name].classes
    if len(classes) == 2:
        about = f"How well “{classes[1]}” is told from “{classes[0]}” at any threshold"
    else:
        about = "Each class against all others, mean over the classes"
    seeds = "; lines are means over seeds" if len(context.results.seeds) > 1 else ""
    rows = context.rows_of(name)
    found = {row: [_both(context, row, name, seed) for seed in context.results.seeds] for row in rows}
    figures = [
        _figure(context, found, 0, "ROC", "false positives, %", "true positives, %"),
        _figure(context, found, 1, "Precision and recall", "recall, %", "precision, %"),
    ]
    table = HtmlTable(
        f"Area under the ROC curve, and average precision{', means over seeds' if seeds else ''}.",
        ["Net", "ROC AUC", "Average precision"],
        [[row.title, *(f"{np.nanmean([one[i] for one in found[row]]):.3f}" for i in (2, 3))] for row in rows],
    )
    text = Text(f"{about}{seeds}. Precision is the best at that recall or a higher one.")
    return [text, Panels(figures, context.legend(rows)), table]


def _both(context: Context, row: Row, name: str, seed: int) -> tuple[np.ndarray, np.ndarray, float, float]:
    """ROC and precision-recall curve of a net on `GRID`, and the areas, mean over the classes that are there."""
    from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

    labels, probabilities = context.labelled(row, name, seed)
    size = probabilities.shape[1]
    curves: list[tuple] = []
    for index in [1] if size == 2 else range(size):
        truth, scores = labels == index, probabilities[:, index]
        if truth.all() or not truth.any():
            continue
        false, true, _ = roc_curve(truth, scores)
        precision, recall, _ = precision_recall_curve(truth, scores)
        best = np.maximum.accumulate(precision)  # sklearn lists recall falling: the best at this recall or higher
        at = np.searchsorted(recall[::-1], GRID, side="left")
        curves.append(
            (
                np.interp(GRID, false, true),
                best[::-1][np.minimum(at, len(best) - 1)],
                roc_auc_score(truth, scores),
                average_precision_score(truth, scores),
            )
        )
    if not curves:
        none = np.full(len(GRID), np.nan)
        return none, none, float("nan"), float("nan")
    mean: Callable = lambda part: np.mean([curve[part] for curve in curves], axis=0)  # noqa: E731
    return mean(0), mean(1), float(mean(2)), float(mean(3))


def _figure(context: Context, found: dict, part: int, title: str, x: str, y: str) -> Figure:
    import plotly.graph_objects as go

    traces = []
    if part == 0:
        chance = {"color": GREY, "width": 1}
        traces.append(go.Scatter(x=[0, 100], y=[0, 100], mode="lines", line=chance, hoverinfo="skip"))
    for row, curves in found.items():
        traces.append(
            go.Scatter(
                x=100 * GRID,
                y=100 * np.mean([curve[part] for curve in curves], axis=0),
                mode="lines",
                legendgroup=row.key,
                line={"color": context.colour(row), "dash": dash_of(row, context.results.rows), "width": 2.2},
                hovertemplate=f"{row.title}<br>%{{x:.0f}} %, %{{y:.1f}} %<extra></extra>",
            )
        )
    areas = "; ".join(f"{row.title} {np.mean([curve[2 + part] for curve in c]):.3f}" for row, c in found.items())
    ends = {"range": [-1, 101]}
    return Figure(
        title, f"Areas under the curves: {areas}.", plot(traces, x=x, y=y, xaxis=ends, yaxis=ends, height=320)
    )
