"""A table's text, before it is aligned for the terminal or written as Markdown: cells and how figures stand in them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from keras_mtl.comparison.verdicts import Difference
from keras_mtl.evaluation.metrics import Metric, main_metric
from keras_mtl.evaluation.scoring import readable, unit_of
from keras_mtl.evaluation.statistics import Estimate
from keras_mtl.tasks import Task

ABBREVIATIONS = ("mae", "rmse")
NONE = "-"


@dataclasses.dataclass(frozen=True)
class Grid:
    """Rows of text under a title.

    Attributes:
        title: stands above.
        rows: cells; the first row is the heading.
        right: the columns of numbers.
        below: a sentence that stands below.
        notes: more of them, as a list.
    """

    title: str
    rows: list[tuple[str, ...]]
    right: tuple[int, ...]
    below: str = ""
    notes: tuple[str, ...] = ()


def heading(task: Task, metric: Metric, *, difference: bool = False) -> str:
    """A metric's name for a column: "Age MAE (years)"; the difference of two shares is in percentage points."""
    unit = unit_of(metric, task, share="points" if difference else "%")
    name = metric.name.upper() if metric.name in ABBREVIATIONS else metric.name.replace("_", " ")
    return f"{task.name.replace('_', ' ').capitalize()} {name}" + (f" ({unit})" if unit else "")


def with_interval(estimate: Estimate, metric: Metric, task: Task, between: str) -> str:
    """A figure and its interval, such as "7.42 (7.01–7.86)"."""
    value, low, high = (
        readable(None if math.isnan(number) else number, metric, task, with_unit=False)
        for number in (estimate.value, estimate.low, estimate.high)
    )
    return value if math.isnan(estimate.low) else f"{value} ({low}{between}{high})"


def signed(number: float, metric: Metric, task: Task) -> str:
    """A difference with its sign."""
    if math.isnan(number):
        return NONE
    text = readable(abs(number), metric, task, with_unit=False)
    if not float(text):
        return text
    return ("-" if number < 0 else "+") + text


def ratio(number: float) -> str:
    return NONE if math.isnan(number) else f"{number:.2f}"


def chance(p_value: float) -> str:
    if math.isnan(p_value):
        return NONE
    return "<0.001" if p_value < 0.001 else f"{p_value:.3f}"


def as_good(found: Difference, task: Task) -> str:
    """Whether a net is shown to be as good as the other, such as "yes, within 0.50"; "-" where it was not asked."""
    if found.as_good is None:
        return NONE
    metric = main_metric(task)
    margin = readable(found.margin, metric, task, with_unit=False)
    return f"yes, within {margin}" if found.as_good else f"not shown, within {margin}"


def best_of(values: Sequence[float], metric: Metric) -> list[bool]:
    """Which of the values are the best one; none where there is nothing to choose from."""
    known = [value for value in values if not math.isnan(value)]
    if len(set(known)) < 2:
        return [False] * len(values)
    best = max(known) if metric.better == "higher" else min(known)
    return [value == best for value in values]
