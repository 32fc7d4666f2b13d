"""Calibration: by hand, against scipy, and by what must hold for any probabilities."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax

from keras_mtl.evaluation.metrics import metrics_for
from keras_mtl.evaluation.statistics import bootstrap
from keras_mtl.tasks import Task
from keras_mtl.uncertainty.calibration_error import calibration_error, squared_calibration_error
from keras_mtl.uncertainty.temperature import (
    at_temperature,
    expected_calibration_error,
    fit_temperature,
    reliability,
)


def drawn(seed: int, images: int, classes: int, sharpness: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from the probabilities that scores give, and these scores made sharper."""
    random = np.random.default_rng(seed)
    scores = random.normal(0, 1.5, (images, classes))
    labels = np.array([random.choice(classes, p=row) for row in softmax(scores, axis=1)])
    return labels, softmax(scores * sharpness, axis=1)


def test_the_error_of_a_case_by_hand():
    # Two bins: 0.6 and 0.8 lie in the upper one, half of them right: |0.5 - 0.7|; 0.5 belongs to the lower one.
    probabilities = np.array([[0.6, 0.4], [0.8, 0.2], [0.5, 0.5]])
    labels = np.array([0, 1, 0])
    assert expected_calibration_error(labels, probabilities, bins=2) == pytest.approx(2 / 3 * 0.2 + 1 / 3 * 0.5)
    bins = reliability(labels, probabilities, bins=2)
    assert bins.count.tolist() == [1, 2]
    assert bins.confidence == pytest.approx([0.5, 0.7])
    assert bins.accuracy == pytest.approx([1.0, 0.5])


def test_sure_and_right_has_no_error_sure_and_wrong_has_all():
    probabilities = np.array([[1.0, 0.0, 0.0]] * 4)
    assert expected_calibration_error(np.zeros(4, int), probabilities) == 0
    assert expected_calibration_error(np.ones(4, int), probabilities) == 1


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(2, 7), st.integers(1, 20))
def test_the_error_is_a_share_and_every_image_is_in_a_bin(seed, images, classes, bins):
    labels, probabilities = drawn(seed, images, classes)
    found = reliability(labels, probabilities, bins)
    assert found.count.sum() == images
    assert 0 <= found.error <= 1
    inside = found.count > 0
    assert np.all(found.confidence[inside] <= found.edges[1:][inside] + 1e-12)
    assert np.all(found.confidence[inside] >= found.edges[:-1][inside] - 1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 7), st.floats(0.2, 5))
def test_a_temperature_divides_the_scores(seed, classes, temperature):
    scores = np.random.default_rng(seed).normal(0, 1, (10, classes))
    tempered = at_temperature(softmax(scores, axis=1), temperature)
    assert tempered == pytest.approx(softmax(scores / temperature, axis=1), rel=1e-6, abs=1e-9)
    assert (tempered.argmax(1) == scores.argmax(1)).all()


@pytest.mark.parametrize("classes", [2, 7])
@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_sharpening(classes, sharpness):
    labels, probabilities = drawn(1, 4000, classes, sharpness)
    temperature = fit_temperature(labels, probabilities)
    assert temperature == pytest.approx(sharpness, rel=0.1)
    after = expected_calibration_error(labels, at_temperature(probabilities, temperature))
    assert after < 0.03
    if sharpness != 1.0:
        assert after < expected_calibration_error(labels, probabilities)


def test_no_other_temperature_has_a_smaller_loss():
    labels, probabilities = drawn(2, 300, 3, 2.0)
    scores = np.log(probabilities)
    losses = {
        t: -log_softmax(scores / t, axis=1)[np.arange(len(labels)), labels].mean() for t in np.geomspace(0.1, 10, 400)
    }
    assert fit_temperature(labels, probabilities) == pytest.approx(min(losses, key=losses.get), rel=0.02)


@pytest.mark.parametrize("wrong", [0, 1])
def test_a_net_that_is_always_right_or_always_wrong_gets_a_finite_temperature(wrong):
    probabilities = np.array([[1.0, 0.0], [0.9, 0.1]])
    temperature = fit_temperature(np.array([wrong, wrong]), probabilities)
    assert 0.05 <= temperature <= 20
    assert np.isfinite(at_temperature(probabilities, temperature)).all()


@pytest.mark.parametrize("function", [reliability, expected_calibration_error, fit_temperature])
def test_lengths_that_differ_or_no_image_are_refused(function):
    with pytest.raises(ValueError, match="one row of probabilities for each label"):
        function(np.zeros(2, int), np.ones((3, 2)) / 2)
    with pytest.raises(ValueError, match="0 labels"):
        function(np.zeros(0, int), np.ones((0, 2)))


def claimed(seed: int, images: int, gap: float) -> tuple[np.ndarray, np.ndarray]:
    """Two classes, right with a chance of `gap` less than the confidence, which is drawn from 0.6 to 0.99."""
    random = np.random.default_rng(seed)
    sure = random.uniform(0.6, 0.99, images)
    return (random.random(images) > sure - gap).astype(int), np.stack([sure, 1 - sure], 1)


@pytest.mark.parametrize("gap", [0.0, 0.05, 0.2])
def test_the_debiased_error_is_right_on_the_mean_where_the_plug_in_is_too_large(gap):
    found, plug_in = [], []
    for seed in range(400):
        labels, probabilities = claimed(seed, 200, gap)
        found.append(squared_calibration_error(labels, probabilities, np.ones((1, 200)))[0])
        bins = reliability(labels, probabilities)
        inside = bins.count > 0
        plug_in.append(np.average((bins.confidence - bins.accuracy)[inside] ** 2, weights=bins.count[inside]))
    chance = 4 * np.std(found) / np.sqrt(len(found))
    assert np.mean(found) == pytest.approx(gap**2, abs=chance)
    assert np.mean(plug_in) > gap**2 + 0.004 and chance < 0.002 + gap / 50


def test_the_bootstraps_resamples_lie_about_the_error_and_not_above_it():
    labels, probabilities = claimed(0, 300, 0.0)
    weights = np.random.default_rng(1).multinomial(300, np.full(300, 1 / 300), 4000).astype(float)
    drawn = squared_calibration_error(labels, probabilities, weights)
    whole = squared_calibration_error(labels, probabilities, np.ones((1, 300)))[0]
    assert np.mean(drawn) == pytest.approx(whole, abs=4 * np.std(drawn) / np.sqrt(4000) + 1e-3)


@pytest.mark.parametrize(("gap", "least"), [(0.0, 0.9), (0.1, 0.88)])
def test_the_errors_interval_covers_the_true_one(gap, least):
    metric, covered = metrics_for(Task("told", "binary", classes=("a", "b")))["calibration_error"], 0
    for seed in range(150):
        estimate = bootstrap({"it": metric}, *claimed(seed, 400, gap), resamples=200, seed=seed)["it"]
        covered += estimate.low <= gap <= estimate.high
    assert covered / 150 >= least


def test_without_two_images_in_a_bin_there_is_no_error():
    probabilities = np.array([[0.55, 0.45], [0.9, 0.1]])
    assert np.isnan(calibration_error(np.zeros(2, int), probabilities, np.ones((1, 2))))
    assert np.isnan(calibration_error(np.zeros(2, int), probabilities, np.zeros((1, 2))))
