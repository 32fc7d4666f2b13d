from __future__ import annotations

import math

import numpy as np
import pytest
import sklearn.metrics
from helpers import TASKS
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mtl.evaluation.metrics import METRICS, Metric, metrics_for
from keras_mtl.tasks import KINDS, Task

# Each metric by scikit-learn (or spelt out), on labels [N], predictions and the images' weights [N].
REFERENCES = {
    ("regression", "mae"): lambda y, p, w: sklearn.metrics.mean_absolute_error(y, p, sample_weight=w),
    ("regression", "rmse"): lambda y, p, w: sklearn.metrics.root_mean_squared_error(y, p, sample_weight=w),
    ("regression", "within_5"): lambda y, p, w: np.average(np.abs(y - p) <= 5, weights=w),
    ("regression", "bias"): lambda y, p, w: np.average(p - y, weights=w),
    ("ordinal", "mae"): lambda y, p, w: sklearn.metrics.mean_absolute_error(y, p.argmax(1), sample_weight=w),
    ("ordinal", "within_1"): lambda y, p, w: np.average(np.abs(y - p.argmax(1)) <= 1, weights=w),
    ("binary", "balanced_accuracy"): lambda y, p, w: sklearn.metrics.balanced_accuracy_score(
        y, p.argmax(1), sample_weight=w
    ),
    ("binary", "roc_auc"): lambda y, p, w: sklearn.metrics.roc_auc_score(y, p[:, 1], sample_weight=w),
    ("binary", "f1"): lambda y, p, w: sklearn.metrics.f1_score(y, p.argmax(1), sample_weight=w),
    ("multiclass", "macro_f1"): lambda y, p, w: sklearn.metrics.f1_score(
        y, p.argmax(1), sample_weight=w, average="macro"
    ),
}
for _kind in ("binary", "multiclass", "ordinal"):
    REFERENCES[_kind, "accuracy"] = lambda y, p, w: sklearn.metrics.accuracy_score(y, p.argmax(1), sample_weight=w)
    REFERENCES[_kind, "log_loss"] = lambda y, p, w: sklearn.metrics.log_loss(
        y, p, sample_weight=w, labels=range(p.shape[1])
    )
    REFERENCES[_kind, "brier"] = lambda y, p, w: np.average(
        ((p - np.eye(p.shape[1])[y]) ** 2).sum(1) / (2 if p.shape[1] == 2 else 1), weights=w
    )
    REFERENCES[_kind, "calibration_error"] = lambda y, p, w: _error_over_pairs(y, p, w)
REFERENCES["multiclass", "balanced_accuracy"] = REFERENCES["binary", "balanced_accuracy"]


def _error_over_pairs(labels, probabilities, weights):
    """The definition: pairs of different images in one of 15 bins, each bin weighted by its images."""
    gaps, bins = probabilities.max(1) - (probabilities.argmax(1) == labels), np.ceil(15 * probabilities.max(1) - 1e-9)
    total = images = 0.0
    for own in set(bins):
        pairs = [(i, j) for i in np.flatnonzero(bins == own) for j in np.flatnonzero(bins == own) if i != j]
        if pairs:
            square = np.average(
                [gaps[i] * gaps[j] for i, j in pairs], weights=[weights[i] * weights[j] for i, j in pairs]
            )
            total, images = total + weights[bins == own].sum() * square, images + weights[bins == own].sum()
    return np.sign(total) * np.sqrt(abs(total) / images) if images else np.nan


CASES = [(kind, name) for kind in KINDS for name in metrics_for(TASKS[kind])]


def draw(kind: str, count: int, seed: int, classes: int = 4):
    """Labels with every class among them, and predictions in few distinct values, so that ties occur."""
    random = np.random.default_rng(seed)
    if kind == "regression":
        return random.integers(0, 100, count).astype(float), random.integers(0, 100, count).astype(float)
    classes = 2 if kind == "binary" else classes
    labels = np.concatenate([np.arange(classes), random.integers(0, classes, count - classes)])
    probabilities = random.integers(1, 6, (count, classes)).astype(float)
    return labels, probabilities / probabilities.sum(1, keepdims=True)


@pytest.mark.parametrize(("kind", "name"), CASES)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(6, 60))
def test_metric_equals_its_reference_under_any_weights(kind, name, seed, count):
    labels, predictions = draw(kind, count, seed)
    weights = np.random.default_rng(seed + 1).integers(1, 4, (3, count)).astype(float)
    expected = [REFERENCES[kind, name](labels, predictions, row) for row in weights]
    np.testing.assert_allclose(
        metrics_for(TASKS[kind])[name].compute(labels, predictions, weights), expected, atol=1e-9
    )


# Of an image drawn twice the calibration error knows that it is one: it makes no pair with itself.
@pytest.mark.parametrize(("kind", "name"), [case for case in CASES if case[1] != "calibration_error"])
def test_an_integer_weight_counts_an_image_that_often(kind, name):
    labels, predictions = draw(kind, 30, seed=5)
    weights = np.random.default_rng(6).integers(0, 3, 30)
    metric, index = metrics_for(TASKS[kind])[name], np.repeat(np.arange(30), weights)
    weighted = metric.compute(labels, predictions, weights[None].astype(float))[0]
    assert weighted == pytest.approx(metric(labels[index], predictions[index]))


