"""Calibration in the report: reliability diagrams and the error before and after temperature scaling."""

from __future__ import annotations

import dataclasses

import numpy as np

from keras_mtl.comparison.cells import Row
from keras_mtl.comparison.colours import dash_of
from keras_mtl.comparison.report import wording
from keras_mtl.comparison.report.blocks import Cell, Figure, HtmlTable, Panels, Text
from keras_mtl.comparison.report.context import SYMBOLS, Context
from keras_mtl.comparison.report.plots import GREY, plot
from keras_mtl.evaluation.crossed import crossed, number_parts
from keras_mtl.evaluation.metrics import metrics_for
from keras_mtl.evaluation.predictions import clusters_of
from keras_mtl.evaluation.statistics import Estimate
from keras_mtl.uncertainty.calibration_error import BINS
from keras_mtl.uncertainty.temperature import (
    Reliability,
    at_temperature,
    expected_calibration_error,
    fit_temperature,
    reliability,
)

SHOWN = ("calibration_error", "brier")
FEWEST = 10
"""Bins with fewer images are left out of the picture; the error counts them."""


@dataclasses.dataclass(frozen=True)
class Calibrated:
    """A net's calibration as trained and after temperature scaling.

    Attributes:
        temperatures: one a seed.
        plug_in: the expected calibration error, 0 to 1, mean over seeds, before and after.
        figures: the metrics of `SHOWN` with their intervals over seeds and images, before and after.
        bins: reliability before and after, all seeds together.
    """

    temperatures: list[float]
    plug_in: list[float]
    figures: list[dict[str, Estimate]]
    bins: list[Reliability]


def calibration(context: Context, name: str) -> list:
    """Text, diagrams and table of a task with classes."""
    rows = context.rows_of(name)
    found = {row: _calibrated(context, row, name) for row in rows}
    known = {row: calibrated for row, calibrated in found.items() if calibrated}
    about = (
        "How often predictions are right, by how sure the net is of them: on the grey line it is right as often as "
        "it claims. Temperature scaling softens or sharpens probabilities by one number, fitted on validation "
        f"(Guo et al. 2017). The expected calibration error (ECE) is the mean gap, over {BINS} bins of confidence; "
        f"bins with fewer than {FEWEST} images are not drawn, but counted. It is never 0, for chance alone makes gaps; "
        "the table has the root mean squared gap without that bias (Kumar et al. 2019): below 0 it is less than "
        "chance makes. The Brier score is the mean squared error of the probabilities."
    )
    if not known:
        return [Text("No validation image is labelled for this task: no temperature can be fitted.")]
    figures = [
        _diagram(context, known, 0, "As trained"),
        _diagram(context, known, 1, "After temperature scaling"),
    ]
    return [Text(about), Panels(figures, context.legend(known)), _table(context, name, known)]


def _calibrated(context: Context, row: Row, name: str) -> Calibrated | None:
    temperatures, trained, scaled = [], [], []
    for seed in context.results.seeds:
        known, fitted_on = context.labelled(row, name, seed, "validation")
        labels, probabilities = context.labelled(row, name, seed)
        if not len(known) or not len(labels):
            return None
        temperatures.append(fit_temperature(known, fitted_on))
        trained.append(probabilities)
        scaled.append(at_temperature(probabilities, temperatures[-1]))
    both = trained, scaled
    return Calibrated(
        temperatures,
        [float(np.mean([expected_calibration_error(labels, net, BINS) for net in nets])) for nets in both],
        [_estimates(context, row, name, labels, nets) for nets in both],
        [reliability(np.tile(labels, len(nets)), np.concatenate(nets), BINS) for nets in both],
    )


def _estimates(
    context: Context, row: Row, name: str, labels: np.ndarray, nets: list[np.ndarray]
) -> dict[str, Estimate]:
    known = metrics_for(context.tasks[name])
    metrics = {metric: known[metric] for metric in SHOWN}
    parts = number_parts(clusters_of(context.images(row, name, context.first_seed)))
    figures = crossed(metrics, labels, nets, parts)
    confidence = context.results.config.confidence
    return {metric: figure.estimate(confidence, metrics[metric].bounds) for metric, figure in figures.items()}


def _diagram(context: Context, found: dict[Row, Calibrated], which: int, title: str) -> Figure:
    import plotly.graph_objects as go

    line = {"color": GREY, "width": 1}
    traces = [go.Scatter(x=[0, 100], y=[0, 100], mode="lines", line=line, hoverinfo="skip")]
    low = 100.0
    for row, calibrated in found.items():
        bins = calibrated.bins[which]
        drawn = bins.count >= FEWEST
        low = min([low, *(100 * bins.accuracy[drawn]), *(100 * bins.confidence[drawn])])
        traces.append(
            go.Scatter(
                x=100 * bins.confidence[drawn],
                y=100 * bins.accuracy[drawn],
                customdata=bins.count[drawn],
                mode="lines+markers",
                legendgroup=row.key,
                line={"color": context.colour(row), "dash": dash_of(row, context.results.rows), "width": 1.6},
                marker={"size": 7, "symbol": SYMBOLS[row.variant]},
                hovertemplate=f"{row.title}<br>claims %{{x:.1f}} %, right in %{{y:.1f}} %"
                "<br>%{customdata:,} predictions<extra></extra>",
            )
        )
    ends = {"range": [max(0.0, 10 * np.floor(low / 10) - 1), 101]}
    told = "; ".join(f"{row.title} {wording.percent(net.plug_in[which])}" for row, net in found.items())
    return Figure(
        title,
        f"Reliability diagram. Expected calibration error: {told}.",
        plot(traces, x="probability of the predicted class, %", y="predicted rightly, %", xaxis=ends, yaxis=ends),
    )


def _table(context: Context, name: str, found: dict[Row, Calibrated]) -> HtmlTable:
    task, metrics = context.tasks[name], metrics_for(context.tasks[name])
    rows = []
    for row, net in found.items():
        low, high = min(net.temperatures), max(net.temperatures)
        spread = f"{low:.2f} to {high:.2f}" if len(net.temperatures) > 1 else ""
        cells = [
            Cell(wording.value(metrics[metric], task, one.value), wording.interval(metrics[metric], task, one))
            for figures in net.figures
            for metric, one in figures.items()
        ]
        temperature = Cell(f"{float(np.mean(net.temperatures)):.2f}", spread)
        rows.append([Cell(row.title), *cells[: len(SHOWN)], temperature, *cells[len(SHOWN) :]])
    titles = [wording.capital(wording.metric_name(metrics[metric])) for metric in SHOWN]
    return HtmlTable(
        f"Calibration of {name} on the {context.results.split} images as trained and scaled, with {context.percent} "
        "intervals; of the temperatures the lowest and the highest of the seeds.",
        ["Net", *titles, "Temperature", *(f"{title}, scaled" for title in titles)],
        rows,
    )
