"""Weightings that turn gradients or train the weights from step to step, all by the Gramian."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from balancing.matrices import bank
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mtl.balancing.simplex import nearest_on_simplex
from keras_mtl.balancing.surgery import operate, random_orders
from keras_mtl.errors import UserError
from keras_mtl.weighting_names import parse_weighting, weighting_class

NAMES = ("pcgrad", "gradvac", "gradnorm", "modo", "sdmgrad")
# Settings other than the defaults, for the round trips.
OTHERS = {
    "pcgrad": {"seed": 7},
    "gradvac": {"beta": 0.5, "seed": 7},
    "gradnorm": {"alpha": 0.5, "learning_rate": 0.1},
    "modo": {"gamma": 0.1, "rho": 0.5},
    "sdmgrad": {"regularization": 0.6, "steps": 5, "learning_rate": 0.5, "momentum": 0.0},
}
BANK = bank()
EVERY_NAME = pytest.mark.parametrize("name", NAMES)
EVERY_MATRIX = pytest.mark.parametrize("matrix", BANK.values(), ids=BANK)


def built(name: str, tasks: int, **options):
    weighting = weighting_class(name)(**options)
    weighting.build(tasks)
    return weighting


def step(weighting, gramian, losses=None) -> np.ndarray:
    losses = np.ones(len(gramian)) if losses is None else losses
    return weighting.weights(tf.constant(losses, tf.float32), tf.constant(gramian, tf.float32)).numpy()


def some_orders(tasks: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    others = [[j for j in range(tasks) if j != i] for i in range(tasks)]
    return np.array([random.permutation(row) for row in others], np.int32).reshape(tasks, tasks - 1)


def turned(matrix: np.ndarray, orders: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Each task's gradient as GradVac's algorithm turns it, written with vectors and angles."""
    result = matrix.copy()
    for i, order in enumerate(orders):
        for j in order:
            own, other = np.linalg.norm(result[i]), np.linalg.norm(matrix[j])
            if own == 0 or other == 0:
                continue
            cosine = np.clip(result[i] @ matrix[j] / own / other, -1, 1)
            target = targets[i, j]
            if cosine < target:
                length = own * (target * math.sqrt(1 - cosine**2) - cosine * math.sqrt(1 - target**2))
                result[i] += length / (other * math.sqrt(1 - target**2)) * matrix[j]
    return result


# By hand.


def test_pcgrad_of_two_tasks():
    # g1 = (1, 0), g2 = (-0.5, 1): <g1, g2> = -0.5. h1 = g1 + 0.5 / 1.25 g2, h2 = g2 + 0.5 / 1 g1.
    weights = step(built("pcgrad", 2), [[1.0, -0.5], [-0.5, 1.25]])
    np.testing.assert_allclose(weights, [1.5, 1.4], rtol=1e-6)


def test_pcgrad_meets_the_others_in_order():
    # g1 = (1, 0), g2 = (-1, 1), g3 = (-1, -1).
    gramian = np.array([[1.0, -1.0, -1.0], [-1.0, 2.0, 0.0], [-1.0, 0.0, 2.0]])
    # Task 1 meets 2, <g1, g2> = -1: h = g1 + g2 / 2 = (0.5, 0.5); then 3, <h, g3> = -1: h + g3 / 2 = 0.
    # Task 2 meets 1, -1: h = g2 + g1 = (0, 1); then 3, -1: h + g3 / 2. Meeting 3 first, 0: nothing; then 1: + g1.
    coefficients, _ = operate(gramian, np.array([[1, 2], [0, 2], [0, 1]]))
    np.testing.assert_allclose(coefficients[:2], [[1, 0.5, 0.5], [1, 1, 0.5]])
    coefficients, _ = operate(gramian, np.array([[1, 2], [2, 0], [0, 1]]))
    np.testing.assert_allclose(coefficients[1], [1, 1, 0])


def test_gradvac_turns_up_to_the_target():
    weighting = built("gradvac", 2, beta=0.5)
    weighting.targets.assign([[0.0, 0.6], [0.6, 0.0]])
    # At right angles and of length 1: h = g1 + 0.6 / 0.8 g2 has cosine 0.75 / 1.25 = 0.6 with g2. The target follows
    # the cosine 0 that was met: 0.6 / 2.
    np.testing.assert_allclose(step(weighting, np.eye(2)), [1.75, 1.75], rtol=1e-6)
    np.testing.assert_allclose(weighting.targets, [[0, 0.3], [0.3, 0]], rtol=1e-6)


