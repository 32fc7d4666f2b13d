"""What weights of one task alone get of its gradient: what the published code gives them, in each way of taking it."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from balancing.test_gradient_weightings import THAT_REMEMBER
from balancing.test_step import MIXED, RATE, SOURCES, HalvesSpy, Spy, batch_of, by_hand, compiled, is_shared

from keras_mtl.models.multitask import MultiTaskModel
from keras_mtl.models.objectives import TaskOutput
from keras_mtl.tasks import Task
from keras_mtl.weighting_names import parse_weighting

OF_OWN = (5.0, 7.0, 11.0)
BY_SOURCE = [(1, ("one",)), (1, ("other",))]
# By hand, of the net below. The shared weight's gradients are (2, 0) and (-2, -2), so G = [[4, -4], [-4, 8]].
FACTORS = {
    # G b = 1 / b has b1 = sqrt(2) b2 and b2^2 = 1 / (8 - 4 sqrt(2)); times the square root of G's Frobenius norm.
    "nash_mtl": np.sqrt([2, 1]) / np.sqrt(8 - 4 * np.sqrt(2)) * 112**0.25,
    # The shortest w g1 + (1 - w) g2: w = (8 + 4) / (4 + 8 + 8).
    "mgda": [0.6, 0.4],
    # The losses are 1 and 2.
    "db_mtl": [1, 1 / 2],
    "excess_mtl": [1, 1],  # in the first step
    "gradnorm": [1, 1],  # in the first step
    **dict.fromkeys(("fairgrad", "cagrad", "moco"), [1, 1]),
}


class OwnSpy(Spy):
    def own_weights(self, losses, weights):
        return tf.constant(OF_OWN)


class OwnHalvesSpy(OwnSpy, HalvesSpy):
    pass


def two_heads() -> MultiTaskModel:
    """h = x W with W = 1 [2, 2], then a linear unit a task: (1, 0) for one, (1, 1) for the other; squared errors."""
    inputs = keras.Input((2,))
    shared = keras.layers.Dense(2, use_bias=False, kernel_initializer="identity")(inputs)
    outputs = {}
    for name, kernel in (("one", [[1.0], [0.0]]), ("other", [[1.0], [1.0]])):
        head = keras.layers.Dense(
            1, use_bias=False, kernel_initializer=keras.initializers.Constant(kernel), name=f"{name}_head"
        )
        outputs[name] = TaskOutput(Task(name, "regression", low=0, high=10, head="l1"))(head(shared))
    return MultiTaskModel(inputs, outputs)


def changes(model, batch) -> list[np.ndarray]:
    """What a step takes off each weight, over the learning rate; without a graph, which takes longer to make."""
    before = [weight.numpy() for weight in model.trainable_variables]
    model.balance(*batch)
    return [(old - weight.numpy()) / RATE for old, weight in zip(before, model.trainable_variables, strict=True)]


@pytest.mark.parametrize(
    ("name", "way"),
    [
        (name, way)
        for name in FACTORS
        for way in ("joint", "by source", "features")
        if way != "features" or name not in THAT_REMEMBER  # gradients of the weights
    ],
)
def test_heads_get_what_the_published_code_gives_them(name, way):
    model = two_heads()
    loss = {task: keras.losses.MeanSquaredError(reduction="mean_with_sample_weight") for task in ("one", "other")}
    model.compile(
        keras.optimizers.SGD(1.0),
        loss=loss,
        loss_weights={"one": 1.0, "other": 0.5},
        weighting=parse_weighting(name),
        sub_batches=BY_SOURCE if way == "by source" else None,
        gradients="features" if way == "features" else "trunk",
    )
    # Both rows are x = h = (1, 0). "one" predicts 1 for 0: its head's gradient is 2 * 1 * (1, 0); "other" predicts 1
    # for 3 and counts a half: 0.5 * 2 * -2 * (1, 0).
    x = tf.constant([[1.0, 0.0], [1.0, 0.0]])
    y = {"one": tf.zeros(2), "other": tf.fill([2], 3.0)}
    heads = [model.get_layer(f"{task}_head").kernel for task in ("one", "other")]
    before = [head.numpy()[:, 0] for head in heads]
    model.balance(x, y, {"one": tf.ones(2), "other": tf.ones(2)})
    changes = [old - head.numpy()[:, 0] for old, head in zip(before, heads, strict=True)]
    one, other = FACTORS[name]
    np.testing.assert_allclose(changes, [[2 * one, 0], [-2 * other, 0]], rtol=1e-5, atol=1e-6)


def test_halves_are_weighed_alike():
    batch = batch_of(MIXED)
    plain, weighed = compiled(HalvesSpy(), MIXED), compiled(OwnHalvesSpy(), MIXED)
    for weight, shared, without, change in zip(
        weighed.trainable_variables, is_shared(weighed), changes(plain, batch), changes(weighed, batch), strict=True
    ):
        factor = 1 if shared else OF_OWN[list(weighed.tasks).index(weight.path.split("_")[0])]
        np.testing.assert_allclose(
            change, factor * without, rtol=1e-4, atol=1e-5 * np.abs(without).max() + 1e-6, err_msg=weight.path
        )


def test_a_whole_branch_of_one_task_is_its_own():
    model = compiled(OwnSpy(), SOURCES, branch_at={"smile": "stage1"})
    assert model.balance._is_one_pass
    batch = batch_of(SOURCES)
    _, gradients = by_hand(model, batch, SOURCES)
    for change, *parts in zip(changes(model, batch), *gradients.values(), strict=True):
        owners = [number for number, part in enumerate(parts) if part.any()]
        factors = OF_OWN if len(owners) == 1 else (3, 2, 1)
        expected = sum(factor * part for factor, part in zip(factors, parts, strict=True))
        np.testing.assert_allclose(change, expected, rtol=2e-3, atol=2e-4 * np.abs(expected).max() + 1e-6)


def test_weights_that_move_reach_the_heads():
    gradnorm, excess = parse_weighting("gradnorm"), parse_weighting("excess_mtl:robust_step_size=1")
    weights = tf.constant([0.5, 1.5])
    assert gradnorm.own_weights(tf.ones(2), weights) is weights
    excess.build(2, [(1,)])
    for gradients in ([[2.0], [3.0]], [[2.0], [0.0]]):
        combined = excess.combine([[tf.constant(row)] for row in gradients], tf.ones(2))
    # The second step's excess risks are, over the first one's, 4 / sqrt(8) / 2 and 0.
    grown = np.exp([1 / np.sqrt(2), 0])
    expected = 2 * grown / grown.sum()
    np.testing.assert_allclose(excess.own_weights(tf.ones(2), None), expected, rtol=1e-5)
    np.testing.assert_allclose(combined[0], [2 * expected[0]], rtol=1e-5)


def test_a_task_without_a_label_has_no_logarithm():
    np.testing.assert_array_equal(parse_weighting("db_mtl").own_weights(tf.constant([0.0, 0.5]), None), [0, 2])
