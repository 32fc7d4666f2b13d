"""Differences of nets, and whether they are shown."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from keras_mtl.comparison.cells import Row
from keras_mtl.evaluation.metrics import Metric
from keras_mtl.evaluation.statistics import Estimate, Resampled, holm

BETTER, WORSE, UNDECIDED = "better", "worse", "no difference shown"


@dataclasses.dataclass(frozen=True)
class Difference:
    """How a net differs from another one, by a task's main metric.

    Attributes:
        row: which net.
        task: the task's name; empty for a figure over all tasks.
        metric: the metric's name.
        estimate: the net's figure minus the other's, paired by seed and image, in the metric's own scale.
        p_value: two-sided, of "no difference".
        adjusted_p: the same, corrected for all differences of the list (Holm).
        verdict: `BETTER`, `WORSE` or `UNDECIDED`.
    """

    row: Row
    task: str
    metric: str
    estimate: Estimate
    p_value: float
    adjusted_p: float
    verdict: str


def judged(pairs: Sequence[tuple[Row, str, Metric, Resampled]], confidence: float) -> list[Difference]:
    """Paired differences, each with its task and metric, as a list whose p-values are corrected together."""
    p_values = [figure.p_value() for _, _, _, figure in pairs]
    found = []
    for (row, task, metric, figure), p_value, adjusted in zip(pairs, p_values, holm(p_values), strict=True):
        estimate = figure.estimate(confidence)
        decided = verdict(estimate.value, adjusted, metric, confidence)
        found.append(Difference(row, task, metric.name, estimate, p_value, adjusted, decided))
    return found


def verdict(difference: float, adjusted_p: float, metric: Metric, confidence: float) -> str:
    """Whether a difference is shown, and to which side: by the corrected p-value at the level 1 - confidence."""
    if adjusted_p > 1 - confidence or not difference:
        return UNDECIDED
    return BETTER if (difference > 0) == (metric.better == "higher") else WORSE
