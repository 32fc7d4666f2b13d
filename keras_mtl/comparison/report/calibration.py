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
from keras_mtl.evaluation.calibration import (
    Reliability,
    at_temperature,
    expected_calibration_error,
    fit_temperature,
    reliability,
)

BINS = 15
FEWEST = 10
"""Bins with fewer images are left out of the picture; the error counts them."""


@dataclasses.dataclass(frozen=True)
class Calibrated:
    """A net's calibration.

    Attributes:
        temperatures, before, after: one value a seed; the errors are 0 to 1.
        bins: reliability before and after, all seeds together.
    """

    temperatures: list[float]
    before: list[float]
    after: list[float]
    bins: tuple[Reliability, Reliability]


def calibration(context: Context, name: str) -> list:
    """Text, diagrams and table of a task with classes."""
    rows = context.rows_of(name)
    found = {row: _calibrated(context, row, name) for row in rows}
    known = {row: calibrated for row, calibrated in found.items() if calibrated}
    about = (
        "How often predictions are right, by how sure the net is of them: on the grey line it is right as often as "
        "it claims. Temperature scaling softens or sharpens probabilities by one number, fitted on validation "
        f"(Guo et al. 2017). The expected calibration error (ECE) is the mean gap, over {BINS} bins of confidence; "
        f"bins with fewer than {FEWEST} images are not drawn, but counted."
    )
    if not known:
        return [Text("No validation image is labelled for this task: no temperature can be fitted.")]
    figures = [
        _diagram(context, known, 0, "As trained"),
        _diagram(context, known, 1, "After temperature scaling"),
    ]
    return [Text(about), Panels(figures, context.legend(known)), _table(context, name, known)]


def _calibrated(context: Context, row: Row, name: str) -> Calibrated | None:
    temperatures, before, after, pooled = [], [], [], []
    for seed in context.results.seeds:
        known, fitted_on = context.labelled(row, name, seed, "validation")
        labels, probabilities = context.labelled(row, name, seed)
        if not len(known) or not len(labels):
            return None
        temperature = fit_temperature(known, fitted_on)
        scaled = at_temperature(probabilities, temperature)
        temperatures.append(temperature)
        before.append(expected_calibration_error(labels, probabilities, BINS))
        after.append(expected_calibration_error(labels, scaled, BINS))
        pooled.append((labels, probabilities, scaled))
    labels, probabilities, scaled = (np.concatenate(parts) for parts in zip(*pooled, strict=True))
    bins = reliability(labels, probabilities, BINS), reliability(labels, scaled, BINS)
    return Calibrated(temperatures, before, after, bins)


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
    errors = [(c.before, c.after)[which] for c in found.values()]
    told = "; ".join(
        f"{row.title} {wording.percent(float(np.mean(error)))}" for row, error in zip(found, errors, strict=True)
    )
    return Figure(
        title,
        f"Reliability diagram. Expected calibration error: {told}.",
        plot(traces, x="probability of the predicted class, %", y="predicted rightly, %", xaxis=ends, yaxis=ends),
    )


def _table(context: Context, name: str, found: dict[Row, Calibrated]) -> HtmlTable:
    many = len(context.results.seeds) > 1

    def cell(values: list[float], shown) -> Cell:
        return Cell(shown(float(np.mean(values))), f"{shown(min(values))} to {shown(max(values))}" if many else "")

    rows = [
        [
            Cell(row.title),
            cell(calibrated.before, wording.percent),
            cell(calibrated.temperatures, lambda value: f"{value:.2f}"),
            cell(calibrated.after, wording.percent),
        ]
        for row, calibrated in found.items()
    ]
    return HtmlTable(
        f"Expected calibration error of {name} on the {context.results.split} images"
        + ("; mean, and lowest to highest of the seeds." if many else "."),
        ["Net", "ECE as trained", "Temperature", "ECE scaled"],
        rows,
    )
