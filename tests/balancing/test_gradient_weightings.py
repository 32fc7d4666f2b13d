"""Weightings that see the gradients themselves and give the combined one."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf
from balancing.matrices import bank

from keras_mtl.balancing.methods.graddrop import picked_sign
from keras_mtl.balancing.stacks import combination, gramian, norms, stacked
from keras_mtl.errors import UserError
from keras_mtl.weighting_names import parse_weighting, weighting_class

NAMES = ("db_mtl", "moco", "graddrop", "excess_mtl")
THAT_REMEMBER = ("db_mtl", "moco", "excess_mtl")
# Settings other than the defaults, for the round trips.
OTHERS = {
    "db_mtl": {"beta": 0.5, "beta_sigma": 0.25},
    "moco": {"beta": 0.2, "beta_sigma": 0.1, "gamma": 0.3, "gamma_sigma": 0.2, "rho": 0.1, "normalize": 0},
    "graddrop": {"leak": 0.25, "seed": 7},
    "excess_mtl": {"robust_step_size": 1.0},
}
BANK = bank()
EVERY_NAME = pytest.mark.parametrize("name", NAMES)
EVERY_MATRIX = pytest.mark.parametrize("matrix", BANK.values(), ids=BANK)


def built(name: str, size: int, tasks: int, **options):
    weighting = weighting_class(name)(**options)
    weighting.build(tasks, [(size,)])
    return weighting


def step(weighting, matrix, losses=None) -> np.ndarray:
    """The combined gradient, of one shared weight with all the matrix' columns."""
    losses = np.ones(len(matrix)) if losses is None else losses
    gradients = [[tf.constant(row, tf.float32)] for row in np.asarray(matrix)]
    (combined,) = weighting.combine(gradients, tf.constant(losses, tf.float32))
    return combined.numpy()


# By hand.


def test_db_mtl():
    weighting = built("db_mtl", 2, 2, beta=0.5)
    # The logarithms' gradients: (3, 4) / 1 and (0, 2) / 0.5 = (0, 4). Averages (1.5, 2) and (0, 2), of lengths 2.5
    # and 2: the second is made 2.5 long.
    gradients, losses = [[3.0, 4.0], [0.0, 2.0]], [1.0, 0.5]
    np.testing.assert_allclose(step(weighting, gradients, losses), [1.5, 2 + 2.5], rtol=1e-6)
    # Averages (2.25, 3) and (0, 3), of lengths 3.75 and 3.
    np.testing.assert_allclose(step(weighting, gradients, losses), [2.25, 3 + 3.75], rtol=1e-6)


def test_db_mtl_forgets_faster_step_by_step():
    weighting = built("db_mtl", 1, 1, beta=0.5, beta_sigma=1)
    # beta 0.5, then 0.25: 0.5 * 4 = 2, then 0.25 * 2 + 0.75 * 8 = 6.5.
    assert step(weighting, [[4.0]]) == pytest.approx(2)
    assert step(weighting, [[8.0]]) == pytest.approx(6.5)


def test_moco_as_in_the_paper():
    weighting = built("moco", 2, 2, beta=1.0, beta_sigma=0, gamma=0.1, gamma_sigma=0, normalize=0)
    # Averages (1, 0) and (0, 2), the slope at (0.5, 0.5) is (0.5, 2): (0.45, 0.3), of sum 0.75, so 0.125 more each.
    np.testing.assert_allclose(step(weighting, [[1.0, 0.0], [0.0, 2.0]]), [0.575, 0.425 * 2], rtol=1e-6)


def test_moco_by_default():
    weighting = built("moco", 2, 2)
    # Made as long as the losses: (2, 0) and (0, 1); averages (1, 0) and (0, 0.5). The slope is (0.5, 0.125):
    # (0.45, 0.4875), of sum 0.9375, so 0.03125 more each.
    combined = step(weighting, [[7.0, 0.0], [0.0, 3.0]], [2.0, 1.0])
    np.testing.assert_allclose(combined, [0.48125, 0.51875 * 0.5], rtol=1e-6)


def test_moco_by_the_number_of_steps():
    weighting = built("moco", 2, 2, beta=1.0, gamma=0.2, rho=1, normalize=0)
    weighting.step.assign(3)
    weighting.task_weights.assign([0.75, 0.25])
    # At step 4 beta and gamma are half: 0.5 and 0.1. Averages (0.5, 0) and (0, 0.5), the slope is
    # (0.25 + 1) (0.75, 0.25): (0.65625, 0.21875), of sum 0.875, so 0.0625 more each.
    combined = step(weighting, np.eye(2))
    np.testing.assert_allclose(combined, [0.71875 / 2, 0.28125 / 2], rtol=1e-6)