def test_gradnorm_takes_a_step_of_adam():
    weighting = built("gradnorm", 2, learning_rate=0.1)
    # Lengths 1 and 3, both tasks as far as at first: targets of 2, slopes -1 and 3. Adam's first step is the learning
    # rate against the slopes' signs.
    np.testing.assert_allclose(step(weighting, np.diag([1.0, 9.0])), [1, 1])
    np.testing.assert_allclose(weighting.task_weights, [1.1, 0.9], rtol=1e-6)


def test_gradnorm_favours_the_slower_task():
    weighting = built("gradnorm", 2, alpha=1, learning_rate=0.1)
    weighting.first_losses.assign([2.0, 4.0])
    # Of their first losses 1 and 1 / 2 are left: rates 4 / 3 and 2 / 3. Lengths 1 and 1: targets 4 / 3 and 2 / 3.
    step(weighting, np.eye(2), [2.0, 2.0])
    np.testing.assert_allclose(weighting.task_weights, [1.1, 0.9], rtol=1e-5)


def test_gradnorm_by_alpha():
    for alpha, expected in ((0, [0.9, 1.1]), (1, [1.1, 0.9])):
        weighting = built("gradnorm", 2, alpha=alpha, learning_rate=0.1)
        weighting.first_losses.assign([2.0, 4.0])
        # Lengths 1.4 and 1, 1.2 in the mean: targets 1.2 and 1.2 with alpha 0, with alpha 1 of 1.6 and 0.8.
        step(weighting, np.diag([1.96, 1.0]), [2.0, 2.0])
        np.testing.assert_allclose(weighting.task_weights, expected, rtol=1e-5)


def test_modo_steps_after_use():
    weighting = built("modo", 2, gamma=0.1, rho=0)
    gramian = [[1.0, -0.2], [0.4, 2.0]]
    # From (0.5, 0.5) by -0.1 (0.4, 1.2): (0.46, 0.38), of sum 0.84, so 0.08 more each.
    np.testing.assert_allclose(step(weighting, gramian), [0.5, 0.5])
    np.testing.assert_allclose(step(weighting, gramian), [0.54, 0.46], rtol=1e-6)


def test_modo_favours_equal_weights():
    weighting = built("modo", 2, gamma=0.1, rho=1)
    weighting.task_weights.assign([0.75, 0.25])
    # By -0.1 (0.75 + 0.75, 0.25 + 0.25): (0.6, 0.2), of sum 0.8, so 0.1 more each.
    step(weighting, np.eye(2))
    np.testing.assert_allclose(weighting.task_weights, [0.7, 0.3], rtol=1e-6)


def test_sdmgrad_by_one_inner_step():
    # Lengths 2 and 1, 1.5 in the mean: the Gramian over 2.25 is diag(16, 4) / 9. The slope at (0.5, 0.5) is
    # 1.3 (8, 2) / 9; 0.1 of it leaves (0.384444, 0.471111), and 0.072222 more each brings the sum to 1.
    weights = step(built("sdmgrad", 2, steps=1, learning_rate=0.1), np.diag([4.0, 1.0]))
    np.testing.assert_allclose(weights, [(2 * 0.456667 + 0.3) / 1.3, (2 * 0.543333 + 0.3) / 1.3], rtol=1e-5)


def test_sdmgrad_by_two_inner_steps():
    # From (0.456667, 0.543333), above: half the last slope (1.155556, 0.288889), and that at the new place,
    # (16 * 0.456667, 4 * 0.543333) / 9 + 0.3 (8, 2) / 9, make (1.656296, 0.452593). 0.1 of it leaves
    # (0.291037, 0.498074), and 0.105444 more each brings the sum to 1.
    weighting = built("sdmgrad", 2, steps=2, learning_rate=0.1)
    step(weighting, np.diag([4.0, 1.0]))
    np.testing.assert_allclose(weighting.task_weights, [0.396481, 0.603519], rtol=1e-5)


def test_sdmgrad_takes_the_mean_over_the_second_half():
    # Over 2.25 the slope at (0.5, 0.5) is 1.3 (2.5, 0.5) / 2.25 = (1.444444, 0.288889); 0.1 of it leaves
    # (0.355556, 0.471111), and 0.086667 more each brings the sum to 1.
    weighting = built("sdmgrad", 2, steps=1, learning_rate=0.1)
    step(weighting, [[4.0, 1.0], [0.0, 1.0]])
    np.testing.assert_allclose(weighting.task_weights, [0.442222, 0.557778], rtol=1e-5)


