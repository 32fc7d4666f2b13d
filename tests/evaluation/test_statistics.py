from __future__ import annotations

import math
import time

import numpy as np
import pytest
import scipy.stats
from helpers import TASKS
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mtl.evaluation.metrics import metrics_for
from keras_mtl.evaluation.statistics import bootstrap, holm, resample_weights


def only(kind, name):
    return {name: metrics_for(TASKS[kind])[name]}


def test_interval_is_close_to_scipys():
    random = np.random.default_rng(1)
    labels = random.uniform(0, 100, 300)
    predictions = labels + random.normal(0, 10, 300)
    ours = bootstrap(only("regression", "mae"), labels, predictions, resamples=5000)["mae"]
    theirs = scipy.stats.bootstrap(
        (np.abs(labels - predictions),), np.mean, n_resamples=5000, method="percentile", rng=0
    ).confidence_interval
    assert ours.value == pytest.approx(np.abs(labels - predictions).mean())
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.05)


def test_interval_covers_the_truth_as_often_as_it_says():
    random, truth, hits = np.random.default_rng(2), 0.8, 0
    for trial in range(300):
        right = random.random(200) < truth
        probabilities = np.stack([~right, right], 1).astype(float)
        found = bootstrap(only("binary", "accuracy"), np.ones(200, int), probabilities, resamples=400, seed=trial)
        hits += found["accuracy"].low <= truth <= found["accuracy"].high
    # 95 % of 300, give or take four standard errors.
    assert 0.90 <= hits / 300 <= 0.99


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), count=st.integers(2, 40))
def test_interval_holds_the_median_resample_and_lies_within_the_range_of_errors(seed, count):
    random = np.random.default_rng(seed)
    labels, predictions = random.uniform(0, 100, count), random.uniform(0, 100, count)
    found = bootstrap(only("regression", "mae"), labels, predictions, resamples=200, seed=seed)["mae"]
    errors = np.abs(labels - predictions)
    assert errors.min() - 1e-9 <= found.low <= found.high <= errors.max() + 1e-9


def test_same_seed_same_interval_and_another_seed_another():
    labels, predictions = np.arange(50.0), np.arange(50.0)[::-1]
    first, again, other = (
        bootstrap(only("regression", "mae"), labels, predictions, resamples=100, seed=seed)["mae"] for seed in (3, 3, 4)
    )
    assert first == again
    assert first != other


def test_blocks_make_no_difference(monkeypatch):
    whole = np.concatenate(list(resample_weights(np.arange(40), 25, seed=0)))
    monkeypatch.setattr("keras_mtl.evaluation.statistics.BLOCK", 100)
    parts = list(resample_weights(np.arange(40), 25, seed=0))
    assert len(parts) > 1
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert (whole.sum(1) == 40).all()


def test_resamples_that_leave_a_figure_undefined_are_left_out_and_told():
    labels = np.array([1, 0, 0, 0, 0])
    probabilities = np.array([[0.2, 0.8], [0.9, 0.1], [0.7, 0.3], [0.6, 0.4], [0.1, 0.9]])
    found = bootstrap(only("binary", "roc_auc"), labels, probabilities, resamples=4000)["roc_auc"]
    assert found.value == pytest.approx(0.75)
    # The one image of class 1 is missing from (4/5)^5 of the resamples, and (1/5)^5 hold no other.
    assert found.undefined == pytest.approx(0.8**5 + 0.2**5, abs=0.03)
    assert 0 <= found.low <= found.high <= 1


def test_a_figure_that_is_undefined_throughout_has_neither_value_nor_interval():
    found = bootstrap(only("binary", "roc_auc"), np.zeros(5, int), np.full((5, 2), 0.5), resamples=50)["roc_auc"]
    assert math.isnan(found.value) and math.isnan(found.low) and found.undefined == 1
    assert found.to_dict() == {"value": None, "low": None, "high": None, "undefined": 1.0}


def test_one_image_has_a_value_but_no_interval():
    found = bootstrap(only("regression", "mae"), np.array([3.0]), np.array([5.0]))["mae"]
    assert found.value == 2 and math.isnan(found.low) and math.isnan(found.high)


@pytest.mark.parametrize(
    ("labels", "settings_", "message"),
    [
        (np.array([]), {}, "0 labels"),
        (np.ones(3), {}, "3 labels"),
        (np.ones(2), {"resamples": 0}, "resamples"),
        (np.ones(2), {"confidence": 1.0}, "confidence"),
    ],
)
def test_bad_arguments_are_named(labels, settings_, message):
    with pytest.raises(ValueError, match=message):
        bootstrap(metrics_for(TASKS["regression"]), labels, np.ones(min(len(labels), 2)), **settings_)


def test_a_whole_test_set_takes_seconds():
    random = np.random.default_rng(0)
    labels, second = random.integers(0, 2, 5800), random.random(5800)
    start = time.perf_counter()
    bootstrap(metrics_for(TASKS["binary"]), labels, np.stack([1 - second, second], 1), resamples=1000)
    assert time.perf_counter() - start < 10


def test_a_cluster_is_drawn_with_all_its_images():
    clusters = np.array(["ann", "bob", "ann", "carl", "bob", "bob"])
    (drawn,) = resample_weights(clusters, 200, seed=0)
    for name, count in (("ann", 2), ("bob", 3), ("carl", 1)):
        own = drawn[:, clusters == name]
        assert own.shape[1] == count and (own == own[:, :1]).all()
    # As many clusters as there are, each as likely as the others.
    assert (drawn[:, [0, 1, 3]].sum(axis=1) == 3).all()
    np.testing.assert_allclose(drawn[:, [0, 1, 3]].mean(axis=0), 1, atol=0.2)


def test_images_of_few_people_cover_the_truth_only_when_people_are_drawn():
    """57 people with 28 images each, whose errors are mostly their own: drawn one by one the interval is a fifth."""
    random, hits = np.random.default_rng(4), {"people": 0, "images": 0}
    people = np.repeat(np.arange(57), 28)
    for trial in range(100):
        predictions = random.normal(0, 1, 57)[people] + 0.5 * random.normal(0, 1, len(people))
        for what, clusters in (("people", people), ("images", None)):
            found = bootstrap(
                only("regression", "bias"), np.zeros(len(people)), predictions, clusters=clusters, resamples=200,
                seed=trial,
            )["bias"]  # fmt: skip
            hits[what] += found.low <= 0 <= found.high
    assert hits["people"] >= 88 and hits["images"] <= 60


def test_holm_by_hand():
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1; the last is lifted to the one before it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_the_order_and_lies_between_none_and_bonferroni(p_values):
    adjusted = holm(p_values)
    for p, found in zip(p_values, adjusted, strict=True):
        assert p <= found <= min(1, len(p_values) * p)
    assert [adjusted[index] for index in np.argsort(p_values, kind="stable")] == sorted(adjusted)
