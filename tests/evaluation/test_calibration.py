"""Calibration: by hand, against scipy, and by what must hold for any probabilities."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax

from keras_mtl.evaluation.calibration import (
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