# What each promises.


@EVERY_MATRIX
@pytest.mark.parametrize("spread", [0.0, 0.9])
def test_surgery_turns_as_the_vectors_are(matrix, spread):
    tasks = len(matrix)
    orders = some_orders(tasks)
    targets = np.random.default_rng(1).uniform(-spread, spread, (tasks, tasks))
    coefficients, _ = operate(matrix @ matrix.T, orders, targets if spread else None)
    expected = turned(matrix, orders, targets)
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    np.testing.assert_allclose(coefficients @ matrix / lengths, expected / lengths, atol=1e-5)


@EVERY_MATRIX
def test_pcgrad_adds_only(matrix):
    gramian = matrix @ matrix.T
    weights = step(built("pcgrad", len(matrix)), gramian)
    assert (weights >= 1).all()
    if (gramian >= 0).all():
        np.testing.assert_array_equal(weights, 1)
    if len(matrix) == 2:
        assert (gramian @ weights >= -1e-5 * np.abs(gramian).max()).all()


@EVERY_MATRIX
def test_gradvac_begins_as_pcgrad(matrix):
    gramian = matrix @ matrix.T
    vaccinated = step(built("gradvac", len(matrix), seed=3), gramian)
    np.testing.assert_allclose(vaccinated, step(built("pcgrad", len(matrix), seed=3), gramian), rtol=1e-5)


def test_gradvac_follows_the_cosines():
    matrix = BANK["three_agreeing"]
    lengths = np.linalg.norm(matrix, axis=1)
    weighting = built("gradvac", 3, beta=0.3)
    for _ in range(40):
        weights = step(weighting, matrix @ matrix.T)
    # Cosines that stay the same never fall under their own average.
    np.testing.assert_allclose(weights, 1)
    cosines = matrix @ matrix.T / lengths[:, None] / lengths
    np.testing.assert_allclose(weighting.targets, cosines - np.eye(3), atol=1e-5)


def test_gradvac_survives_a_target_of_1():
    weighting = built("gradvac", 3)
    weighting.targets.assign(np.ones((3, 3)))
    assert np.isfinite(step(weighting, np.eye(3))).all()


def test_gradvac_keeps_the_targets_of_a_task_without_a_label():
    weighting = built("gradvac", 3, beta=0.5)
    weighting.targets.assign(np.full((3, 3), 0.5))
    step(weighting, np.diag([1.0, 0.0, 1.0]))
    assert weighting.targets[0, 1] == weighting.targets[1, 2] == 0.5
    assert weighting.targets[0, 2] == 0.25


def test_gradnorm_makes_the_lengths_equal():
    weighting = built("gradnorm", 3)
    for _ in range(300):
        weights = step(weighting, np.diag([1.0, 4.0, 16.0]))
    # 1 w1 = 2 w2 = 4 w3 with the sum 3.
    np.testing.assert_allclose(weights, 3 / 1.75 / np.array([1, 2, 4]), atol=0.05)


def test_gradnorm_passes_over_a_task_without_a_label():
    weighting = built("gradnorm", 3, learning_rate=0.1)
    step(weighting, np.diag([1.0, 9.0, 0.0]), [1.0, 2.0, 0.0])
    np.testing.assert_allclose(weighting.task_weights, [1.1, 0.9, 1.0], rtol=1e-6)
    np.testing.assert_allclose(weighting.first_losses, [1.0, 2.0, 0.0])
    step(weighting, np.eye(3), [5.0, 5.0, 5.0])
    np.testing.assert_allclose(weighting.first_losses, [1.0, 2.0, 5.0])


@pytest.mark.parametrize("name", ["conflicting", "one_dominates", "agreeing"])
def test_modo_ends_at_the_shortest_combination(name):
    matrix = BANK[name]
    weighting = built("modo", 2, gamma=0.5, rho=0)
    for _ in range(300):
        weights = step(weighting, matrix @ matrix.T)
    first, second = matrix
    share = np.clip(second @ (second - first) / np.sum((first - second) ** 2), 0, 1)
    np.testing.assert_allclose(weights, [share, 1 - share], atol=1e-3)


