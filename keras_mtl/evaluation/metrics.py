"""The metrics of each task kind, in one list that a user may extend.

A metric is computed for many weightings of the same images at once. That makes a bootstrap a handful of
matrix products: a resample is the images weighted by how often each was drawn.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from keras_mtl.kinds import kind_of
from keras_mtl.tasks import Task
from keras_mtl.uncertainty.calibration_error import calibration_error
from keras_mtl.uncertainty.temperature import SMALLEST_PROBABILITY


@dataclasses.dataclass(frozen=True)
class Metric:
    """A figure that says how good predictions are.

    Args:
        name: what it is called in tables and files.
        kinds: the task kinds that it is for.
        compute: (labels, predictions, weights) -> float64 [R], NaN where undefined. labels: int64 [N] class
            indices, or float64 [N] for regression; predictions: float64 [N] values, or [N, K] probabilities;
            weights: float64 [R, N], how much each image counts in each of R weightings.
        better: "higher", "lower" or "zero" (the nearer to 0 the better).
        unit: "share" (0 to 1, shown in percent), "label" (the task's own unit), "ranks", or "" for a bare number.
        meaning: one line for a reader of the table.
        limits: between which every value lies; by default 0 to 1 for a share, and 0 or more where lower is better.
        needs: what it is undefined without.
    """

    name: str
    kinds: tuple[str, ...]
    compute: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    better: str
    unit: str = ""
    meaning: str = ""
    limits: tuple[float, float] | None = None
    needs: str = "a labelled image"

    @property
    def bounds(self) -> tuple[float, float]:
        """Between which every value lies, and so the ends of its interval."""
        if self.limits is not None:
            return self.limits
        if self.unit == "share":
            return 0.0, 1.0
        return (0.0 if self.better == "lower" else -math.inf), math.inf

    def __call__(self, labels: np.ndarray, predictions: np.ndarray) -> float:
        """The metric with every image counted once; NaN where it is undefined."""
        return float(self.compute(labels, predictions, np.ones((1, len(labels))))[0])


def main_metric(task: Task) -> Metric:
    """The metric that a task is judged by: mae for a regression, accuracy for classes."""
    return metrics_for(task)[kind_of(task).measures[0]]


def metrics_for(task: Task) -> dict[str, Metric]:
    """The metrics of a task by name, in the list's order; a later entry replaces one of the same name."""
    metrics = (entry if isinstance(entry, Metric) else entry(task) for entry in METRICS)
    return {metric.name: metric for metric in metrics if task.kind in metric.kinds}


def _divide(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below, NaN where below is 0."""
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)


def _mean_of(each: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Callable:
    """`Metric.compute` for a mean over images of `each(labels, predictions)` [N]."""

    def compute(labels, predictions, weights):
        return _divide(weights @ each(labels, predictions).astype(np.float64), weights.sum(1))

    return compute


def _error(labels, predictions):
    return predictions - labels


def _rank_error(labels, predictions):
    return np.abs(predictions.argmax(-1) - labels)


def _negative_log_probability(labels, predictions):
    return -np.log(np.maximum(_shares(predictions)[np.arange(len(labels)), labels], SMALLEST_PROBABILITY))


def _shares(predictions):
    return predictions / predictions.sum(-1, keepdims=True)


def _brier(labels, predictions):
    """Two classes count the second one alone, in 0 to 1, as is usual (and as scikit-learn has it)."""
    squares = ((_shares(predictions) - np.eye(predictions.shape[-1])[labels]) ** 2).sum(-1)
    return squares / 2 if predictions.shape[-1] == 2 else squares


def _rmse(labels, predictions, weights):
    return np.sqrt(_mean_of(lambda y, p: _error(y, p) ** 2)(labels, predictions, weights))


def _class_counts(labels, predictions, weights) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weighted numbers [R, K] of the images of each class, of those predicted so, and of those predicted rightly."""
    one_hot = np.eye(predictions.shape[-1])
    actual, predicted = one_hot[labels], one_hot[predictions.argmax(-1)]
    return weights @ actual, weights @ predicted, weights @ (actual * predicted)


def _balanced_accuracy(labels, predictions, weights):
    """Mean recall of the classes that are there; undefined where only one is."""
    actual, _, right = _class_counts(labels, predictions, weights)
    recall, there = _divide(right, actual), actual > 0
    mean = np.where(there, recall, 0).sum(1) / np.maximum(there.sum(1), 1)
    return np.where(there.sum(1) > 1, mean, np.nan)


def _f1_by_class(labels, predictions, weights):
    """2 right / (actual + predicted) [R, K], NaN for a class that neither labels nor predictions have."""
    actual, predicted, right = _class_counts(labels, predictions, weights)
    return _divide(2 * right, actual + predicted)


def _f1(labels, predictions, weights):
    return _f1_by_class(labels, predictions, weights)[:, 1]


def _macro_f1(labels, predictions, weights):
    scores = _f1_by_class(labels, predictions, weights)
    there = ~np.isnan(scores)
    return np.where(there, scores, 0).sum(1) / np.maximum(there.sum(1), 1)


def _roc_auc(labels, predictions, weights):
    """The chance that an image of class 1 scores above one of class 0, ties counted half; undefined with one class."""
    scores = predictions[:, 1]
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.concatenate([[True], np.diff(scores[order]) > 0]))
    ordered, positive = weights[:, order], labels[order] == 1
    ones = np.add.reduceat(ordered * positive, starts, axis=1)
    zeros = np.add.reduceat(ordered * ~positive, starts, axis=1)
    below = np.cumsum(zeros, axis=1) - zeros / 2
    return _divide((ones * below).sum(1), ones.sum(1) * zeros.sum(1))


def _within(task: Task) -> Metric:
    tolerance = task.round_part(24)
    meaning = f"predicted within {tolerance:g} {task.unit or 'units'} of the label"
    each = _mean_of(lambda y, p: abs(_error(y, p)) <= tolerance)
    return Metric(f"within_{tolerance:g}", ("regression",), each, "higher", "share", meaning)


def _brier_score(task: Task) -> Metric:
    most = 1 if len(task.classes) == 2 else 2
    meaning = f"mean squared error of the probabilities, 0 to {most} (Brier 1950)"
    return Metric("brier", _NAMED, _mean_of(_brier), "lower", "", meaning, (0, most))


_CALIBRATION = "root mean squared gap between confidence and accuracy, debiased; below 0: no more than chance makes"
_TWO_CLASSES = "labels of two classes"
_NAMED = ("binary", "multiclass", "ordinal")

METRICS: list[Metric | Callable[[Task], Metric]] = [
    Metric("mae", ("regression",), _mean_of(lambda y, p: abs(_error(y, p))), "lower", "label", "mean absolute error"),
    Metric("rmse", ("regression",), _rmse, "lower", "label", "root of the mean squared error"),
    _within,
    Metric("bias", ("regression",), _mean_of(_error), "zero", "label", "mean of predicted minus label"),
    Metric("mae", ("ordinal",), _mean_of(_rank_error), "lower", "ranks", "mean distance between ranks"),
    Metric("accuracy", _NAMED, _mean_of(lambda y, p: p.argmax(-1) == y), "higher", "share", "predicted rightly"),
    Metric("within_1", ("ordinal",), _mean_of(lambda y, p: _rank_error(y, p) <= 1), "higher", "share", "one rank off"),
    Metric(
        *("balanced_accuracy", _NAMED[:2], _balanced_accuracy, "higher", "share", "mean recall of the classes"),
        needs=_TWO_CLASSES,
    ),
    Metric(
        *("roc_auc", ("binary",), _roc_auc, "higher", "", "area under the ROC curve; 0.5 is chance", (0, 1)),
        needs=_TWO_CLASSES,
    ),
    Metric(
        *("f1", ("binary",), _f1, "higher", "", "F1 of the second class", (0, 1)),
        needs="a label or a prediction of the second class",
    ),
    Metric("macro_f1", ("multiclass",), _macro_f1, "higher", "", "mean of the classes' F1", (0, 1)),
    Metric("log_loss", _NAMED[:2], _mean_of(_negative_log_probability), "lower", "", "mean -log(probability of label)"),
    _brier_score,
    Metric(
        *("calibration_error", _NAMED, calibration_error, "lower", "share", _CALIBRATION, (-1, 1)),
        needs="two images of about the same confidence",
    ),
]
"""An entry is a metric, or a function that makes it from the task where it depends on more than the kind."""