def test_graddrop_picks_signs():
    gradients = [tf.constant([3.0, -1.0, 2.0]), tf.constant([-1.0, -1.0, 1.0])]
    # Positive sums (3, 0, 3), negative ones (-1, -2, 0): purities 3 / 4, 0 and 1.
    np.testing.assert_allclose(picked_sign(gradients, tf.fill([3], 0.7), 0.0), [3, -2, 3])
    np.testing.assert_allclose(picked_sign(gradients, tf.fill([3], 0.8), 0.0), [-1, -2, 3])
    # Half of the plain sum (2, -2, 3), half of that.
    np.testing.assert_allclose(picked_sign(gradients, tf.fill([3], 0.8), 0.5), [0.5, -2, 3])


def test_excess_mtl():
    weighting = built("excess_mtl", 2, 2, robust_step_size=1.0)
    # Squares (9, 16) and (1, 0): the excess is 9 / 3 + 16 / 4 = 7 and 1. The first step has the weights 1.
    np.testing.assert_allclose(step(weighting, [[3.0, 4.0], [1.0, 0.0]]), [4, 4], rtol=1e-6)
    # Squares (18, 32) and (5, 0): 9 / sqrt(18) + 16 / sqrt(32) = 7 / sqrt(2), and 4 / sqrt(5).
    grown = np.exp([1 / math.sqrt(2), 4 / math.sqrt(5)])
    first, second = 2 * grown / grown.sum()
    expected = [first * 3 + second * 2, first * 4]
    np.testing.assert_allclose(step(weighting, [[3.0, 4.0], [2.0, 0.0]]), expected, rtol=1e-6)


# What each promises.


@EVERY_MATRIX
def test_db_mtl_gives_all_parts_one_length(matrix):
    tasks, size = matrix.shape
    combined = step(built("db_mtl", size, tasks, beta=0.0), matrix)
    lengths = np.linalg.norm(matrix, axis=1)
    parts = [row / length for row, length in zip(matrix, lengths, strict=True) if length]
    expected = lengths.max() * np.sum(parts, axis=0) if parts else np.zeros(size)
    np.testing.assert_allclose(combined, expected, rtol=1e-4, atol=1e-5 * (lengths.max() or 1))


def test_db_mtl_does_not_see_a_losses_scale():
    matrix, losses = BANK["three_conflicting"], np.array([1.0, 2.0, 3.0])
    scales = np.array([1.0, 1000.0, 0.01])
    plain, scaled = built("db_mtl", 3, 3), built("db_mtl", 3, 3)
    for _ in range(3):
        expected = step(plain, matrix, losses)
        np.testing.assert_allclose(step(scaled, scales[:, None] * matrix, scales * losses), expected, rtol=1e-5)


@pytest.mark.parametrize("normalize", [0, 1])
@pytest.mark.parametrize("name", ["conflicting", "agreeing", "three_conflicting", "on_the_front"])
def test_moco_ends_at_the_shortest_combination(name, normalize):
    matrix = BANK[name]
    tasks, size = matrix.shape
    weighting = built("moco", size, tasks, gamma=0.5, gamma_sigma=0, normalize=normalize)
    combine = tf.function(weighting.combine)
    for _ in range(400):
        (combined,) = combine([[tf.constant(row, tf.float32)] for row in matrix], tf.ones(tasks))
    rows = matrix / np.linalg.norm(matrix, axis=1, keepdims=True) if normalize else matrix
    # Of the shortest combination all gradients have as much, or more where their weight is 0.
    inner = rows @ combined.numpy()
    assert inner.min() >= np.sum(combined.numpy() ** 2) - 1e-3
    weights = weighting.task_weights.numpy()
    np.testing.assert_allclose(weights.sum(), 1, rtol=1e-5)
    np.testing.assert_allclose(inner[weights > 1e-3], inner.min(), atol=1e-3)


@EVERY_MATRIX
@pytest.mark.parametrize("leak", [0.0, 0.3, 1.0])
def test_graddrop_gives_one_of_two_sums(matrix, leak):
    tasks, size = matrix.shape
    combined = step(built("graddrop", size, tasks, leak=leak), matrix)
    whole = matrix.sum(axis=0)
    sums = np.clip(matrix, 0, None).sum(axis=0), np.clip(matrix, None, 0).sum(axis=0)
    left = [np.abs(combined - leak * whole - (1 - leak) * one) for one in sums]
    assert (np.minimum(*left) <= 1e-5 * np.abs(matrix).sum(axis=0)).all()


