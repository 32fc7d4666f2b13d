"""The weightings of a comparison over all tasks: delta-m, mean rank, what they cost, and differences to plain EW."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from keras_mtl.comparison.cells import Row
from keras_mtl.comparison.results import Results
from keras_mtl.comparison.verdicts import Difference, Pair, judged
from keras_mtl.comparison.weightings import base_of
from keras_mtl.evaluation.crossed import Crossed, combine
from keras_mtl.evaluation.metrics import Metric, main_metric
from keras_mtl.evaluation.statistics import Estimate


def _not_of_predictions(labels: np.ndarray, predictions: np.ndarray, weights: np.ndarray) -> np.ndarray:
    raise NotImplementedError("delta_m and mean_rank are of several nets: no net's predictions give them")


DELTA_M = Metric("delta_m", (), _not_of_predictions, "higher", "%", "mean gain on the single nets, in percent of them")
RANK = Metric("mean_rank", (), _not_of_predictions, "lower", "rank", "mean over tasks of the rank, 1 the best")


@dataclasses.dataclass(frozen=True)
class Method:
    """A weighting's scores over all tasks.

    Attributes:
        row: its multitask net.
        delta_m: in percent, above 0 where it is better than the single nets; None where there are none.
        delta_by_seed: the same for each seed.
        rank: the mean over tasks of its rank among the weightings by the mean over seeds, 1 the best; without an
            interval, since a rank jumps where figures move.
        rank_by_seed: the same for each seed's figures.
        images_per_second: of its steps in training, the median over epochs and seeds; NaN where it is not known.
        time: the base's images per second over its own.
        memory: bytes that the largest of its trainings' processes held; NaN where it is not known.
    """

    row: Row
    delta_m: Estimate | None
    delta_by_seed: list[float]
    rank: float
    rank_by_seed: list[float]
    images_per_second: float
    time: float
    memory: float


@dataclasses.dataclass(frozen=True)
class Methods:
    """The weightings beside each other.

    Attributes:
        base: the row that the others are compared with, plain EW where it is there.
        scores: the best delta-m first, or the best rank where there are no single nets.
        differences: to the base, by task and, with the empty task, of delta-m in percentage points.
    """

    base: Row
    scores: list[Method]
    differences: list[Difference]

    def score(self, row: Row) -> Method | None:
        return next((score for score in self.scores if score.row == row), None)

    def difference(self, row: Row, task: str = "") -> Difference | None:
        """A weighting's difference to the base in a task, or in delta-m."""
        return next((found for found in self.differences if (found.row, found.task) == (row, task)), None)


def build_methods(results: Results, figures: Mapping[str, Mapping[Row, Mapping[str, Crossed]]]) -> Methods | None:
    """Scores the weightings; None where the comparison has none, or no image of the split has a label.

    Args:
        results: the comparison.
        figures: by task and row, the metrics.
    """
    rows = [row for row in results.rows if row.weighting]
    metrics = {name: main_metric(task) for name, task in results.tasks.items() if figures[name]}
    if not rows or not metrics:
        return None
    entry = base_of([row.weighting for row in rows])
    base = next(row for row in rows if row.weighting == entry)
    mains = {row: {task: figures[task][row][metric.name] for task, metric in metrics.items()} for row in rows}
    single = {row.task: row for row in results.rows if row.variant == "single"}
    deltas = {}
    if set(metrics) <= set(single):
        alone = [figures[task][single[task]][metric.name] for task, metric in metrics.items()]
        higher = [metric.better == "higher" for metric in metrics.values()]
        deltas = {row: delta_m(list(mains[row].values()), alone, higher) for row in rows}
    scores = _scores(results, base, mains, metrics, deltas)
    ordered = {score.row: mains[score.row] for score in scores}
    return Methods(base, scores, _differences(results, base, ordered, metrics, deltas))


