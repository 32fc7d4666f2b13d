"""The weightings of a Gramian: by hand, against independent references, and by the properties that they promise."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import tensorflow as tf
from balancing.matrices import bank, independent
from scipy.optimize import nnls

from keras_mtl.errors import UserError
from keras_mtl.weighting_names import parse_weighting, weighting_class

MATRICES = bank()
INDEPENDENT = independent()
NAMES = ["mgda", "cagrad", "imtl_g", "nash_mtl", "aligned_mtl", "upgrad", "dualproj", "fairgrad", "config"]
# One gradient may be multiplied by a positive number and the direction stays.
BLIND_TO_LENGTHS = ["imtl_g", "nash_mtl", "fairgrad", "config"]
# All gradients may be, and the weights stay.
BLIND_TO_SCALE = ["mgda", "cagrad", "imtl_g", "aligned_mtl", "upgrad", "dualproj", "config"]
NON_CONFLICTING = ["mgda", "upgrad", "dualproj"]
NON_CONFLICTING_INDEPENDENT = ["nash_mtl", "fairgrad", "config"]


def weigh(spec: str, matrix: np.ndarray) -> np.ndarray:
    gramian = (matrix @ matrix.T).astype(np.float32)
    return weights_of(spec, len(matrix), gramian.tobytes())


@functools.cache
def weights_of(spec: str, tasks: int, gramian: bytes) -> np.ndarray:
    given = tf.constant(np.frombuffer(gramian, np.float32).reshape(tasks, tasks))
    weights = method(spec, tasks)(tf.ones(tasks), given)
    assert weights.dtype == tf.float32 and weights.shape == [tasks]
    return weights.numpy().astype(np.float64)


@functools.cache
def method(spec: str, tasks: int):
    weighting = parse_weighting(spec)
    weighting.build(tasks)
    # With few tasks there is no loop, and tracing takes longer than it saves.
    return tf.function(weighting.weights) if tasks > 5 else weighting.weights


def step(spec: str, matrix: np.ndarray) -> np.ndarray:
    return weigh(spec, matrix) @ matrix


def gains(spec: str, matrix: np.ndarray) -> np.ndarray:
    """Inner products with the unit gradients, as a share of the longest single part of the step."""
    weights = weigh(spec, matrix)
    lengths = np.linalg.norm(matrix, axis=1)
    products = matrix @ (weights @ matrix) / np.where(lengths > 0, lengths, 1)
    return products / max((np.abs(weights) * lengths).max(), 1e-300)


def assert_same_step(weights: np.ndarray, expected: np.ndarray, matrix: np.ndarray) -> None:
    """Two sets of weights that give the same step; they need not be the same where gradients are dependent."""
    size = max((np.abs(expected) * np.linalg.norm(matrix, axis=1)).max(), 1e-300)
    np.testing.assert_allclose((weights - expected) @ matrix / size, 0, atol=1e-4)


over_bank = pytest.mark.parametrize("case", MATRICES)
# Without sixteen decades between gradients, where scipy finds no answer and float32 weights say nothing of the step.
over_moderate = pytest.mark.parametrize("case", [name for name in MATRICES if name not in ("scales", "eight_scales")])
over_independent = pytest.mark.parametrize("case", INDEPENDENT)


@over_bank
@pytest.mark.parametrize("spec", [*NAMES, "cagrad:c=1", "cagrad:c=10", "fairgrad:alpha=0.1", "fairgrad:alpha=10"])
def test_weights_are_finite(spec, case):
    assert np.isfinite(weigh(spec, MATRICES[case])).all()


@pytest.mark.parametrize("scale", [1e-10, 1e10])
@pytest.mark.parametrize("name", NAMES)
def test_weights_are_finite_at_any_scale(name, scale):
    assert np.isfinite(weigh(name, scale * MATRICES["three_conflicting"])).all()
    assert np.isfinite(weigh(name, np.array([1.0, scale, 1.0])[:, None] * MATRICES["three_conflicting"])).all()


@pytest.mark.parametrize("value", [np.inf, np.nan])
@pytest.mark.parametrize("name", NAMES)
def test_gradients_that_overflow_do_not_end_the_training(name, value):
    gramian = np.eye(3, dtype=np.float32)
    gramian[1, 1] = value
    assert np.isfinite(weights_of(name, 3, gramian.tobytes())).all()


@over_independent
@pytest.mark.parametrize("name", NAMES)
def test_order_of_tasks(name, case):
    matrix = INDEPENDENT[case]
    order = np.random.default_rng(0).permutation(len(matrix))
    np.testing.assert_allclose(weigh(name, matrix[order]), weigh(name, matrix)[order], rtol=1e-4, atol=1e-5)


@over_independent
@pytest.mark.parametrize("name", BLIND_TO_SCALE)
def test_the_scale_of_all_gradients_does_not_matter(name, case):
    np.testing.assert_allclose(
        weigh(name, 300 * INDEPENDENT[case]), weigh(name, INDEPENDENT[case]), rtol=1e-4, atol=1e-5
    )


@over_independent
def test_the_scale_of_all_gradients_without_limit_on_nash_mtl(case):
    spec = "nash_mtl:max_norm=0"
    np.testing.assert_allclose(weigh(spec, 300 * INDEPENDENT[case]), weigh(spec, INDEPENDENT[case]), rtol=1e-4)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
@over_independent
def test_the_scale_of_all_gradients_in_fairgrad(case, alpha):
    spec, ratio = f"fairgrad:alpha={alpha}", 10.0 ** (-2 * alpha / (1 + alpha))
    np.testing.assert_allclose(weigh(spec, 10 * INDEPENDENT[case]), ratio * weigh(spec, INDEPENDENT[case]), rtol=1e-4)


@over_independent
@pytest.mark.parametrize("name", BLIND_TO_LENGTHS)
def test_the_scale_of_one_gradient_does_not_change_the_direction(name, case):
    matrix = INDEPENDENT[case]
    longer = matrix.copy()
    longer[0] *= 20
    before, after = step(name, matrix), step(name, longer)
    cosine = before @ after / np.linalg.norm(before) / np.linalg.norm(after)
    # IMTL-G's weights sum to 1, which can turn its step round.
    assert abs(cosine) == pytest.approx(1, abs=1e-5) if name == "imtl_g" else cosine == pytest.approx(1, abs=1e-5)


@over_independent
def test_the_scale_of_one_gradient_scales_its_part_in_upgrad(case):
    matrix = INDEPENDENT[case]
    parts = [step("upgrad", np.where(np.arange(len(matrix))[:, None] == 0, factor, 1) * matrix) for factor in (1, 2, 3)]
    np.testing.assert_allclose(parts[1] - parts[0], parts[2] - parts[1], atol=1e-4 * np.abs(parts[2]).max())


@over_bank
@pytest.mark.parametrize("name", NON_CONFLICTING)
def test_no_conflict(name, case):
    assert gains(name, MATRICES[case]).min() >= -1e-5


@over_independent
@pytest.mark.parametrize("name", NON_CONFLICTING_INDEPENDENT)
def test_no_conflict_between_independent_gradients(name, case):
    assert gains(name, INDEPENDENT[case]).min() > 0


@over_bank
@pytest.mark.parametrize("name", ["mgda", "imtl_g", "nash_mtl", "aligned_mtl", "fairgrad", "config"])
def test_a_gradient_of_zero_changes_nothing_for_the_others(name, case):
    matrix = MATRICES[case]
    if not matrix.any():
        return
    with_zero = np.concatenate([matrix[:1], np.zeros_like(matrix[:1]), matrix[1:]])
    weights = weigh(name, matrix)
    np.testing.assert_allclose(
        np.delete(weigh(name, with_zero), 1), weights, rtol=1e-4, atol=1e-6 * np.abs(weights).max()
    )


# Weights of a bank's matrix against references that see the gradients, not the Gramian.


@over_bank
def test_mgda_is_a_convex_combination_and_the_shortest(case):
    matrix = MATRICES[case]
    weights = weigh("mgda", matrix)
    assert weights.min() >= 0 and weights.sum() == pytest.approx(1, abs=1e-6)
    present = matrix[np.linalg.norm(matrix, axis=1) > 0]
    if len(present):
        # First-order optimality over the simplex: no vertex lies before the point.
        point = weights @ matrix
        size = np.linalg.norm(present, axis=1)
        assert (present @ point - point @ point >= -2e-5 * size * max(size.min(), np.linalg.norm(point))).all()


@over_independent
def test_mgda_as_scipy(case):
    matrix = INDEPENDENT[case]
    # |J'x - J^+ 1|^2 = x'Gx - 2 x'1 + ...: the shortest point, but for its scale.
    x = nnls(matrix.T, np.linalg.pinv(matrix) @ np.ones(len(matrix)))[0]
    np.testing.assert_allclose(weigh("mgda", matrix), x / x.sum(), rtol=1e-4, atol=1e-6)


@over_moderate
def test_dualproj_as_scipy(case):
    matrix = MATRICES[case]
    mean = np.full(len(matrix), 1 / len(matrix))
    expected = mean + nnls(matrix.T, -mean @ matrix)[0]
    assert_same_step(weigh("dualproj", matrix), expected, matrix)


@over_bank
def test_upgrad_as_scipy(case):
    matrix = MATRICES[case]
    units = matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-300)
    lengths = np.linalg.norm(matrix, axis=1)
    projections = [
        length * (unit + nnls(units.T, -unit)[0] @ units) for length, unit in zip(lengths, units, strict=True)
    ]
    size = max(lengths.max(), 1e-300)
    np.testing.assert_allclose(step("upgrad", matrix) / size, np.mean(projections, axis=0) / size, atol=1e-4)


@over_independent
@pytest.mark.parametrize("name", ["upgrad", "dualproj"])
def test_weights_of_projections_as_scipy(name, case):
    matrix = INDEPENDENT[case]
    tasks = len(matrix)
    rows = np.eye(tasks) / tasks if name == "upgrad" else np.full([1, tasks], 1 / tasks)
    expected = sum(row + nnls(matrix.T, -row @ matrix)[0] for row in rows)
    np.testing.assert_allclose(weigh(name, matrix), expected, rtol=1e-4)


@over_moderate
@pytest.mark.parametrize("c", [0.0, 0.5, 1.0])
def test_cagrad_is_optimal(case, c):
    matrix = MATRICES[case]
    tasks = len(matrix)
    weights = weigh(f"cagrad:c={c}", matrix) * (1 + c**2) / tasks
    moved = weights - 1 / tasks
    mean, d = matrix.mean(axis=0), weights @ matrix
    size = np.linalg.norm(matrix, axis=1).max()
    present = np.linalg.norm(matrix, axis=1) > 0
    # The KKT conditions of max_d min_i <g_i, d>, |d - g_0| <= c |g_0|.
    radius = c * np.linalg.norm(mean)
    assert moved.min() >= -1e-6
    assert np.linalg.norm(d - mean) <= radius + 1e-5 * size
    if present.any():
        least = (matrix @ d)[present].min()
        active = moved > 1e-4
        products = matrix @ d
        scale = np.linalg.norm(matrix, axis=1) * size
        np.testing.assert_allclose((products - least)[active] / scale[active], 0, atol=3e-5)
        saturated = np.linalg.norm(d - mean) == pytest.approx(radius, abs=1e-5 * size)
        assert saturated or least == pytest.approx(0, abs=1e-5 * size**2)


@over_independent
def test_imtl_g_as_in_the_paper(case):
    matrix = INDEPENDENT[case]
    units = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    differences, unit_differences = matrix[:1] - matrix[1:], units[:1] - units[1:]
    others = matrix[0] @ unit_differences.T @ np.linalg.inv(differences @ unit_differences.T)
    expected = np.concatenate([[1 - others.sum()], others])
    weights = weigh("imtl_g", matrix)
    np.testing.assert_allclose(weights, expected, rtol=1e-4, atol=1e-5)
    projections = units @ (weights @ matrix)
    np.testing.assert_allclose(projections, projections[0], rtol=1e-3)


@over_independent
@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_fairgrad_solves_its_equation(case, alpha):
    matrix = INDEPENDENT[case]
    weights = weigh(f"fairgrad:alpha={alpha}", matrix)
    assert weights.min() > 0
    np.testing.assert_allclose(matrix @ (weights @ matrix), weights ** (-1 / alpha), rtol=1e-4)


@over_independent
def test_nash_mtl_solves_its_equation(case):
    matrix = INDEPENDENT[case]
    weights = weigh("nash_mtl:max_norm=0", matrix)
    gramian = matrix @ matrix.T
    np.testing.assert_allclose(gramian / np.linalg.norm(gramian) @ weights, 1 / weights, rtol=1e-4)


@over_bank
def test_nash_mtl_keeps_to_its_norm(case):
    length = np.linalg.norm(step("nash_mtl:max_norm=0.25", MATRICES[case]))
    assert length <= 0.2505
    if case in INDEPENDENT and case != "tiny":
        assert length == pytest.approx(0.25, rel=1e-3)


@over_independent
def test_aligned_mtl_by_singular_values(case):
    matrix = INDEPENDENT[case]
    left, singular, _ = np.linalg.svd(matrix, full_matrices=False)
    balance = singular[-1] * left @ np.diag(1 / singular) @ left.T
    np.testing.assert_allclose(weigh("aligned_mtl", matrix), balance.sum(axis=0), rtol=1e-4, atol=1e-5)
    # The aligned gradients are orthogonal and of one length.
    aligned = balance @ matrix
    np.testing.assert_allclose(aligned @ aligned.T / singular[-1] ** 2, np.eye(len(matrix)), atol=1e-8)


@over_bank
def test_config_as_the_pseudo_inverse_of_units(case):
    matrix = MATRICES[case]
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    units = np.divide(matrix, lengths, out=np.zeros_like(matrix), where=lengths > 0)
    direction = np.linalg.pinv(units, rcond=1e-4) @ np.ones(len(matrix))
    if np.linalg.norm(direction) < 1e-6:
        np.testing.assert_allclose(weigh("config", matrix), 0, atol=1e-6)
        return
    direction /= np.linalg.norm(direction)
    expected = (matrix @ direction).sum() * direction
    np.testing.assert_allclose(step("config", matrix) / lengths.max(), expected / lengths.max(), atol=1e-4)


# By hand.

TWO = np.array([[1.0, 0.0], [-1.0, 1.0]])  # G = [[1, -1], [-1, 2]]
PAIR = np.array([[3.0, 0.0], [0.0, 4.0]])  # G = diag(9, 16)


@pytest.mark.parametrize(
    ("spec", "matrix", "expected"),
    [
        # Orthogonal: w_i as 1 / |g_i|^2, (1/9, 1/16) / (25/144).
        ("mgda", PAIR, [16 / 25, 9 / 25]),
        # (2 - (-1)) / (1 + 2 + 2) of the first: the foot of the perpendicular from 0.
        ("mgda", TWO, [3 / 5, 2 / 5]),
        # The first is shorter than all of the segment's other points.
        ("mgda", np.array([[1.0, 0.0], [2.0, 1.0]]), [1, 0]),
        # c = 0: the sum of the gradients.
        ("cagrad:c=0", TWO, [1, 1]),
        # One task: g_w = g_0, so (1 + c) g, over 1 + c^2.
        ("cagrad", np.array([[3.0, 4.0]]), [1.5 / 1.25]),
        ("cagrad:rescale=2", np.array([[3.0, 4.0]]), [1]),
        # g_0 = (0, 1/2): <g_1, d> is the least, 0 before, and so (w_1 = 1) d = g_0 + 1/4 (1, 0): then <g_1, d> = 1/4 =
        # <g_2, d>. Weights (1/2 + 1/4, 1/2), times 2, over 1.25; without rescaling 1.5 and 1.
        ("cagrad:rescale=0", TWO, [1.5, 1]),
        ("cagrad", TWO, [1.2, 0.8]),
        # Orthogonal: equal projections w_1 3 = w_2 4, sum 1.
        ("imtl_g", PAIR, [4 / 7, 3 / 7]),
        # <g, g_1> = w_1 - w_2, <g, g_2> / sqrt 2 = (2 w_2 - w_1) / sqrt 2, equal where w_2 / w_1 = (1 + r) / (2 + r),
        # r = sqrt 2: w_2 = (1 + r) / (3 + 2 r) = 1 / (1 + r) = r - 1.
        ("imtl_g", TWO, [2 - np.sqrt(2), np.sqrt(2) - 1]),
        # Orthogonal: a_i |g_i|^2 / F = 1 / a_i, a_i = sqrt(F) / |g_i|, F = sqrt(81 + 256).
        ("nash_mtl:max_norm=0", PAIR, 337**0.25 / np.array([3.0, 4.0])),
        # Its length sqrt(2 F) is cut to 1.
        ("nash_mtl", PAIR, np.array([1 / 3, 1 / 4]) / np.sqrt(2)),
        # Orthogonal: the longer is made as short as the shorter.
        ("aligned_mtl", PAIR, [1, 3 / 4]),
        # One task.
        ("aligned_mtl", np.array([[3.0, 4.0]]), [1]),
        # No conflict: the mean.
        ("upgrad", PAIR, [1 / 2, 1 / 2]),
        # g_1 off g_2: + 1/2 g_2; g_2 off g_1: + g_1. Half the sum of (1, 1/2) and (1, 1).
        ("upgrad", TWO, [1, 3 / 4]),
        # The mean (0, 1/2) hurts none.
        ("dualproj", TWO, [1 / 2, 1 / 2]),
        # The mean (-1, 1/2) hurts g_1 = (1, 0), is projected to (0, 1/2): + 1 of g_1.
        ("dualproj", np.array([[1.0, 0.0], [-3.0, 1.0]]), [3 / 2, 1 / 2]),
        # Orthogonal: w |g|^2 = 1 / w.
        ("fairgrad", PAIR, [1 / 3, 1 / 4]),
        # w |g|^2 = w^-2.
        ("fairgrad:alpha=0.5", PAIR, [9 ** (-1 / 3), 16 ** (-1 / 3)]),
        # w |g|^2 = w^(-1/2).
        ("fairgrad:alpha=2", PAIR, [9 ** (-2 / 3), 16 ** (-2 / 3)]),
        # w_1 - w_2 = 1 / w_1, 2 w_2 - w_1 = 1 / w_2, t = w_2 / w_1: w_1^2 = 1 / (1 - t) = 1 / (2 t^2 - t), t^2 = 1/2.
        ("fairgrad", TWO, (1 - np.sqrt(0.5)) ** -0.5 * np.array([1, np.sqrt(0.5)])),
        # u = (1, 1) / sqrt 2; the projections 3 and 4, over sqrt 2, add up: (7/2, 7/2).
        ("config", PAIR, [7 / 6, 7 / 8]),
        # Three orthogonal: (1 + 2 + 3) / 3 along each axis.
        ("config", np.diag([1.0, 2.0, 3.0]), [2, 1, 2 / 3]),
        ("imtl_g", np.diag([1.0, 2.0, 3.0]), [6 / 11, 3 / 11, 2 / 11]),
        ("mgda", np.diag([1.0, 2.0, 3.0]), [36 / 49, 9 / 49, 4 / 49]),
        ("fairgrad", np.diag([1.0, 2.0, 4.0]), [1, 1 / 2, 1 / 4]),
        ("aligned_mtl", np.diag([1.0, 2.0, 4.0]), [1, 1 / 2, 1 / 4]),
    ],
)
def test_by_hand(spec, matrix, expected):
    np.testing.assert_allclose(weigh(spec, matrix), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "zero"),
    [
        ("mgda", 1 / 3),
        ("cagrad", 0.8),
        ("imtl_g", 0),
        ("nash_mtl", 0),
        ("aligned_mtl", 1),
        ("upgrad", 1 / 3),
        ("dualproj", 1 / 3),
        ("fairgrad", 0),
        ("config", 0),
    ],
)
def test_gradients_that_are_all_zero(name, zero):
    np.testing.assert_allclose(weigh(name, np.zeros([3, 2])), zero, rtol=1e-6)


def test_regularised_as_the_authors_do():
    # G = [[1, -1], [-1, 2]] + 3/4 I with reg_eps 1/4: g_1 off g_2 takes 1 / 2.75, g_2 off g_1 1 / 1.75.
    np.testing.assert_allclose(weigh("upgrad:reg_eps=0.25", TWO), [0.5 + 0.5 / 1.75, 0.5 + 0.5 / 2.75], rtol=1e-5)
    conflict = np.array([[1.0, 0.0], [-3.0, 1.0]])
    # Trace 11, reg_eps 1/11: <mean, g_1> = (1 + 1 - 3) / 2 = -1/2 over 2.
    np.testing.assert_allclose(weigh(f"dualproj:reg_eps={1 / 11}", conflict), [0.5 + 0.25, 0.5], rtol=1e-5)


def test_nash_mtl_solves_at_every_so_many_steps():
    weighting = parse_weighting("nash_mtl:update_weights_every=2:max_norm=0")
    weighting.build(2)
    assert [tuple(variable.shape) for variable in weighting.variables] == [(2,), ()]
    solve = tf.function(lambda gramian: weighting.weights(tf.ones(2), gramian))
    steps = [solve(tf.constant(matrix @ matrix.T, tf.float32)).numpy() for matrix in (PAIR, TWO, TWO, PAIR, PAIR)]
    pair, two = weigh("nash_mtl:max_norm=0", PAIR), weigh("nash_mtl:max_norm=0", TWO)
    np.testing.assert_allclose(steps, [pair, pair, two, two, pair], rtol=1e-5)


def test_nash_mtl_goes_on_from_its_state():
    def made():
        weighting = parse_weighting("nash_mtl:update_weights_every=3")
        weighting.build(2)
        return weighting

    gramians = [tf.constant(matrix @ matrix.T, tf.float32) for matrix in (PAIR, TWO)]
    first, second = made(), made()
    first.weights(tf.ones(2), gramians[0])
    for variable, saved in zip(second.variables, first.variables, strict=True):
        variable.assign(saved.value)
    for _ in range(3):
        expected = first.weights(tf.ones(2), gramians[1])
        np.testing.assert_array_equal(second.weights(tf.ones(2), gramians[1]), expected)


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_in_a_graph_and_serialises(name):
    method = weighting_class(name)
    weighting = method.from_config(method().get_config())
    assert weighting.get_config() == method().get_config()
    assert weighting.name == name and weighting.sees == "gramian" and not weighting.halves
    for tasks in (1, 3, 8):
        weighting = method()
        weighting.build(tasks)
        matrix = np.random.default_rng(tasks).normal(size=(tasks, 20))
        gramian = tf.constant(matrix @ matrix.T, tf.float32)
        in_graph = tf.function(weighting.weights)(tf.zeros(tasks), gramian)
        np.testing.assert_allclose(in_graph, weigh(name, matrix), rtol=1e-5)


@pytest.mark.parametrize(
    "spec",
    [
        "cagrad:c=-0.1",
        "cagrad:rescale=3",
        "nash_mtl:max_norm=-1",
        "nash_mtl:update_weights_every=0",
        "nash_mtl:update_weights_every=1.5",
        "upgrad:reg_eps=-1",
        "dualproj:reg_eps=-1",
        "fairgrad:alpha=0",
        "fairgrad:alpha=11",
        "cagrad:c=nan",
    ],
)
def test_settings_out_of_range(spec):
    with pytest.raises(UserError, match="Received"):
        parse_weighting(spec)