def test_graddrop_picks_as_often_as_the_purity_says():
    matrix = np.repeat([[3.0], [-1.0]], 20000, axis=1)
    weighting = built("graddrop", 20000, 2)
    first, second = step(weighting, matrix), step(weighting, matrix)
    assert np.mean(first == 3) == pytest.approx(0.75, abs=0.02)
    # Steps and entries are independent.
    assert np.mean((first == 3) & (second == 3)) == pytest.approx(0.75**2, abs=0.02)
    assert np.mean((first[1:] == 3) & (first[:-1] == 3)) == pytest.approx(0.75**2, abs=0.02)


def test_graddrop_draws_anew_for_each_shared_weight():
    weighting = weighting_class("graddrop")()
    weighting.build(2, [(50, 20), (1000,)])
    one, other = weighting.combine([[tf.ones((50, 20)), tf.ones(1000)], [-tf.ones((50, 20)), -tf.ones(1000)]], None)
    assert np.mean(tf.reshape(one, [-1]) == other) == pytest.approx(0.5, abs=0.1)


def test_excess_mtl_favours_the_task_that_does_not_converge():
    weighting = built("excess_mtl", 2, 2, robust_step_size=0.1)
    for size in np.geomspace(1, 0.01, 30):
        step(weighting, [[1.0, 1.0], [size, -size]])
    weights = np.exp(weighting.log_weights.numpy())
    assert weights[0] > 1.2 > weights[1] > 0
    np.testing.assert_allclose(weights.sum(), 2, rtol=1e-5)


def test_excess_mtl_does_not_see_a_gradients_scale():
    plain, scaled = built("excess_mtl", 3, 3, robust_step_size=1.0), built("excess_mtl", 3, 3, robust_step_size=1.0)
    for _ in range(3):
        # Far over the 1e-7 in the root.
        step(plain, 10 * BANK["three_agreeing"])
        step(scaled, 1000 * BANK["three_agreeing"])
    np.testing.assert_allclose(plain.log_weights, scaled.log_weights, atol=1e-4)


@pytest.mark.parametrize("name", THAT_REMEMBER)
def test_a_task_without_a_label_keeps_what_is_remembered(name):
    weighting = built(name, 2, 2)
    step(weighting, [[3.0, 4.0], [0.0, 2.0]])
    remembered = (weighting.squares if name == "excess_mtl" else weighting.averages)[0]
    before = remembered.numpy()
    assert np.isfinite(step(weighting, [[3.0, 4.0], [0.0, 0.0]], [1.0, 0.0])).all()
    np.testing.assert_array_equal(remembered.numpy()[1], before[1])
    assert not np.array_equal(remembered.numpy()[0], before[0])


def test_excess_mtl_meets_a_task_later():
    weighting = built("excess_mtl", 1, 2, robust_step_size=1.0)
    step(weighting, [[2.0], [0.0]], [1.0, 0.0])
    np.testing.assert_allclose(weighting.first_excess, [2, 0], rtol=1e-6)
    step(weighting, [[0.0], [3.0]], [0.0, 1.0])
    np.testing.assert_allclose(weighting.first_excess, [2, 3], rtol=1e-6)
    np.testing.assert_allclose(weighting.log_weights, [0, 0], atol=1e-6)


# What all promise.


@EVERY_NAME
@EVERY_MATRIX
def test_finite(name, matrix):
    tasks, size = matrix.shape
    weighting = built(name, size, tasks)
    for losses in (np.ones(tasks), np.zeros(tasks), np.geomspace(1e-20, 1e20, tasks)):
        combined = step(weighting, matrix, losses)
        assert combined.dtype == np.float32 and combined.shape == (size,)
        assert np.isfinite(combined).all()
    assert all(np.isfinite(np.array(variable, float)).all() for variable in weighting.variables)


@EVERY_NAME
@pytest.mark.parametrize("size", [1e-20, 1e20])
def test_tiny_and_huge(name, size):
    for options in ({}, {"normalize": 0}) if name == "moco" else ({},):
        weighting = built(name, 2, 3, **options)
        for _ in range(3):
            assert np.isfinite(step(weighting, size * np.array([[1.0, 0.5], [-1.0, 0.2], [0.3, -0.6]]))).all()


@EVERY_NAME
def test_one_task_keeps_its_direction(name):
    gradient = np.array([3.0, -4.0, 1e-3])
    for _ in range(2):
        combined = step(built(name, 3, 1), [gradient])
        np.testing.assert_allclose(combined / np.linalg.norm(combined), gradient / np.linalg.norm(gradient), atol=1e-6)


