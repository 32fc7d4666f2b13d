"""The sum of two t-variables, against scipy's distributions and against draws."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mtl.evaluation.two_errors import TwoErrors

ERRORS = st.builds(
    TwoErrors, st.floats(0, 100), st.integers(1, 50), st.floats(1e-3, 100), st.sampled_from([1, 5, 100, 1000])
)


@pytest.mark.parametrize("freedom", [1, 2, 30])
@pytest.mark.parametrize("distance", [0.5, 2.0, 20.0])
def test_one_part_alone_is_students_t(freedom, distance):
    expected = 2 * scipy.stats.t.sf(distance / 3, freedom)
    assert TwoErrors(3, freedom, 0, 7).beyond(distance) == pytest.approx(expected, rel=1e-9)
    assert TwoErrors(0, 7, 3, freedom).beyond(-distance) == pytest.approx(expected, rel=1e-9)
    assert TwoErrors(1e-9, 2, 3, freedom).beyond(distance) == pytest.approx(expected, rel=1e-4)


def test_two_normal_parts_are_normal():
    found = TwoErrors(3, 1e7, 4, 1e7)
    assert found.beyond(10) == pytest.approx(2 * scipy.stats.norm.sf(2), rel=1e-4)
    assert found.reach(0.95) == pytest.approx(5 * 1.959964, rel=1e-4)


@pytest.mark.parametrize("sizes", [(1, 1), (3, 1), (1, 3), (1, 20)])
@pytest.mark.parametrize("freedoms", [(2, 500), (4, 30), (1, 3)])
def test_chances_are_those_of_draws(sizes, freedoms):
    random = np.random.default_rng(0)
    drawn = sum(size * random.standard_t(freedom, 400_000) for size, freedom in zip(sizes, freedoms, strict=True))
    found = TwoErrors(sizes[0], freedoms[0], sizes[1], freedoms[1])
    for share in (0.5, 0.05, 0.005):
        distance = np.quantile(np.abs(drawn), 1 - share)
        assert found.beyond(distance) == pytest.approx(share, abs=5 * np.sqrt(share / 400_000))


@settings(max_examples=60, deadline=None)
@given(ERRORS, st.floats(0.5, 0.999))
def test_the_reach_is_where_the_chance_is_what_is_left(error, confidence):
    reach = error.reach(confidence)
    assert error.beyond(reach) == pytest.approx(1 - confidence, rel=1e-4)
    assert error.beyond(1.1 * reach) < 1 - confidence < error.beyond(0.9 * reach)


def test_no_error_reaches_nowhere():
    none = TwoErrors(0, 2, 0, 100)
    assert none.reach(0.95) == 0 and none.beyond(0) == 1 and none.beyond(1e-9) == 0
