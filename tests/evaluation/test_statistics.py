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
from keras_mtl.evaluation.statistics import Resampled, bootstrap, holm, resample, resample_weights, seed_weights


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
    whole = np.concatenate(list(resample_weights(40, 25, seed=0)))
    monkeypatch.setattr("keras_mtl.evaluation.statistics.BLOCK", 100)
    parts = list(resample_weights(40, 25, seed=0))
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


def nets(seeds, count, *, by_seed=0.0, by_image=0.0, by_both=0.0, random):
    """Zero labels and predictions of so many nets, whose error is a sum of normal parts of the given deviations."""
    errors = random.normal(0, 1, (seeds, 1)) * by_seed + random.normal(0, 1, (1, count)) * by_image
    return np.zeros(count), list(errors + by_both * random.normal(0, 1, (seeds, count)))


def test_one_seed_is_the_plain_bootstrap():
    labels, (predictions,) = nets(1, 50, by_image=1, random=np.random.default_rng(0))
    metrics = metrics_for(TASKS["regression"])
    found = resample(metrics, labels, [predictions], resamples=300, seed=4)
    plain = bootstrap(metrics, labels, predictions, resamples=300, seed=4, confidence=0.9)
    assert {name: figure.estimate(0.9) for name, figure in found.items()} == plain


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_drawn_seeds_give_a_mean_its_unbiased_variance(seeds):
    weights = seed_weights(seeds, 100_000, seed=1)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    figures = np.random.default_rng(seeds).normal(0, 1, seeds)
    assert (weights @ figures).mean() == pytest.approx(figures.mean(), abs=0.01)
    assert (weights @ figures).var() == pytest.approx(figures.var(ddof=1) / seeds, rel=0.03)


def test_the_variance_is_that_of_seeds_and_images_together():
    seeds, count = 3, 400
    labels, predictions = nets(seeds, count, by_seed=0.3, by_image=4, random=np.random.default_rng(3))
    drawn = resample(only("regression", "bias"), labels, predictions, resamples=20_000)["bias"].drawn
    errors = np.stack(predictions)
    by_seed, by_image = errors.mean(1).var(ddof=1) / seeds, errors.mean(0).var() / count
    assert drawn.var() == pytest.approx(by_seed + by_image, rel=0.05)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), seeds=st.integers(1, 4), shift=st.floats(-50, 50))
def test_a_constant_shift_is_a_difference_of_no_width(seed, seeds, shift):
    random = np.random.default_rng(seed)
    labels, predictions = nets(seeds, 20, by_seed=1, by_image=3, by_both=1, random=random)
    bias = only("regression", "bias")
    moved = resample(bias, labels, [predicted + shift for predicted in predictions], resamples=50)["bias"]
    difference = moved - resample(bias, labels, predictions, resamples=50)["bias"]
    found = difference.estimate()
    assert (found.value, found.low, found.high) == pytest.approx((shift, shift, shift), abs=1e-9)
    if abs(shift) > 1e-9:
        assert difference.p_value() == 2 / 51


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), kind=st.sampled_from(["regression", "binary"]), seeds=st.integers(1, 4))
def test_swapping_nets_turns_the_difference_round_and_equal_nets_have_none(seed, kind, seeds):
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, 30)
    shape = (2, seeds, 30) if kind == "regression" else (2, seeds, 30, 2)
    metrics = metrics_for(TASKS[kind])
    ours, theirs = (
        resample(metrics, labels, list(predictions), resamples=60, seed=seed) for predictions in random.random(shape)
    )
    for name in metrics:
        forth, back = ours[name] - theirs[name], theirs[name] - ours[name]
        found, turned = forth.estimate(), back.estimate()
        expected = (-turned.value, -turned.high, -turned.low)
        np.testing.assert_allclose((found.value, found.low, found.high), expected, atol=1e-12)
        assert forth.p_value() == back.p_value()
        none = ours[name] - ours[name]
        assert none.p_value() == 1
        np.testing.assert_array_equal(none.drawn[~np.isnan(none.drawn)], 0)


def test_seeds_that_differ_more_widen_the_interval():
    random = np.random.default_rng(5)
    labels, predictions = nets(4, 100, by_image=1, random=random)
    offsets = np.array([-1.0, 0.5, 0.25, 0.25])
    widths = []
    for much in (0, 1, 3):
        shifted = [predicted + much * offset for predicted, offset in zip(predictions, offsets, strict=True)]
        found = resample(only("regression", "bias"), labels, shifted, resamples=1000)["bias"].estimate()
        widths.append(found.high - found.low)
    assert widths[0] < widths[1] < widths[2]