@pytest.mark.parametrize("name", THAT_REMEMBER)
@EVERY_MATRIX
def test_the_tasks_order_does_not_matter(name, matrix):
    tasks, size = matrix.shape
    order = np.random.default_rng(2).permutation(tasks)
    losses = np.linspace(0.5, 2, tasks)
    one, other = built(name, size, tasks), built(name, size, tasks)
    for _ in range(2):
        combined, moved = step(one, matrix, losses), step(other, matrix[order], losses[order])
    np.testing.assert_allclose(moved, combined, rtol=1e-4, atol=1e-5 * (np.abs(combined).max() or 1))


@EVERY_NAME
def test_cutting_the_weights_does_not_matter(name):
    matrix = BANK["eight_tasks"]
    whole, cut = built(name, 200, 8), weighting_class(name)()
    cut.build(8, [(10, 2, 4), (), (119,)])
    for _ in range(2):
        expected = step(whole, matrix)
        rows = [[row[:80].reshape(10, 2, 4), row[80], row[81:]] for row in matrix]
        combined = cut.combine([[tf.constant(part, tf.float32) for part in row] for row in rows], tf.ones(8))
    assert [tuple(part.shape) for part in combined] == [(10, 2, 4), (), (119,)]
    np.testing.assert_allclose(np.concatenate([np.ravel(part) for part in combined]), expected, rtol=1e-4, atol=1e-6)


@EVERY_NAME
def test_goes_on_from_its_state(name):
    matrices = np.random.default_rng(3).normal(size=(6, 4, 5)) - 0.5
    one = built(name, 5, 4)
    for matrix in matrices[:3]:
        step(one, matrix)
    other = built(name, 5, 4)
    for variable, saved in zip(other.variables, one.variables, strict=True):
        variable.assign(saved)
    for matrix in matrices[3:]:
        np.testing.assert_array_equal(step(one, matrix), step(other, matrix))


@EVERY_NAME
@pytest.mark.parametrize("tasks", [1, 40])
def test_in_a_graph(name, tasks):
    eager, graph = built(name, 20, tasks), built(name, 20, tasks)
    compiled = tf.function(graph.combine)
    for matrix in np.random.default_rng(3).normal(size=(3, tasks, 20)):
        (found,) = compiled([[tf.constant(row, tf.float32)] for row in matrix], tf.ones(tasks))
        np.testing.assert_allclose(found, step(eager, matrix), rtol=1e-4, atol=1e-5)


def test_graddrop_of_features_of_any_batch():
    weighting = weighting_class("graddrop")()
    weighting.build(2, [(None, 3)])

    @tf.function(input_signature=[tf.TensorSpec((2, None, 3))])
    def combined(gradients):
        return weighting.combine([[gradients[0]], [gradients[1]]], tf.ones(2))[0]

    assert combined(tf.ones((2, 5, 3))).shape == (5, 3)
    assert combined(tf.ones((2, 7, 3))).shape == (7, 3)


@pytest.mark.parametrize("name", THAT_REMEMBER)
def test_features_are_not_remembered(name):
    with pytest.raises(UserError, match="gradients='trunk'"):
        weighting_class(name)().build(2, [(None, 3)])


@EVERY_NAME
def test_settings_round_trip(name):
    weighting = weighting_class(name)(**OTHERS[name])
    assert weighting.get_config() == OTHERS[name]
    assert type(weighting).from_config(weighting.get_config()).get_config() == OTHERS[name]
    spec = ":".join([name, *(f"{key}={value}" for key, value in OTHERS[name].items())])
    assert parse_weighting(spec).get_config() == OTHERS[name]


@pytest.mark.parametrize(
    "spec",
    ["db_mtl:beta=1", "db_mtl:beta_sigma=-1", "moco:beta=0", "moco:gamma=-1", "moco:rho=-1", "moco:normalize=2"]
    + ["graddrop:leak=2", "graddrop:seed=-1", "excess_mtl:robust_step_size=-1"],
)
def test_wrong_settings(spec):
    with pytest.raises(UserError, match="Received"):
        parse_weighting(spec)


# The stacks.


@EVERY_MATRIX
def test_inner_products_and_sums(matrix):
    stacks = stacked([[tf.constant(row[:1], tf.float32), tf.constant(row[1:], tf.float32)] for row in matrix])
    lengths = np.linalg.norm(matrix, axis=1)
    np.testing.assert_allclose(norms(stacks), lengths, rtol=1e-5)
    # To float32's resolution of the two lengths.
    allowed = 1e-5 * lengths[:, None] * lengths
    assert (np.abs(gramian(stacks) - matrix @ matrix.T) <= allowed).all()
    weights = np.linspace(-1, 2, len(matrix))
    found = np.concatenate([np.ravel(part) for part in combination(tf.constant(weights), stacks)])
    np.testing.assert_allclose(found, weights @ matrix, rtol=1e-4, atol=1e-5 * (np.abs(matrix).max() or 1))