def test_values_by_hand():
    labels, predictions = np.array([20.0, 30.0, 40.0]), np.array([22.0, 30.0, 33.0])
    values = {name: metric(labels, predictions) for name, metric in metrics_for(TASKS["regression"]).items()}
    assert values == pytest.approx({"mae": 3.0, "rmse": math.sqrt(53 / 3), "within_5": 2 / 3, "bias": -5 / 3})

    labels = np.array([0, 0, 1, 1])
    second = np.array([0.1, 0.6, 0.6, 0.9])
    values = {
        name: metric(labels, np.stack([1 - second, second], 1)) for name, metric in metrics_for(TASKS["binary"]).items()
    }
    assert values == pytest.approx(
        {
            "accuracy": 0.75,
            "balanced_accuracy": 0.75,
            "roc_auc": 3.5 / 4,
            "f1": 0.8,
            "log_loss": -(math.log(0.9) + math.log(0.4) + math.log(0.6) + math.log(0.9)) / 4,
            "brier": (0.1**2 + 0.6**2 + 0.4**2 + 0.1**2) / 4,
            # Pairs in bins of 1/15: 0.9 and 0.9 both right, 0.6 right and 0.6 wrong: (0.1 * 0.1 - 0.4 * 0.6) / 2 < 0.
            "calibration_error": -math.sqrt((0.6 * 0.4 - 0.1 * 0.1) / 2),
        }
    )

    labels, predictions = np.array([0, 1, 2]), np.eye(3)[[0, 2, 0]]
    values = {name: metric(labels, predictions) for name, metric in metrics_for(TASKS["ordinal"]).items()}
    assert values == pytest.approx(
        {"mae": 1.0, "accuracy": 1 / 3, "within_1": 2 / 3, "brier": 4 / 3, "calibration_error": math.sqrt(1 / 3)}
    )


@pytest.mark.parametrize(
    ("low", "high", "name", "near"),
    [(0, 120, "within_5", 5), (0, 100, "within_5", 5), (1, 5, "within_0.2", 0.2), (0, 0.4, "within_0.02", 0.02)],
)
def test_a_share_within_a_24th_of_the_range_bears_its_tolerance(low, high, name, near):
    metrics = metrics_for(Task("v", "regression", low=low, high=high, unit="points"))
    assert list(metrics) == ["mae", "rmse", name, "bias"]
    labels = np.full(4, low, float)
    assert metrics[name](labels, labels + near * np.array([0, 0.9, 1.1, 2])) == 0.5
    assert metrics[name].meaning == f"predicted within {near:g} points of the label"


def test_a_figure_that_needs_both_classes_is_undefined_with_one():
    labels, predictions = np.zeros(4, int), np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]])
    metrics = metrics_for(TASKS["binary"])
    assert math.isnan(metrics["roc_auc"](labels, predictions))
    assert math.isnan(metrics["balanced_accuracy"](labels, predictions))
    assert math.isnan(metrics["f1"](labels, predictions))
    assert metrics["accuracy"](labels, predictions) == 1.0


def test_brier_is_scikit_learns_for_two_classes():
    labels, predictions = draw("binary", 40, seed=7)
    expected = sklearn.metrics.brier_score_loss(labels, predictions[:, 1])
    assert metrics_for(TASKS["binary"])["brier"](labels, predictions) == pytest.approx(expected)


def test_log_loss_of_a_certain_mistake_is_finite():
    assert math.isfinite(metrics_for(TASKS["binary"])["log_loss"](np.array([1]), np.array([[1.0, 0.0]])))


def test_every_metric_says_what_it_is():
    for metric in (metric for task in TASKS.values() for metric in metrics_for(task).values()):
        assert metric.better in ("higher", "lower", "zero")
        assert metric.unit in ("share", "label", "ranks", "")
        assert metric.meaning and set(metric.kinds) <= set(KINDS)


def test_a_user_adds_and_replaces_metrics(monkeypatch):
    def kappa(labels, predictions, weights):
        score = sklearn.metrics.cohen_kappa_score
        return np.array([score(labels, predictions.argmax(1), sample_weight=row) for row in weights])

    added = [*METRICS, Metric("kappa", ("multiclass",), kappa, "higher"), Metric("f1", ("binary",), kappa, "higher")]
    monkeypatch.setattr("keras_mtl.evaluation.metrics.METRICS", added)
    labels, predictions = draw("multiclass", 40, seed=1)
    metrics = metrics_for(TASKS["multiclass"])
    assert metrics["kappa"](labels, predictions) == pytest.approx(
        sklearn.metrics.cohen_kappa_score(labels, predictions.argmax(1))
    )
    assert list(metrics_for(TASKS["binary"])).count("f1") == 1 and metrics_for(TASKS["binary"])["f1"].compute is kappa
