from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from balancing.matrices import bank
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, nnls

from keras_mtl.balancing import solvers
from keras_mtl.balancing.cosines import cosines as parts_of

MATRICES = bank()
TASKS = st.sampled_from([1, 2, 3, 5, 6, 9])  # on both sides of ENUMERATED_TASKS


def drawn(seed: int, tasks: int, alike: float = 0.0) -> np.ndarray:
    """Gradients that conflict; alike: how much they have in common."""
    random = np.random.default_rng(seed)
    return random.normal(size=(tasks, tasks + 3)) + alike * random.normal(size=tasks + 3)


def cosines(matrix: np.ndarray) -> np.ndarray:
    return parts_of(tf.constant(matrix @ matrix.T)).matrix.numpy()


def minimum(matrix: np.ndarray, linear: np.ndarray) -> np.ndarray:
    return solvers.minimize_quadratic(tf.constant(matrix), tf.constant(linear))[0].numpy()


def by_nnls(matrix: np.ndarray, linear: np.ndarray) -> np.ndarray:
    """The same minimum as |L'x + L^-1 q|, by Lawson and Hanson's method."""
    factor = np.linalg.cholesky(matrix)
    return nnls(factor.T, -np.linalg.solve(factor, linear))[0]


def test_a_quadratic_by_hand():
    # 1/2 x'Px - x_1 + x_2 with P = [[2, 1], [1, 2]]: x_2 = 0, for at x = (1/2, 0) its slope is 1/2 + 1 > 0.
    np.testing.assert_allclose(minimum(np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([[-1.0, 1.0]])), [[0.5, 0.0]])


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), TASKS, st.sampled_from([0.0, 1.0, -1.0]))
def test_a_quadratic_as_scipy(seed, tasks, sign):
    matrix = cosines(drawn(seed, tasks, 0.5))
    linear = np.random.default_rng(seed).normal(size=(4, tasks)) + sign
    expected = [by_nnls(matrix, row) for row in linear]
    np.testing.assert_allclose(minimum(matrix, linear), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", MATRICES)
def test_a_quadratic_over_the_bank_meets_its_kkt_conditions(name):
    matrix = cosines(MATRICES[name])
    x = minimum(matrix, matrix)
    slack = x @ matrix + matrix
    assert x.min() >= 0 and slack.min() >= -1e-9
    np.testing.assert_allclose(x * slack, 0, atol=1e-9)


def test_many_variables_are_solved_as_few(monkeypatch):
    matrix = cosines(drawn(3, 4))
    few = minimum(matrix, matrix)
    monkeypatch.setattr(solvers, "ENUMERATED_TASKS", 0)
    np.testing.assert_allclose(minimum(matrix, matrix), few, rtol=1e-9, atol=1e-12)


def with_norm(matrix, linear, sides, radius) -> np.ndarray:
    values = (tf.constant(value, tf.float64) for value in (matrix, linear, sides, radius))
    return solvers.minimize_with_norm(*values).numpy()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), TASKS, st.floats(0.05, 5))
def test_a_minimum_with_a_norm_as_scipy(seed, tasks, radius):
    matrix = cosines(drawn(seed, tasks, 0.3))
    random = np.random.default_rng(seed)
    linear, sides = random.normal(size=tasks), random.uniform(0.2, 1, size=tasks)
    y = with_norm(matrix, linear, sides, radius)
    np.testing.assert_allclose(y @ matrix @ y, radius**2, rtol=1e-6)

    def cost(x):
        return linear @ x + radius * np.sqrt(x @ matrix @ x)

    found = minimize(
        cost,
        np.full(tasks, 1 / sides.sum()),
        method="SLSQP",
        bounds=[(0, None)] * tasks,
        constraints={"type": "eq", "fun": lambda x: sides @ x - 1},
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert y.min() >= 0
    assert cost(y / (sides @ y)) <= found.fun + 1e-6 * max(1, abs(found.fun))


@pytest.mark.parametrize("radius", [0.1, 0.5, 1.0, 10.0])
@pytest.mark.parametrize("name", MATRICES)
def test_a_minimum_with_a_norm_over_the_bank_meets_its_kkt_conditions(name, radius):
    matrix = cosines(MATRICES[name])
    tasks = len(matrix)
    mean = matrix.mean(axis=1)
    length = radius * np.sqrt(mean.mean())
    y = with_norm(matrix, mean, np.ones(tasks), length)
    gains = mean + matrix @ y
    assert y.min() >= 0
    # Tasks that gain more than the least have no part in the step; its length is the radius, or no task can gain.
    np.testing.assert_allclose(y * (gains - gains.min()), 0, atol=1e-6 * max(1, y.max()) * max(1, radius))
    assert np.sqrt(y @ matrix @ y) <= length * (1 + 1e-6) + 1e-9
    assert np.isclose(np.sqrt(y @ matrix @ y), length, rtol=1e-6) or abs(gains.min()) < 1e-6


def test_many_variables_with_a_norm_are_solved_as_few(monkeypatch):
    matrix = cosines(drawn(5, 5))
    arguments = matrix, matrix.mean(axis=1), np.linspace(0.2, 1, 5), 0.3
    few = with_norm(*arguments)
    monkeypatch.setattr(solvers, "ENUMERATED_TASKS", 0)
    np.testing.assert_allclose(with_norm(*arguments), few, rtol=1e-9, atol=1e-12)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), TASKS, st.sampled_from([0.1, 0.5, 1.0, 2.0, 10.0]))
def test_powers(seed, tasks, power):
    matrix = cosines(drawn(seed, tasks, 0.5))
    right = 10 ** np.random.default_rng(seed).uniform(-2, 2, size=tasks)
    x = solvers.solve_power(tf.constant(matrix), tf.constant(right), power).numpy()
    # Rounding is relative to the terms, which may nearly cancel.
    assert (np.abs(matrix @ x - right * x**-power) <= 1e-8 * (np.abs(matrix) @ x)).all()


def test_cosines_have_no_negative_eigenvalue_and_keep_lengths():
    parts = parts_of(tf.constant([[4.0, -6.0000005, 0.0], [-6.0000005, 9.0, 0.0], [0.0, 0.0, 0.0]]))
    np.testing.assert_allclose(parts.lengths, [2, 3, 1])
    np.testing.assert_array_equal(parts.present, [True, True, False])
    np.testing.assert_allclose(parts.matrix, [[1, -1, 0], [-1, 1, 0], [0, 0, 1]], atol=1e-6)
    assert np.linalg.eigvalsh(parts.matrix).min() > 0
