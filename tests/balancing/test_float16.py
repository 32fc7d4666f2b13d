"""float16's loss scale: weightings see gradients as they are, steps are those of float32, overflows are skipped."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_mtl.models.multitask import MultiTaskModel
from keras_mtl.models.objectives import TaskOutput
from keras_mtl.tasks import BUILT_IN

X = np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32)
Y = {"gender": np.arange(8) % 2.0, "smile": np.arange(8) // 4.0}
SOURCES = [(4, ["gender"]), (4, ["smile"])]
KINDS = [
    ("ew", {}),
    ("ew:weights=1/2", {}),
    ("famo", {}),
    ("upgrad", {"gradients": "features"}),
    ("upgrad", {"gradients": "trunk"}),
    ("pcgrad", {"sub_batches": SOURCES}),
    ("graddrop", {}),
    ("excess_mtl", {"gradients": "trunk"}),
    ("gradnorm", {}),
    ("modo", {"sub_batches": SOURCES}),
]


def net(policy, weighting, options, scale=None) -> MultiTaskModel:
    inputs = keras.Input([5])
    hidden = keras.layers.Dense(
        6, activation="tanh", name="hidden", dtype=policy, kernel_regularizer=keras.regularizers.L2(0.01)
    )(inputs)
    outputs = {
        name: TaskOutput(BUILT_IN[name])(keras.layers.Dense(1, name=f"{name}_logits", dtype="float32")(hidden))
        for name in Y
    }
    model = MultiTaskModel(inputs, outputs)
    model.set_weights([np.linspace(-1, 1, w.size, dtype=np.float32).reshape(w.shape) for w in model.get_weights()])
    optimizer = keras.optimizers.SGD(0.1)
    if scale:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=scale)
    model.compile(optimizer, weighting=weighting, run_eagerly=True, **options)
    return model


@pytest.mark.parametrize(("weighting", "options"), KINDS)
def test_a_step_in_float16_is_the_step_in_float32(weighting, options):
    weights = []
    for policy, scale in (("float32", None), ("mixed_float16", 2.0**10)):
        keras.utils.set_random_seed(1)
        model = net(policy, weighting, options, scale)
        before = model.get_weights()
        model.train_on_batch(X, Y)
        weights.append([after - old for after, old in zip(model.get_weights(), before, strict=True)])
        assert model.optimizer.iterations == 1
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(other, one, rtol=0.02, atol=0.02 * np.abs(one).max())


@pytest.mark.parametrize(("weighting", "options"), KINDS)
def test_a_step_that_overflows_is_skipped_and_taken_with_half_the_scale(weighting, options):
    model = net("mixed_float16", weighting, options, 2.0**40)
    before = [variable.numpy() for variable in model.variables]
    if model.balance:
        state = [variable.numpy() for variable in model.balance.weighting.variables]
    model.train_on_batch(X, Y)
    assert model.optimizer.dynamic_scale == 2.0**39 and model.optimizer.iterations == 0
    for old, variable in zip(before, model.variables, strict=False):
        if "optimizer" not in variable.path and "loss_scale" not in variable.path:
            np.testing.assert_array_equal(variable.numpy(), old)
    if model.balance:
        for old, variable in zip(state, model.balance.weighting.variables, strict=True):
            np.testing.assert_array_equal(variable.numpy(), old)
    model.optimizer.dynamic_scale.assign(2.0**10)
    model.train_on_batch(X, Y)
    assert model.optimizer.iterations == 1
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_the_scale_of_a_graph_is_the_one_of_now():
    weights = []
    for scale in (2.0**15, 2.0**8):
        model = net("mixed_float16", "uw", {}, 2.0**15)
        model.run_eagerly = False
        model.train_on_batch(X, Y)
        model.optimizer.dynamic_scale.assign(scale)
        model.train_on_batch(X, Y)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-2, atol=1e-3)
