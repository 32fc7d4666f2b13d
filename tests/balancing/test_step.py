"""The balanced training step, against gradients taken one by one with plain TensorFlow."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mtl
from keras_mtl.balancing.weighting import Weighting
from keras_mtl.errors import UserError
from keras_mtl.layers.normalization import BatchNormalization
from keras_mtl.models.branches import freeze
from keras_mtl.models.multitask import MultiTaskModel
from keras_mtl.models.objectives import TaskLoss, TaskOutput
from keras_mtl.tasks import BUILT_IN

SOURCES = [(4, ["age"]), (5, ["gender"]), (3, ["smile"])]
SEVERAL = [(4, ["age"]), (5, ["gender"]), (2, ["smile"]), (3, ["age"])]
MIXED = [(5, ["age", "gender"]), (4, ["smile"]), (3, ["age"])]
RATE = 0.1


class Spy(Weighting):
    """Notes what it is shown; weights 3, 2, 1."""

    name = "spy"
    sees = "gramian"

    def weights(self, losses, gramian=None):
        self.losses, self.gramian = losses, gramian
        return tf.constant([3.0, 2.0, 1.0][: self.tasks])


class LossSpy(Spy):
    sees = "losses"


class HalvesSpy(Spy):
    halves = True


class GradientSpy(Spy):
    sees = "gradients"

    def combine(self, gradients, losses):
        self.losses, self.gradients = losses, gradients
        return [3 * a + 2 * b + c for a, b, c in zip(*gradients, strict=True)]


def batch_of(sources, seed=0):
    random = np.random.default_rng(seed)
    rows = sum(size for size, _ in sources)
    images = tf.constant(random.integers(0, 256, (rows, 32, 32, 3), np.uint8))
    labels, weights, start = {}, {}, 0
    for name in ("age", "gender", "smile"):
        labels[name] = tf.constant(random.integers(0, 80 if name == "age" else 2, rows).astype(np.float32))
        weights[name] = np.zeros(rows, np.float32)
    for size, tasks in sources:
        for name in tasks:
            weights[name][start : start + size] = 1
        start += size
    # One unlabelled row in the midst of a sub-batch, and an uneven weight: what a source without some labels gives.
    weights["age"][1], weights["gender"][4] = 0, 0.5
    return images, labels, {name: tf.constant(value) for name, value in weights.items()}


def compiled(weighting, sub_batches=None, **options):
    model = keras_mtl.build_model(image_size=32, width=8, blocks=(1, 1), seed=3, precision="float32", **options)
    model.compile(keras.optimizers.SGD(RATE), weighting=weighting, sub_batches=sub_batches, gradients=GRADIENTS)
    return model


GRADIENTS = "trunk"


def by_hand(model, batch, sources):
    """For each task its loss over its rows and the gradients of all weights, one source after the other."""
    images, labels, sample_weight = batch
    before = model.get_weights()
    losses = dict.fromkeys(model.tasks, 0.0)
    gradients = {name: [np.zeros(weight.shape) for weight in model.trainable_variables] for name in model.tasks}
    start = 0
    for size, tasks in sources:
        rows = slice(start, start + size)
        start += size
        for name in tasks:
            share = sample_weight[name].numpy()[rows].sum() / sample_weight[name].numpy().sum()
            with tf.GradientTape() as tape:
                outputs = model(images[rows], training=True)
                loss = TaskLoss(model.tasks[name])(labels[name][rows], outputs[name], sample_weight[name][rows])
                loss *= share * (0.1 if name == "age" else 1.0)  # the head dldl counts a tenth
            losses[name] += float(loss)
            for total, gradient in zip(gradients[name], tape.gradient(loss, model.trainable_variables), strict=True):
                total += 0 if gradient is None else gradient.numpy()
    model.set_weights(before)
    return np.array(list(losses.values())), gradients


def trained(model, batch):
    """What a step adds to each weight, divided by the learning rate, and the moving statistics after it."""
    before = [weight.numpy() for weight in model.trainable_variables]
    tf.function(model.train_step)(batch)
    return [(a - w.numpy()) / RATE for a, w in zip(before, model.trainable_variables, strict=True)]


def is_shared(model):
    return ["logits" not in weight.path for weight in model.trainable_variables]


@pytest.mark.parametrize("sources", [SOURCES, SEVERAL, MIXED], ids=["one label each", "two of age", "several labels"])
@pytest.mark.parametrize("kind", [Spy, GradientSpy])
def test_gradients_by_source_are_those_taken_one_by_one(sources, kind):
    batch, spy = batch_of(sources), kind()
    model = compiled(spy, sources)
    losses, gradients = by_hand(model, batch, sources)
    shared = is_shared(model)
    flat = [np.concatenate([g.ravel() for g, s in zip(own, shared, strict=True) if s]) for own in gradients.values()]
    seen = {}

    def step(*data):
        outputs = model.balance(*data)
        seen.update(losses=spy.losses, given=getattr(spy, "gramian", None))
        return seen["losses"], seen["given"] if kind is Spy else tf.zeros([]), outputs

    before = [weight.numpy() for weight in model.trainable_variables]
    shown, gramian, _ = tf.function(step)(*batch)
    np.testing.assert_allclose(shown, losses, rtol=1e-5)
    if kind is Spy:
        expected = np.stack(flat) @ np.stack(flat).T
        np.testing.assert_allclose(gramian, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())
    for number, weight in enumerate(model.trainable_variables):
        parts = [own[number] for own in gradients.values()]
        factors = (3, 2, 1) if shared[number] else (1, 1, 1)
        expected = sum(factor * part for factor, part in zip(factors, parts, strict=True))
        change = (before[number] - weight.numpy()) / RATE
        np.testing.assert_allclose(change, expected, rtol=2e-3, atol=2e-4 * np.abs(expected).max() + 1e-6)


def test_only_sources_of_one_label_go_in_one_pass():
    assert compiled("pcgrad", SOURCES).balance._is_one_pass
    assert not compiled("pcgrad", MIXED).balance._is_one_pass
    assert not compiled("pcgrad").balance._is_one_pass


def test_halves_give_the_products_between_the_halves():
    sources = [(4, ["age"]), (6, ["gender"]), (2, ["smile"])]
    batch = batch_of(sources)
    batch[2]["age"] = tf.constant([1.0] * 4 + [0.0] * 8)  # equal shares, so that a half's loss is a plain mean
    batch[2]["gender"] = tf.constant([0.0] * 4 + [1.0] * 6 + [0.0] * 2)
    spy = HalvesSpy()
    model = compiled(spy, sources)
    halves = [(2, ["age"]), (2, []), (3, ["gender"]), (3, []), (1, ["smile"]), (1, [])]
    others = [(2, []), (2, ["age"]), (3, []), (3, ["gender"]), (1, []), (1, ["smile"])]
    shared = is_shared(model)
    rows = []
    for half in (halves, others):
        _, gradients = by_hand(model, batch, half)
        # By hand a half counts its share of all rows, a half; here it is a mean of its own.
        rows.append(
            [
                2 * np.concatenate([g.ravel() for g, s in zip(own, shared, strict=True) if s])
                for own in gradients.values()
            ]
        )
    expected = np.stack(rows[0]) @ np.stack(rows[1]).T

    def step(*data):
        model.balance(*data)
        return spy.gramian

    gramian = tf.function(step)(*batch)
    np.testing.assert_allclose(gramian, expected, rtol=2e-3, atol=2e-3 * np.abs(expected).max())


def test_without_sub_batches_every_task_sees_the_statistics_of_the_whole_batch():
    batch, spy = batch_of(SOURCES), Spy()
    model = compiled(spy)
    images, labels, sample_weight = batch
    before = model.get_weights()
    flat = []
    for name, task in model.tasks.items():
        with tf.GradientTape() as tape:
            outputs = model(images, training=True)
            loss = TaskLoss(task)(labels[name], outputs[name], sample_weight[name]) * (0.1 if name == "age" else 1.0)
        shared = [w for w, s in zip(model.trainable_variables, is_shared(model), strict=True) if s]
        flat.append(np.concatenate([g.numpy().ravel() for g in tape.gradient(loss, shared)]))
        model.set_weights(before)

    def step(*data):
        model.balance(*data)
        return spy.gramian

    np.testing.assert_allclose(tf.function(step)(*batch), np.stack(flat) @ np.stack(flat).T, rtol=1e-3, atol=1e-2)


def test_ones_by_losses_are_keras_own_step():
    batch = batch_of(SOURCES)
    plain = compiled("ew")
    assert plain.balance is None
    ones = compiled(keras_mtl.weighting_names.parse_weighting("ew:weights=1/1/1"))
    assert ones.balance is not None
    for a, b in zip(trained(plain, batch), trained(ones, batch), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("sources", [SOURCES, MIXED])
def test_loss_weights_reach_heads_and_trunk(sources):
    batch = batch_of(sources)
    model = compiled(LossSpy(), sources)
    _, gradients = by_hand(model, batch, sources)
    changes = trained(model, batch)
    for number, change in enumerate(changes):
        expected = sum(f * own[number] for f, own in zip((3, 2, 1), gradients.values(), strict=True))
        np.testing.assert_allclose(change, expected, rtol=2e-3, atol=2e-4 * np.abs(expected).max() + 1e-6)


def test_features_weigh_the_gradients_of_what_the_heads_read():
    sources = [(8, ["age", "gender", "smile"])]
    images, labels, sample_weight = batch = batch_of(sources)
    spy = Spy()
    model = keras_mtl.build_model(image_size=32, width=8, blocks=(1, 1), seed=3, precision="float32")
    model.compile(keras.optimizers.SGD(RATE), weighting=spy)
    assert model.balance.gradients == "features"
    trunk = keras.Model(model.input, model.get_layer("pool").output)
    heads = keras.Model(trunk.output, model.output)
    before = model.get_weights()
    with tf.GradientTape(persistent=True) as tape:
        features = trunk(images, training=True)
        tape.watch(features)
        outputs = heads(features)
        losses = [
            TaskLoss(task)(labels[name], outputs[name], sample_weight[name]) * (0.1 if name == "age" else 1.0)
            for name, task in model.tasks.items()
        ]
        weighted = 3 * losses[0] + 2 * losses[1] + losses[2]
        total = tf.add_n(losses)
    rows = np.stack([tape.gradient(loss, features).numpy().ravel() for loss in losses])
    expected = [
        tape.gradient(weighted if s else total, w).numpy()
        for w, s in zip(model.trainable_variables, is_shared(model), strict=True)
    ]
    model.set_weights(before)

    def step(*data):
        model.balance(*data)
        return spy.gramian

    np.testing.assert_allclose(tf.function(step)(*batch), rows @ rows.T, rtol=1e-4, atol=1e-7)
    model.set_weights(before)
    for change, right in zip(trained(model, batch), expected, strict=True):
        np.testing.assert_allclose(change, right, rtol=1e-3, atol=1e-4 * np.abs(right).max() + 1e-6)


@pytest.mark.parametrize("weighting", ["ew", "pcgrad"])
def test_moving_statistics_are_those_of_the_whole_batch(weighting):
    batch = batch_of(SOURCES)
    joint, apart = compiled("ew"), compiled(weighting, SOURCES)
    for model in (joint, apart):
        tf.function(model.train_step)(batch)
    # The first layer sees the same pixels either way; later ones see what was normalised by source.
    for name in ("moving_mean", "moving_variance"):
        a, b = (np.array(getattr(model.get_layer("stem_bn"), name)) for model in (joint, apart))
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_frozen_normalisation_stays_as_it_is():
    model = keras_mtl.build_model(image_size=32, width=8, blocks=(1, 1), seed=3, precision="float32")
    freeze(model, "stage1")
    model.compile(keras.optimizers.SGD(RATE), weighting="pcgrad", sub_batches=SOURCES)
    frozen = [weight for weight in model.weights if "stem" in weight.path or "stage1" in weight.path]
    before = [weight.numpy() for weight in frozen]
    tf.function(model.train_step)(batch_of(SOURCES))
    for old, weight in zip(before, frozen, strict=True):
        np.testing.assert_array_equal(old, weight.numpy())


def test_a_branch_that_leaves_early_shares_what_it_passes():
    model = keras_mtl.build_model(
        image_size=32, width=8, blocks=(1, 1), seed=3, precision="float32", branch_at={"smile": "stage1"}
    )
    spy = Spy()
    model.compile(keras.optimizers.SGD(RATE), weighting=spy, sub_batches=SOURCES)
    batch = batch_of(SOURCES)
    _, gradients = by_hand(model, batch, SOURCES)
    for weight, change, *parts in zip(
        model.trainable_variables, trained(model, batch), *gradients.values(), strict=True
    ):
        factors = (1, 1, 1) if "logits" in weight.path else (3, 2, 1)
        expected = sum(factor * part for factor, part in zip(factors, parts, strict=True))
        np.testing.assert_allclose(change, expected, rtol=2e-3, atol=2e-4 * np.abs(expected).max() + 1e-6)
    with pytest.raises(UserError, match="branches that all leave from one layer"):
        model.compile("sgd", weighting="pcgrad", gradients="features")


def test_a_net_of_other_layers_is_trained_pass_by_pass():
    inputs = keras.Input([6])
    hidden = keras.layers.Dense(4, activation="tanh", name="hidden")(inputs)
    hidden = keras.layers.BatchNormalization(name="norm")(hidden)
    outputs = {
        name: TaskOutput(BUILT_IN[name])(keras.layers.Dense(1, name=f"{name}_logits")(hidden))
        for name in ("gender", "smile")
    }
    model = MultiTaskModel(inputs, outputs)
    spy = Spy()
    sources = [(3, ["gender"]), (5, ["smile"])]
    model.compile(keras.optimizers.SGD(RATE), weighting=spy, sub_batches=sources)
    assert not model.balance._is_one_pass
    random = np.random.default_rng(0)
    x = random.normal(size=(8, 6)).astype(np.float32)
    y = {name: random.integers(0, 2, 8).astype(np.float32) for name in outputs}
    history = model.fit(x, y, batch_size=8, epochs=30, verbose=0, shuffle=False)
    assert history.history["loss"][-1] < 0.8 * history.history["loss"][0]


def test_several_passes_move_the_averages_by_the_law_of_total_variance():
    layer = BatchNormalization(momentum=0.9)
    model = keras.Sequential([keras.Input([2, 2, 3]), layer])
    values = np.random.default_rng(0).normal(3, 2, (10, 2, 2, 3)).astype(np.float32)
    from keras_mtl.layers.normalization import pooled_statistics

    with pooled_statistics(model):
        for rows in (values[:3], values[3:4], values[4:]):
            model(rows, training=True)
    np.testing.assert_allclose(layer.moving_mean, 0.1 * values.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, 0.9 + 0.1 * values.var((0, 1, 2)), rtol=1e-5)
    with pooled_statistics(model, forget=True):
        model(values, training=True)
    np.testing.assert_allclose(layer.moving_mean, 0.1 * values.mean((0, 1, 2)), rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weighting": "upgrat"}, "Unknown weighting 'upgrat'; known weightings: ew"),
        ({"weighting": "cagrad:d=1"}, "has no setting 'd=1'"),
        ({"weighting": "pcgrad", "gradients": "heads"}, "auto, trunk, features"),
        ({"weighting": "pcgrad", "gradients": "features", "sub_batches": SOURCES}, "needs one sub-batch"),
        ({"weighting": "pcgrad", "sub_batches": [(4, ["age"]), (4, ["gender"])]}, "labelled for 'smile'"),
        ({"weighting": "pcgrad", "sub_batches": [(0, ["age"]), *SOURCES]}, "1 row or more"),
        (
            {"weighting": "pcgrad", "sub_batches": [(4, ["ages"]), *SOURCES]},
            "and tasks of age, gender, smile. Received: .*ages",
        ),
        ({"weighting": "uw", "loss": "mse", "sub_batches": SOURCES}, "mean_with_sample_weight"),
        ({"weighting": "modo"}, "needs sub_batches"),
        ({"weighting": "modo", "sub_batches": [(1, ["age"]), *SOURCES]}, "2 images of each source"),
    ],
)
def test_what_does_not_fit_is_told_at_once(tiny_model, options, message):
    with pytest.raises(UserError, match=message):
        tiny_model.compile("sgd", **options)


@pytest.mark.parametrize("weighting", sorted(keras_mtl.weighting_names.WEIGHTINGS))
def test_every_weighting_trains_saves_and_loads(weighting, tmp_path):
    batch = batch_of(SOURCES)
    model = compiled(weighting, SOURCES if weighting != "ew" else None)
    data = tf.data.Dataset.from_tensors(batch).repeat(2)
    model.fit(data, epochs=2, verbose=0)
    assert all(np.isfinite(weight.numpy()).all() for weight in model.weights)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for a, b in zip(model.balance_variables, loaded.balance_variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    loaded.run_eagerly = True  # A second trace would take longer, and must give the same.
    first, second = (net.fit(data, epochs=1, verbose=0).history["loss"] for net in (model, loaded))
    np.testing.assert_allclose(first, second, rtol=1e-5)


@pytest.mark.parametrize("weighting", ["uw", "pcgrad"])
def test_regularisers_are_minimised_whatever_the_weighting(weighting):
    inputs = keras.Input([6])
    hidden = keras.layers.Dense(4, kernel_regularizer=keras.regularizers.L2(10.0), name="hidden")(inputs)
    outputs = {
        name: TaskOutput(BUILT_IN[name])(keras.layers.Dense(1, name=f"{name}_logits")(hidden))
        for name in ("gender", "smile")
    }
    model = MultiTaskModel(inputs, outputs)
    model.compile(keras.optimizers.SGD(0.01), weighting=weighting, gradients="trunk")
    x = np.zeros((8, 6), np.float32)  # which give the kernel no other gradient
    y = {name: np.ones(8, np.float32) for name in outputs}
    before = model.get_layer("hidden").kernel.numpy()
    model.fit(x, y, batch_size=8, epochs=1, verbose=0)
    np.testing.assert_allclose(model.get_layer("hidden").kernel.numpy(), 0.8 * before, rtol=1e-5)
