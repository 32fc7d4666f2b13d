"""Weightings that see only the losses: a case by hand each, and what all of them promise."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mtl.balancing.methods.ew import EqualWeighting, simplex_grid
from keras_mtl.errors import UserError
from keras_mtl.weighting_names import parse_weighting, weighting_class

NAMES = ("ew", "uw", "dwa", "rlw", "gls", "imtl_l", "famo", "stch")
# RLW draws its weights, whatever the losses.
THAT_SEE_LOSSES = tuple(name for name in NAMES if name != "rlw")
# Settings other than the defaults, for the round trips.
OTHERS = {
    "ew": {"weights": (1.0, 0.5, 2.0)},
    "uw": {"learning_rate": 0.02},
    "dwa": {"temperature": 1.0},
    "rlw": {"seed": 7},
    "gls": {},
    "imtl_l": {"learning_rate": 0.02},
    "famo": {"learning_rate": 0.1, "gamma": 0.001},
    "stch": {"mu": 0.5, "warmup": 0},
}


def built(name: str, tasks: int = 3, **options):
    weighting = weighting_class(name)(**options)
    weighting.build(tasks)
    return weighting


def step(weighting, losses, after=None) -> np.ndarray:
    """The weights of a step; for those that look again the losses fall to 0.9 of them, or to `after`."""
    losses = tf.constant(losses, tf.float32)
    weights = weighting.weights(losses).numpy()
    if weighting.looks_again:
        weighting.after_step(losses * 0.9 if after is None else tf.constant(after, tf.float32))
    return weights


def epochs(weighting, *losses) -> None:
    """One epoch of one step for each of `losses`."""
    for one in losses:
        step(weighting, one)
        weighting.on_epoch_end()


# By hand.


def test_equal_weighting_is_the_plain_sum():
    assert step(built("ew"), [5.0, 0.1, 0.0]).tolist() == [1, 1, 1]


def test_fixed_weights_come_as_they_were_given():
    assert step(built("ew", weights=(1, 0.5, 0)), [5.0, 0.1, 1.0]).tolist() == [1, 0.5, 0]


def test_uncertainty_weights_begin_at_log_variance_minus_a_half():
    # 1/2 exp(1/2) = 0.82436
    np.testing.assert_allclose(step(built("uw", 2), [1.0, 2.0]), [0.8243606] * 2, rtol=1e-6)


def test_uncertainty_weights_after_a_step():
    # Adam's first step is the learning rate times the gradient's sign. d/ds (L/2 exp(-s) + s/2) = 1/2 - w L:
    # 1/2 - 0.824 * 2 < 0, so s = -0.5 + 0.1; 1/2 - 0.824 * 0.1 > 0, so s = -0.5 - 0.1.
    weighting = built("uw", 2, learning_rate=0.1)
    step(weighting, [2.0, 0.1])
    np.testing.assert_allclose(step(weighting, [2.0, 0.1]), [0.5 * math.exp(0.4), 0.5 * math.exp(0.6)], rtol=1e-5)


def test_uncertainty_weights_settle_at_one_over_twice_the_loss():
    # 1/2 - w L = 0
    weighting = built("uw", 2, learning_rate=0.05)
    for _ in range(400):
        weights = step(weighting, [2.0, 0.25])
    np.testing.assert_allclose(weights, [0.25, 2.0], rtol=1e-2)


def test_dwa_weighs_by_the_falls_of_the_last_two_epochs():
    # Means of epoch 1: (2, 4); of epoch 2: ((1.5 + 0.5) / 2, 4) = (1, 4). Ratios 1/2 and 1, over temperature 2:
    # exp(0.25) = 1.284025, exp(0.5) = 1.648721; times 2 over their sum 2.932747.
    weighting = built("dwa", 2)
    epochs(weighting, [2.0, 4.0])
    assert step(weighting, [1.5, 4.0]).tolist() == [1, 1]
    assert step(weighting, [0.5, 4.0]).tolist() == [1, 1]
    weighting.on_epoch_end()
    np.testing.assert_allclose(step(weighting, [9.0, 9.0]), [0.875647, 1.124353], rtol=1e-5)


def test_dwa_takes_the_mean_over_the_steps_that_had_a_label():
    weighting = built("dwa", 2)
    epochs(weighting, [2.0, 4.0])
    for losses in ([0.0, 4.0], [1.0, 4.0], [0.0, 4.0]):
        step(weighting, losses)
    weighting.on_epoch_end()
    np.testing.assert_allclose(step(weighting, [1.0, 1.0]), [0.875647, 1.124353], rtol=1e-5)


def test_random_weights_are_a_softmax_of_the_normal_distribution():
    weighting = built("rlw", 3, seed=4)
    generator = keras.random.SeedGenerator(4)
    for _ in range(2):
        expected = np.exp(keras.random.normal([3], seed=generator).numpy())
        np.testing.assert_allclose(step(weighting, [1.0, 2.0, 3.0]), expected / expected.sum(), rtol=1e-5)


def test_random_weights_are_alike_on_average():
    weighting = built("rlw", 4)
    draws = np.stack([step(weighting, [1.0] * 4) for _ in range(400)])
    np.testing.assert_allclose(draws.mean(0), [0.25] * 4, atol=0.03)
    np.testing.assert_allclose(draws.sum(1), 1, rtol=1e-5)


def test_geometric_loss_by_hand():
    # sqrt(1 * 4) = 2, so dL/dL_i = 2 / (2 * 1) = 1 and 2 / (2 * 4) = 1/4.
    np.testing.assert_allclose(step(built("gls", 2), [1.0, 4.0]), [1, 0.25], rtol=1e-6)


def test_geometric_loss_is_over_the_tasks_that_have_a_label():
    np.testing.assert_allclose(step(built("gls", 3), [1.0, 0.0, 4.0]), [1, 0, 0.25], rtol=1e-6)


def test_geometric_weights_are_the_gradient_of_the_geometric_mean():
    losses = tf.constant([0.3, 2.0, 7.0, 0.01])
    with tf.GradientTape() as tape:
        tape.watch(losses)
        mean = tf.reduce_prod(losses) ** 0.25
    np.testing.assert_allclose(step(built("gls", 4), losses), tape.gradient(mean, losses), rtol=1e-5)


def test_impartial_loss_after_a_step():
    # d/ds (exp(s) L - s) = exp(s) L - 1: 1 for L = 2 and -0.9 for L = 0.1, so Adam's first step is -+ 0.1.
    weighting = built("imtl_l", 2, learning_rate=0.1)
    assert step(weighting, [2.0, 0.1]).tolist() == [1, 1]
    np.testing.assert_allclose(step(weighting, [2.0, 0.1]), [math.exp(-0.1), math.exp(0.1)], rtol=1e-5)


def test_impartial_loss_scales_every_loss_to_one():
    weighting = built("imtl_l", 2, learning_rate=0.05)
    for _ in range(400):
        weights = step(weighting, [2.0, 0.25])
    np.testing.assert_allclose(weights * [2.0, 0.25], [1, 1], rtol=1e-2)


def test_famo_begins_with_weights_that_make_all_losses_alike():
    # z = (1/2, 1/2); z / L = (1/2, 1/8); c = 1 / (5/8): (0.8, 0.2).
    np.testing.assert_allclose(step(built("famo", 2), [1.0, 4.0]), [0.8, 0.2], rtol=1e-5)


def test_famo_moves_towards_the_task_that_fell_least():
    # log falls: (log 2, 0). J^T delta = z (delta - z.delta) = (+, -) log 2 / 4; Adam's first step is 0.025 against
    # its sign: xi = (-0.025, 0.025). z = softmax = (0.487503, 0.512497); z / L of (1, 1) is itself.
    weighting = built("famo", 2, gamma=0.0)
    step(weighting, [1.0, 4.0], after=[0.5, 4.0])
    np.testing.assert_allclose(step(weighting, [1.0, 1.0]), [0.487503, 0.512497], rtol=1e-5)


def test_famo_decays_its_logits():
    # Equal falls leave only gamma xi as gradient, towards 0.
    weighting = built("famo", 2, gamma=0.5)
    weighting.logits.value.assign([1.0, -1.0])
    step(weighting, [1.0, 1.0], after=[0.5, 0.5])
    np.testing.assert_allclose(weighting.logits.value.numpy(), [0.975, -0.975], rtol=1e-5)


def test_smooth_tchebycheff_first_descends_the_logarithms():
    np.testing.assert_allclose(step(built("stch", 2), [2.0, 4.0]), [0.5, 0.25], rtol=1e-6)


def test_smooth_tchebycheff_by_hand():
    # Nadir (2, 4), the mean of the one epoch. L = (1, 4): l = (log 1/2, 0), over mu = 1/2: (log 1/4, 0);
    # softmax (1/5, 4/5); times T = 2, over L: (0.4, 0.4).
    weighting = built("stch", 2, mu=0.5, warmup=0)
    step(weighting, [1.0, 4.0])
    step(weighting, [3.0, 4.0])
    weighting.on_epoch_end()
    np.testing.assert_allclose(step(weighting, [1.0, 4.0]), [0.4, 0.4], rtol=1e-5)


def test_smooth_tchebycheff_measures_the_nadir_in_the_last_of_the_first_epochs():
    weighting = built("stch", 2, mu=0.5, warmup=2)
    epochs(weighting, [100.0, 100.0], [50.0, 50.0], [2.0, 4.0])
    np.testing.assert_allclose(step(weighting, [1.0, 4.0]), [0.4, 0.4], rtol=1e-5)


def test_a_simplex_grid_by_hand():
    assert simplex_grid(2, 4) == [(2, 0), (1.5, 0.5), (1, 1), (0.5, 1.5), (0, 2)]
    assert simplex_grid(1, 3) == [(1,)]


@given(st.integers(1, 5), st.integers(1, 6))
def test_a_simplex_grid_has_every_point_once(tasks, steps):
    grid = simplex_grid(tasks, steps)
    assert len(grid) == len(set(grid)) == math.comb(steps + tasks - 1, tasks - 1)
    for weights in grid:
        assert min(weights) >= 0 and sum(weights) == pytest.approx(tasks)
        EqualWeighting(weights).build(tasks)


# What all of them promise.


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("tasks", (1, 3, 40))
def test_weights_are_finite_and_not_negative(name, tasks):
    weighting = built(name, tasks)
    random = np.random.default_rng(3)
    for scale in (1.0, 1e-20, 1e20, 1.0):
        for absent in (False, True):
            losses = random.uniform(0.5, 2, tasks) * scale
            losses[random.uniform(size=tasks) < 0.5 * absent] = 0
            weights = step(weighting, losses)
            assert weights.dtype == np.float32 and weights.shape == (tasks,)
            assert np.isfinite(weights).all() and (weights >= 0).all(), (losses, weights)
        step(weighting, np.zeros(tasks))
        weighting.on_epoch_end()
    for variable in weighting.variables:
        assert np.isfinite(np.asarray(variable.value, np.float64)).all()


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=20, deadline=None)
@given(st.lists(st.one_of(st.just(0.0), st.floats(1e-20, 1e20)), min_size=3, max_size=3))
def test_any_losses_leave_a_state_that_still_works(name, losses):
    weighting = built(name)
    for values in (losses, losses, [1.0, 2.0, 3.0]):
        weights = step(weighting, values)
        assert np.isfinite(weights).all() and (weights >= 0).all()
        weighting.on_epoch_end()
    assert weights.sum() > 0


@pytest.mark.parametrize("name", THAT_SEE_LOSSES)
def test_steps_without_a_label_leave_the_weights_as_they_are(name):
    seen, other = built(name, 2), built(name, 2)
    step(seen, [1.0, 2.0])
    step(other, [1.0, 2.0])
    for _ in range(20):
        step(other, [0.0, 0.0])
    seen.on_epoch_end()
    other.on_epoch_end()
    np.testing.assert_array_equal(step(seen, [0.7, 1.4]), step(other, [0.7, 1.4]))


@pytest.mark.parametrize("name", THAT_SEE_LOSSES)
def test_weights_do_not_depend_on_the_order_of_the_tasks(name):
    one, other = built(name), built(name)
    order = [2, 0, 1]
    random = np.random.default_rng(1)
    for _ in range(4):
        losses = random.uniform(0.1, 3, 3)
        np.testing.assert_allclose(step(one, losses)[order], step(other, losses[order]), rtol=1e-4)
        one.on_epoch_end()
        other.on_epoch_end()


@pytest.mark.parametrize("name", NAMES)
def test_no_gradient_flows_through_the_weights(name):
    weighting = built(name)
    losses = tf.Variable([1.0, 2.0, 3.0])
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(weighting.weights(losses * 1.0))
    assert tape.gradient(total, losses) is None


@pytest.mark.parametrize("name", NAMES)
def test_a_graph_gives_what_eager_steps_give(name):
    eager, graph = built(name), built(name)

    @tf.function
    def traced(losses):
        weights = graph.weights(losses)
        if graph.looks_again:
            graph.after_step(losses * 0.9)
        return weights

    random = np.random.default_rng(2)
    for _ in range(3):
        losses = random.uniform(0.1, 3, 3).astype(np.float32)
        np.testing.assert_allclose(traced(tf.constant(losses)), step(eager, losses), rtol=1e-5)
        eager.on_epoch_end()
        graph.on_epoch_end()
    assert traced.experimental_get_tracing_count() == 1


@pytest.mark.parametrize("name", NAMES)
def test_the_state_goes_on_where_it_was_saved(name):
    first, second = built(name, **OTHERS[name]), built(name, **OTHERS[name])
    random = np.random.default_rng(2)
    for _ in range(3):
        step(first, random.uniform(0.1, 3, 3))
        first.on_epoch_end()
    for variable, saved in zip(second.variables, [v.numpy().copy() for v in first.variables], strict=True):
        variable.assign(saved)
    for _ in range(3):
        losses = random.uniform(0.1, 3, 3)
        np.testing.assert_array_equal(step(first, losses), step(second, losses))
        first.on_epoch_end()
        second.on_epoch_end()


@pytest.mark.parametrize("name", NAMES)
def test_settings_survive_their_config(name):
    for options in ({}, OTHERS[name]):
        weighting = weighting_class(name)(**options)
        config = weighting.get_config()
        assert set(config) == set(weighting.option_names()) and options.items() <= config.items()
        assert type(weighting).from_config(config).get_config() == config


@pytest.mark.parametrize(
    "spec",
    (
        *("ew:weights=1/-1", "ew:weights=0/0", "uw:learning_rate=0", "uw:learning_rate=1/2", "dwa:temperature=0"),
        *("rlw:seed=-1", "rlw:seed=0.5", "imtl_l:learning_rate=-1", "famo:learning_rate=0", "famo:gamma=-1"),
        *("stch:mu=0", "stch:warmup=-1", "stch:warmup=1.5"),
    ),
)
def test_settings_out_of_range_are_refused(spec):
    with pytest.raises(UserError, match=spec.partition(":")[2].partition("=")[0]):
        parse_weighting(spec)


def test_as_many_fixed_weights_as_tasks():
    with pytest.raises(UserError, match=r"as many weights as tasks \(3\)"):
        built("ew", 3, weights=(1.0, 2.0))


def test_one_fixed_weight_on_the_command_line():
    assert parse_weighting("ew:weights=2").get_config() == {"weights": (2,)}


@pytest.mark.parametrize("tasks,steps", ((0, 2), (2, 0)))
def test_a_grid_of_nothing_is_refused(tasks, steps):
    with pytest.raises(UserError, match="grid of weights"):
        simplex_grid(tasks, steps)
