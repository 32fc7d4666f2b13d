"""Differences of nets, and what is shown of them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

from keras_mtl.comparison.cells import Row
from keras_mtl.comparison.config import CompareConfig
from keras_mtl.errors import UserError
from keras_mtl.evaluation.crossed import Crossed
from keras_mtl.evaluation.metrics import Metric, main_metric
from keras_mtl.evaluation.statistics import Estimate, holm
from keras_mtl.tasks import Task
from keras_mtl.training.config import number_pairs

BETTER, WORSE, UNDECIDED = "better", "worse", "no difference shown"
FEW = "no verdict: too few seeds"
LEAST_SEEDS, ADVISED_SEEDS = 3, 5
"""Of fewer seeds there is no verdict: how much nets differ by their seed is then hardly known."""


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two nets' figures of a metric.

    Attributes:
        row, base: which net, and which one it is compared with.
        task: the task's name; empty for a figure over all tasks.
        metric: which figure.
        ours, theirs: the figures, on the same seeds and images.
    """

    row: Row
    base: Row
    task: str
    metric: Metric
    ours: Crossed
    theirs: Crossed


@dataclasses.dataclass(frozen=True)
class Difference:
    """How a net differs from another one, by a task's main metric.

    Attributes:
        row: which net.
        base: which other one.
        task: the task's name; empty for a figure over all tasks.
        metric: the metric's name.
        estimate: the net's figure minus the other's, paired by seed and image, in the metric's own scale.
        p_value: two-sided, of "no difference"; NaN with one seed.
        adjusted_p: the same, corrected for all differences of the list (Holm).
        verdict: `BETTER`, `WORSE`, `UNDECIDED` or `FEW`.
        margin: how much worse still counts as as good, in the metric's own scale; NaN where none was declared.
        margin_p: of "worse by the margin or more", at the size of two-sided ones, corrected for all differences with
            a margin (Holm); NaN where there is no margin.
        as_good: whether the net is shown to be as good within the margin; None where that can't be said.
    """

    row: Row
    base: Row
    task: str
    metric: str
    estimate: Estimate
    p_value: float
    adjusted_p: float
    verdict: str
    margin: float = math.nan
    margin_p: float = math.nan
    as_good: bool | None = None


def judged(pairs: Sequence[Pair], confidence: float, margins: Mapping[str, float] | None = None) -> list[Difference]:
    """Paired differences as a list whose p-values are corrected together.

    Whether a net is as good is a question of its own (a non-inferiority test): an interval that holds 0 doesn't tell
    it, one that lies on the better side of the margin does. Both questions may be asked of the same difference without
    a correction for the two (Morikawa and Yoshida, Journal of Biopharmaceutical Statistics 5, 1995).

    Args:
        pairs: the nets.
        confidence: of intervals and verdicts.
        margins: by task, how much worse than the other net still counts as as good, in the metric's own scale.
    """
    figures = [pair.ours - pair.theirs for pair in pairs]
    few = [len(figure.by_seed) < LEAST_SEEDS for figure in figures]
    p_values = [math.nan if none else figure.p_value() for none, figure in zip(few, figures, strict=True)]
    declared = [(margins or {}).get(pair.task, math.nan) for pair in pairs]
    beyond = [
        math.nan if none or math.isnan(margin) else _worse_by(figure, pair.metric, margin)
        for none, figure, pair, margin in zip(few, figures, pairs, declared, strict=True)
    ]
    found = []
    for pair, figure, p, adjusted, margin, margin_p in zip(
        pairs, figures, p_values, _corrected(p_values), declared, _corrected(beyond), strict=True
    ):
        estimate = figure.estimate(confidence)
        as_good = None if math.isnan(margin_p) else margin_p <= 1 - confidence
        found.append(
            Difference(
                *(pair.row, pair.base, pair.task, pair.metric.name, estimate, p, adjusted),
                verdict(estimate.value, adjusted, pair.metric, confidence, len(figure.by_seed)),
                *(margin, margin_p, as_good),
            )
        )
    return found


def verdict(difference: float, adjusted_p: float, metric: Metric, confidence: float, seeds: int) -> str:
    """Whether a difference is shown, and to which side: by the corrected p-value at the level 1 - confidence."""
    if seeds < LEAST_SEEDS:
        return FEW
    if not adjusted_p <= 1 - confidence or not difference:
        return UNDECIDED
    return BETTER if (difference > 0) == (metric.better == "higher") else WORSE


def margins_of(config: CompareConfig, tasks: Mapping[str, Task]) -> dict[str, float]:
    """By task, the margin that --margins declares, in the metric's own scale: points as shares.

    Raises:
        UserError: a task that is not compared, a margin that is not above 0, or no TASK=NUMBER.
    """
    return amounts_of("--margins", config.margins, tasks)


def amounts_of(flag_name: str, entries: Sequence[str], tasks: Mapping[str, Task]) -> dict[str, float]:
    """TASK=NUMBER entries, in the unit in which differences are shown, in the main metrics' own scale."""
    found = dict(number_pairs(flag_name, entries))
    for name, amount in found.items():
        if name not in tasks:
            raise UserError(f"{flag_name} names {name!r}; the tasks are {', '.join(tasks)}")
        if not 0 < amount < math.inf:
            raise UserError(f"{flag_name} takes a number above 0. Received: {name}={amount:g}")
    return {name: amount / (100 if main_metric(tasks[name]).unit == "share" else 1) for name, amount in found.items()}


def _worse_by(figure: Crossed, metric: Metric, margin: float) -> float:
    """The p-value of "worse by the margin or more"."""
    return figure.p_beyond(margin) if metric.better == "lower" else (-figure).p_beyond(margin)


def _corrected(p_values: Sequence[float]) -> list[float]:
    """Holm's correction of those that there are."""
    known = iter(holm([p for p in p_values if not math.isnan(p)]))
    return [p if math.isnan(p) else next(known) for p in p_values]