def delta_m(nets: Sequence[Crossed], singles: Sequence[Crossed], higher: Sequence[bool]) -> Crossed:
    """The mean over tasks of how much better a net is than the single nets, relative to these, in percent.

        delta_m = 100 / T sum_t (-1)^l_t (M_t - S_t) / S_t,  l_t = 1 where a lower M_t is better, else 0

    Above 0 is better. Each seed is compared with the single nets of the same seed. NaN where a single net's figure
    is 0.

    Args:
        nets: the net's figure of each task.
        singles: the single nets' figures of the same tasks.
        higher: by task, whether a higher figure is better.

    Source: Maninis et al., "Attentive Single-Tasking of Multiple Tasks", CVPR 2019 (their "average per-task drop").
    Papers on balancing (Liu et al., NeurIPS 2021; Navon et al., ICML 2022) turn its sign round: there below 0 is
    better.
    """

    def gain(*figures: np.ndarray) -> np.ndarray:
        pairs = zip(figures[: len(nets)], figures[len(nets) :], higher, strict=True)
        return np.mean([_gain(net, single, better) for net, single, better in pairs], axis=0)

    return combine(gain, *nets, *singles)


def mean_ranks(figures: Sequence[np.ndarray], higher: Sequence[bool]) -> np.ndarray:
    """The mean over tasks of each net's rank, 1 the best; equal ones share the mean of their ranks.

    Args:
        figures: for each task float64 [nets, cases]; NaN where undefined, which makes that case's ranks NaN.
        higher: by task, whether a higher figure is better.

    Returns:
        float64 [nets, cases].

    Source: "MR" of Navon et al., "Multi-Task Learning as a Bargaining Game", ICML 2022.

    Example:
        >>> mean_ranks([np.array([[7.0], [6.0], [7.0]]), np.array([[0.9], [0.8], [0.7]])], [False, True]).tolist()
        [[1.75], [1.5], [2.75]]
    """
    ranks = []
    for values, better in zip(figures, higher, strict=True):
        ours, theirs = values[:, None], values[None]
        ahead = (theirs > ours if better else theirs < ours).sum(axis=1)
        equal = (theirs == ours).sum(axis=1) - 1
        undefined = np.isnan(values).any(axis=0)
        ranks.append(np.where(undefined, math.nan, 1 + ahead + equal / 2))
    return np.mean(ranks, axis=0)


def _gain(net: np.ndarray, single: np.ndarray, higher: bool) -> np.ndarray:
    return (100 if higher else -100) * (net - single) / np.where(single == 0, math.nan, single)


def _scores(
    results: Results, base: Row, mains: Mapping, metrics: Mapping[str, Metric], deltas: Mapping
) -> list[Method]:
    confidence, rows = results.config.confidence, list(mains)
    higher = [metric.better == "higher" for metric in metrics.values()]
    speeds = {row: _speed(results, row) for row in rows}
    figures = [np.stack([mains[row][task].by_seed for row in rows]) for task in metrics]
    by_seed = mean_ranks(figures, higher)
    of_means = mean_ranks([figure.mean(axis=1, keepdims=True) for figure in figures], higher)[:, 0]
    scores = [
        Method(
            row,
            deltas[row].estimate(confidence) if deltas else None,
            deltas[row].by_seed.tolist() if deltas else [],
            float(of_means[number]),
            by_seed[number].tolist(),
            speeds[row],
            speeds[base] / speeds[row],
            _memory(results, row),
        )
        for number, row in enumerate(rows)
    ]
    return sorted(scores, key=_place)


def _place(score: Method) -> tuple[bool, float, float]:
    gain = score.delta_m.value if score.delta_m else 0.0
    return math.isnan(gain), 0.0 if math.isnan(gain) else -gain, score.rank


def _differences(
    results: Results, base: Row, mains: Mapping, metrics: Mapping[str, Metric], deltas: Mapping
) -> list[Difference]:
    pairs = []
    for row in mains:
        if row == base:
            continue
        if deltas:
            pairs.append(Pair(row, base, "", DELTA_M, deltas[row], deltas[base]))
        pairs += [
            Pair(row, base, task, metric, mains[row][task], mains[base][task]) for task, metric in metrics.items()
        ]
    return judged(pairs, results.config.confidence)


def _speed(results: Results, row: Row) -> float:
    histories = [results.training(row, seed)["history"] for seed in results.seeds]
    known = [epoch["images_per_second"] for history in histories for epoch in history if "images_per_second" in epoch]
    return float(np.median(known)) if known else math.nan


def _memory(results: Results, row: Row) -> float:
    metrics = [results.cell(row, seed).run.metrics() for seed in results.seeds]
    known = [entry["process"]["peak_memory"] for entry in metrics if "process" in entry]
    return float(max(known)) if known else math.nan