@EVERY_MATRIX
def test_modo_is_convex(matrix):
    weighting = built("modo", len(matrix), gamma=0.1)
    for _ in range(3):
        weights = step(weighting, matrix @ matrix.T)
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(), 1, rtol=1e-5)


@pytest.mark.parametrize("name", ["three_conflicting", "eight_tasks", "eight_alike", "forty_tasks", "rank_two"])
def test_sdmgrad_minimises_with_short_steps(name):
    matrix = BANK[name]
    tasks = len(matrix)
    mean_square = np.linalg.norm(matrix, axis=1).mean() ** 2
    steepest = np.linalg.eigvalsh(matrix @ matrix.T).max() / mean_square
    weighting = built("sdmgrad", tasks, learning_rate=1 / steepest, steps=400, momentum=0.0)
    weights = step(weighting, matrix @ matrix.T)
    shares = weighting.task_weights.numpy()
    # At the minimum the slope is the same for all that have a share, and no less for the others.
    slope = matrix @ matrix.T @ (weights / tasks)
    slope /= np.abs(matrix @ matrix.T).max()
    np.testing.assert_allclose(slope[shares > 1e-4], slope.min(), atol=1e-3)


@EVERY_MATRIX
def test_sdmgrad_keeps_a_part_of_the_mean(matrix):
    weights = step(built("sdmgrad", len(matrix)), matrix @ matrix.T)
    assert (weights >= 0.3 / 1.3 - 1e-6).all()
    np.testing.assert_allclose(weights.sum(), len(matrix), rtol=1e-5)


def test_halves_that_disagree_with_themselves():
    for name in ("modo", "sdmgrad"):
        for gramian in ([[-1.0, 2.0], [3.0, -4.0]], [[0.0, 1.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, -1.0]]):
            weighting = built(name, 2)
            assert weighting.halves
            for _ in range(3):
                assert np.isfinite(step(weighting, gramian)).all()


# What all promise.


@EVERY_NAME
@EVERY_MATRIX
def test_finite_and_positive(name, matrix):
    weighting = built(name, len(matrix))
    gramian = matrix @ matrix.T
    if name in ("modo", "sdmgrad"):
        half = matrix + 0.1 * np.random.default_rng(5).normal(size=matrix.shape) * np.abs(matrix)
        gramian = matrix @ half.T
    for losses in (np.ones(len(matrix)), np.zeros(len(matrix)), np.geomspace(1e-20, 1e20, len(matrix))):
        weights = step(weighting, gramian, losses)
        assert weights.dtype == np.float32 and weights.shape == (len(matrix),)
        assert np.isfinite(weights).all()
        if name != "gradvac":
            assert (weights >= 0).all()
    assert all(np.isfinite(np.array(variable, float)).all() for variable in weighting.variables)


@EVERY_NAME
@pytest.mark.parametrize("size", [1e-20, 1e20])
def test_tiny_and_huge(name, size):
    gramian = size * np.array([[1.0, -0.5, 0.1], [-0.5, 0.7, -0.6], [0.1, -0.6, 1.0]])
    weighting = built(name, 3)
    for _ in range(3):
        assert np.isfinite(step(weighting, gramian)).all()


@EVERY_NAME
@pytest.mark.parametrize("gramian", [[[0.0]], [[1e-20]], [[3.0]], [[1e20]]])
def test_one_task_has_weight_1(name, gramian):
    weighting = built(name, 1)
    for _ in range(2):
        np.testing.assert_allclose(step(weighting, gramian), [1.0], rtol=1e-6)


@pytest.mark.parametrize("name", ["pcgrad", "gradvac", "sdmgrad"])
@EVERY_MATRIX
def test_scale_does_not_matter(name, matrix):
    gramian = matrix @ matrix.T
    # A power of 2, so that only the method could make a difference.
    weights, scaled = step(built(name, len(matrix)), gramian), step(built(name, len(matrix)), gramian * 2.0**-12)
    np.testing.assert_allclose(weights, scaled, rtol=1e-6)


@pytest.mark.parametrize("name", ["gradnorm", "modo", "sdmgrad"])
@EVERY_MATRIX
def test_the_tasks_order_does_not_matter(name, matrix):
    order = np.random.default_rng(2).permutation(len(matrix))
    # Few steps where they are long: SDMGrad's 20 of length 10 let rounding grow.
    options = {"steps": 2, "learning_rate": 0.5} if name == "sdmgrad" else {}
    one, other = built(name, len(matrix), **options), built(name, len(matrix), **options)
    for _ in range(2):
        weights = step(one, matrix @ matrix.T)
        moved = step(other, matrix[order] @ matrix[order].T)
    np.testing.assert_allclose(moved, weights[order], rtol=1e-4, atol=1e-5)