@pytest.mark.parametrize(
    ("seeds", "parts", "least", "most"),
    [
        # Nets that differ in what they get wrong, as they mostly do: covered, and rather too often.
        (3, {"by_image": 3, "by_both": 1}, 0.90, 0.99),
        (2, {"by_image": 3, "by_both": 1}, 0.90, 0.99),
        (3, {"by_seed": 0.25, "by_image": 2, "by_both": 4}, 0.92, 1.0),
        (5, {"by_seed": 0.15, "by_image": 2, "by_both": 2}, 0.92, 1.0),
        # Nets that differ as wholes only: three seeds hold the truth between them in 1 - 2 / 2^3 of the cases.
        (3, {"by_seed": 1}, 0.68, 0.82),
    ],
)
def test_intervals_of_few_seeds_cover_the_truth_as_often_as_documented(seeds, parts, least, most):
    random, hits, trials = np.random.default_rng(6), 0, 300
    for trial in range(trials):
        labels, predictions = nets(seeds, 100, **parts, random=random)
        found = resample(only("regression", "bias"), labels, predictions, resamples=400, seed=trial)["bias"].estimate()
        hits += found.low <= 0 <= found.high
    assert least <= hits / trials <= most


def test_the_p_value_finds_no_difference_as_often_as_it_says():
    random, p_values = np.random.default_rng(7), []
    for trial in range(300):
        labels, ours = nets(3, 100, by_both=2, random=random)
        theirs = nets(3, 100, by_both=2, random=random)[1]
        shared = 3 * random.normal(0, 1, 100)  # what is hard for both nets falls out of the paired difference
        first, second = (
            resample(only("regression", "bias"), labels, [x + shared for x in net], resamples=400, seed=trial)["bias"]
            for net in (ours, theirs)
        )
        p_values.append((first - second).p_value())
    assert np.mean(np.array(p_values) <= 0.05) <= 0.07


def test_p_value_by_hand():
    def p(*drawn):
        return Resampled(np.zeros(1), np.array(drawn)).p_value()

    assert p(1.0, 2.0, 3.0, -1.0) == pytest.approx(2 * 2 / 5)
    assert p(*np.ones(99)) == p(*-np.ones(99)) == pytest.approx(2 / 100)
    assert p(0.0, 0.0) == 1
    assert p(math.nan, 1.0, 2.0, 3.0) == pytest.approx(2 / 4)
    assert p(math.nan) == p() == 1


def test_a_p_value_below_the_level_goes_with_an_interval_beside_0():
    random = np.random.default_rng(8)
    for _ in range(50):
        figure = Resampled(np.zeros(1), random.normal(random.uniform(-4, 4), 1, 999))
        found = figure.estimate(0.95)
        if abs(figure.p_value() - 0.05) > 0.01:
            assert (figure.p_value() < 0.05) == (not found.low <= 0 <= found.high)


def test_figures_of_other_seeds_or_resamples_are_not_compared():
    figure = Resampled(np.zeros(3), np.zeros(10))
    with pytest.raises(ValueError, match="seeds 3 and 2"):
        figure - Resampled(np.zeros(2), np.zeros(10))
    with pytest.raises(ValueError, match="resamples 10 and 9"):
        figure - Resampled(np.zeros(3), np.zeros(9))


def test_resampling_needs_a_seed_and_predictions_of_every_image():
    bias = only("regression", "bias")
    with pytest.raises(ValueError, match="3 labels, 0 predicted"):
        resample(bias, np.zeros(3), [])
    with pytest.raises(ValueError, match="3 labels, 2 predicted"):
        resample(bias, np.zeros(3), [np.zeros(3), np.zeros(2)])


def test_seeds_and_images_are_drawn_the_same_in_blocks(monkeypatch):
    labels, predictions = nets(3, 40, by_seed=1, by_image=1, random=np.random.default_rng(9))
    whole = resample(only("regression", "mae"), labels, predictions, resamples=25)["mae"].drawn
    monkeypatch.setattr("keras_mtl.evaluation.statistics.BLOCK", 100)
    np.testing.assert_allclose(
        resample(only("regression", "mae"), labels, predictions, resamples=25)["mae"].drawn, whole
    )


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
