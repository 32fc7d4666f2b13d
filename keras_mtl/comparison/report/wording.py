"""How figures are written: units, digits and signs, the same everywhere in the report."""

from __future__ import annotations

import math
from collections.abc import Sequence

from keras_mtl.evaluation.metrics import Metric
from keras_mtl.evaluation.scoring import readable, unit_of
from keras_mtl.evaluation.statistics import Estimate
from keras_mtl.tasks import Task

NONE = "–"
NAMES = {"mae": "mean absolute error", "roc_auc": "ROC AUC", "f1": "F1", "log_loss": "log loss", "brier": "Brier score"}


def metric_name(metric: Metric) -> str:
    """What a metric is called in a sentence."""
    return NAMES.get(metric.name, metric.name.replace("_", " "))


def capital(text: str) -> str:
    """With a capital at its beginning, the rest as it is."""
    return text[:1].upper() + text[1:]


def spaced(name: str) -> str:
    """The name of a task or a kind of group as a sentence has it."""
    return name.replace("_", " ")


def task_name(name: str) -> str:
    """The same as a heading has it."""
    return capital(spaced(name))


def scale(metric: Metric) -> float:
    """What a metric's value is multiplied by before it is drawn: shares are drawn in percent."""
    return 100.0 if metric.unit == "share" else 1.0


def unit(metric: Metric, task: Task) -> str:
    """The unit that a metric is shown in; empty for a bare number."""
    return unit_of(metric, task)


def difference_unit(metric: Metric, task: Task) -> str:
    """The unit of a difference: of two shares, percentage points."""
    return unit_of(metric, task, share="percentage points")


def number(metric: Metric, task: Task, value: float, *, sign: bool = False) -> str:
    """A metric's value without its unit; with `sign` a + before what is more than nothing."""
    if math.isnan(value):
        return NONE
    text = readable(abs(value), metric, task, with_unit=False)
    if not float(text):
        return text
    return ("−" if value < 0 else "+" if sign else "") + text


def value(metric: Metric, task: Task, figure: float) -> str:
    """A metric's value with its unit."""
    return f"{number(metric, task, figure)} {unit(metric, task)}".rstrip()


def interval(metric: Metric, task: Task, estimate: Estimate, *, sign: bool = False) -> str:
    """An estimate's interval without its unit."""
    if math.isnan(estimate.low):
        return NONE
    return " to ".join(number(metric, task, end, sign=sign) for end in (estimate.low, estimate.high))


def percent(share: float, digits: int = 1) -> str:
    """A share of 0 to 1 in percent."""
    return NONE if math.isnan(share) else f"{100 * share:.{digits}f} %"


def ratio(figure: float) -> str:
    """A share of something else, such as "0.34×"."""
    return NONE if not math.isfinite(figure) else f"{figure:.2f}×"


def large(figure: float) -> str:
    """A large number with a prefix, such as "11.2 M"."""
    if not math.isfinite(figure):
        return NONE
    for size, prefix in ((1e18, " E"), (1e15, " P"), (1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(figure) >= size:
            return f"{figure / size:.3g}{prefix}"
    return f"{figure:.3g}"


def and_list(words: Sequence[str]) -> str:
    """Words with commas and "and"."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
