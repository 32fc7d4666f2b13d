"""Split-conformal intervals: the order statistic by hand, their coverage in simulation, and Wilson's interval."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mtl.uncertainty.conformal import covers, fewest_images, half_width, wilson


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 200), st.sampled_from([0.5, 0.8, 0.9, 0.95]))
def test_the_half_width_is_the_papers_order_statistic(seed, images, level):
    random = np.random.default_rng(seed)
    labels, predictions = random.normal(40, 20, (2, images))
    rank = math.ceil((images + 1) * level - 1e-9)
    errors = np.sort(np.abs(labels - predictions))
    expected = errors[rank - 1] if rank <= images else math.inf
    assert half_width(labels, predictions, level) == pytest.approx(expected)
    assert (rank <= images) == (images >= fewest_images(level))


def test_intervals_hold_the_share_that_they_declare():
    random, held = np.random.default_rng(0), []
    for _ in range(300):
        labels, predictions = random.normal(0, 1, (2, 60))
        held.append(covers(labels[50:], predictions[50:], half_width(labels[:50], predictions[:50])).mean())
    assert np.mean(held) == pytest.approx(46 / 51, abs=0.02)


@pytest.mark.parametrize(("held", "images"), [(9, 10), (10, 10), (0, 7), (181, 200)])
def test_wilsons_interval_is_scipys(held, images):
    expected = scipy.stats.binomtest(held, images).proportion_ci(0.9, method="wilson")
    assert wilson(held / images, images, 0.9) == pytest.approx((expected.low, expected.high))


def test_what_makes_no_interval_is_refused():
    with pytest.raises(ValueError, match="one prediction for each label"):
        half_width(np.zeros(2), np.zeros(3))
    with pytest.raises(ValueError, match="between 0 and 1"):
        half_width(np.zeros(20), np.zeros(20), 1.0)