@EVERY_MATRIX
def test_the_tasks_order_does_not_matter_to_surgery(matrix):
    orders = some_orders(len(matrix))
    order = np.random.default_rng(2).permutation(len(matrix))
    places = np.argsort(order)
    targets = np.random.default_rng(1).uniform(-0.9, 0.9, (len(matrix), len(matrix)))
    plain, _ = operate(matrix @ matrix.T, orders, targets)
    moved_gramian = (matrix @ matrix.T)[order][:, order]
    moved, _ = operate(moved_gramian, places[orders[order]].astype(np.int32), targets[order][:, order])
    np.testing.assert_allclose(moved, plain.numpy()[order][:, order], rtol=1e-5, atol=1e-5)


def test_orders_hold_the_others_and_differ():
    seed = keras.random.SeedGenerator(0)
    seen = set()
    for _ in range(60):
        orders = random_orders(3, seed).numpy()
        assert [sorted(row) for row in orders] == [[1, 2], [0, 2], [0, 1]]
        seen.add(tuple(map(tuple, orders)))
    assert len(seen) == 8


@EVERY_NAME
def test_goes_on_from_its_state(name):
    grams = [m @ m.T for m in np.random.default_rng(3).normal(size=(6, 4, 5)) - 0.5]
    one = built(name, 4)
    for gramian in grams[:3]:
        step(one, gramian)
    other = built(name, 4)
    for variable, saved in zip(other.variables, one.variables, strict=True):
        variable.assign(saved)
    for gramian in grams[3:]:
        np.testing.assert_array_equal(step(one, gramian), step(other, gramian))


@EVERY_NAME
def test_in_a_graph(name):
    grams = [m @ m.T for m in np.random.default_rng(3).normal(size=(3, 40, 50))]
    eager, graph = built(name, 40), built(name, 40)
    compiled = tf.function(graph.weights)
    for gramian in grams:
        found = compiled(tf.ones(40), tf.constant(gramian, tf.float32))
        # SDMGrad's long steps let rounding grow.
        tolerance = 1e-3 if name == "sdmgrad" else 1e-5
        np.testing.assert_allclose(found, step(eager, gramian), rtol=tolerance, atol=1e-6)


@EVERY_NAME
def test_settings_round_trip(name):
    weighting = weighting_class(name)(**OTHERS[name])
    assert weighting.get_config() == OTHERS[name]
    assert type(weighting).from_config(weighting.get_config()).get_config() == OTHERS[name]
    spec = ":".join([name, *(f"{key}={value}" for key, value in OTHERS[name].items())])
    assert parse_weighting(spec).get_config() == OTHERS[name]


@pytest.mark.parametrize(
    "spec",
    ["pcgrad:seed=-1", "gradvac:beta=2", "gradvac:seed=0.5", "gradnorm:alpha=-1", "gradnorm:learning_rate=0"]
    + ["modo:gamma=-1", "modo:rho=-1", "sdmgrad:regularization=-1", "sdmgrad:steps=0", "sdmgrad:learning_rate=0"]
    + ["sdmgrad:momentum=1"],
)
def test_wrong_settings(spec):
    with pytest.raises(UserError, match="Received"):
        parse_weighting(spec)


# The simplex.


def test_nearest_on_simplex_by_hand():
    np.testing.assert_allclose(nearest_on_simplex(tf.constant([0.6, 0.6])), [0.5, 0.5])
    np.testing.assert_allclose(nearest_on_simplex(tf.constant([0.2, 0.7, -3.0], tf.float64)), [0.25, 0.75, 0.0])
    np.testing.assert_allclose(nearest_on_simplex(tf.constant([1e30, -1e30, 0.0], tf.float64)), [1, 0, 0])


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(-5, 5), min_size=1, max_size=8))
def test_nearest_on_simplex_is_nearest(point):
    nearest = nearest_on_simplex(tf.constant(point, tf.float64)).numpy()
    assert (nearest >= 0).all()
    np.testing.assert_allclose(nearest.sum(), 1)
    # No corner lies further along what is left.
    left = np.array(point) - nearest
    for corner in np.eye(len(point)):
        assert left @ (corner - nearest) <= 1e-9
