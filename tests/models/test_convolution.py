from __future__ import annotations

import gc

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mtl.layers import convolution
from keras_mtl.layers.convolution import Conv2D


@pytest.fixture(autouse=True)
def few_channels_are_wide(monkeypatch):
    monkeypatch.setattr(convolution, "WIDE", 4)


@pytest.fixture
def used(monkeypatch):
    """Counts how often the products were taken."""
    calls = []
    real = convolution.kernel_gradient

    def counting(*args):
        calls.append(args)
        return real(*args)

    monkeypatch.setattr(convolution, "kernel_gradient", counting)
    return calls


def run(layer_class, side, options, channels=4, **call):
    random = np.random.default_rng(side)
    layer = layer_class(6, use_bias=False, **options)
    layer.build((None, *side, channels))
    layer.set_weights([random.normal(size=layer.kernel.shape)])
    inputs = tf.constant(random.normal(size=(3, *side, channels)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, **call)
        loss = tf.reduce_sum(outputs * random.normal(size=outputs.shape))
    return [outputs, *tape.gradient(loss, [inputs, layer.kernel.value])]


CASES = [
    (side, options)
    for side in ((1, 1), (2, 2), (4, 3), (7, 7))
    for options in (
        {"kernel_size": 3, "padding": "same"},
        {"kernel_size": 5, "padding": "same"},
        {"kernel_size": 3, "padding": "valid"},
        {"kernel_size": 2, "padding": "valid", "strides": 2},
        {"kernel_size": 3, "padding": "valid", "strides": 2},
    )
    if options["padding"] == "same" or options["kernel_size"] <= min(side)
]


@pytest.mark.parametrize(("side", "options"), CASES)
def test_it_is_keras_layer_in_outputs_and_gradients(side, options, used):
    expected = run(keras.layers.Conv2D, side, options)
    for a, b in zip(run(Conv2D, side, options, training=True), expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5, rtol=1e-5)
    assert len(used) == 1


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("side", [(1, 1), (2, 2), (3, 2), (3, 3)])
def test_in_training_crowded_layers_are_products_altogether(side, size, used, monkeypatch):
    monkeypatch.setattr(convolution, "CROWDED", {"float32": 0.1})
    taken, real = [], convolution._sum_of_products
    monkeypatch.setattr(
        convolution, "_sum_of_products", lambda *args, **named: taken.append(args) or real(*args, **named)
    )
    options = {"kernel_size": size, "padding": "same"}
    for call in ({"training": True}, {"training": False}, {}):
        found = run(Conv2D, side, options, **call)
        # There and back; predictions and exports keep the operation that every format knows.
        assert len(taken) == 2
        for a, b in zip(found, run(keras.layers.Conv2D, side, options), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5, rtol=1e-5)
    assert len(used) == 1


def test_products_of_bfloat16_are_summed_in_float32():
    random = np.random.default_rng(0)
    inputs, kernel = (random.normal(size=shape).astype(np.float32) for shape in ((8, 2, 2, 256), (3, 3, 256, 64)))
    halves = [tf.cast(value, tf.bfloat16) for value in (inputs, kernel)]
    exact = tf.nn.conv2d(*(tf.cast(value, tf.float32) for value in halves), 1, "SAME")
    found = tf.cast(convolution._sum_of_products(*halves), tf.float32)
    rounded = tf.cast(tf.cast(exact, tf.bfloat16), tf.float32)
    errors = [float(tf.norm(value - exact) / tf.norm(exact)) for value in (found, rounded)]
    assert errors[0] < 2 * errors[1]  # beside one rounding of the exact sum


@pytest.mark.parametrize(
    ("dtype", "side", "channels", "expected"),
    [
        ("float32", 2, 512, True),
        ("float32", 4, 512, True),
        ("float32", 4, 256, False),
        ("float32", 7, 512, False),
        ("bfloat16", 3, 512, True),
        ("bfloat16", 4, 512, False),
        ("float64", 2, 512, False),
    ],
)
def test_which_layers_are_crowded(dtype, side, channels, expected):
    layer = Conv2D(8, 3, padding="same")
    assert layer._is_crowded(tf.zeros([1, side, side, channels], dtype)) is expected


@pytest.mark.parametrize(
    ("channels", "options"),
    [
        (3, {"kernel_size": 3, "padding": "same"}),
        (4, {"kernel_size": 1}),
        (4, {"kernel_size": 3, "padding": "same", "strides": 2}),
        (4, {"kernel_size": 3, "padding": "same", "dilation_rate": 2}),
        (4, {"kernel_size": 3, "padding": "same", "groups": 2}),
        (4, {"kernel_size": (3, 1), "padding": "same"}),
        (4, {"kernel_size": 2, "padding": "same"}),
    ],
)
def test_other_layers_take_keras_gradient(channels, options, used):
    expected = run(keras.layers.Conv2D, (6, 6), options, channels)
    for a, b in zip(run(Conv2D, (6, 6), options, channels, training=True), expected, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not used


def test_a_gpu_takes_keras_gradient(used, monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["a card"])
    run(Conv2D, (6, 6), {"kernel_size": 3, "padding": "same"}, training=True)
    assert not used


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_it_trains_in_a_graph_with_images_of_known_and_unknown_size(dtype, used):
    for side in (6, None):
        inputs = keras.Input([side, side, 4])
        x = Conv2D(6, 3, padding="same", dtype=dtype)(inputs)
        model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D(dtype="float32")(x))
        model.compile("sgd", "mse", jit_compile=False)
        before = model.get_weights()[0]
        model.fit(np.ones([2, 6, 6, 4]), np.ones([2, 6]), verbose=0)
        assert np.abs(model.get_weights()[0] - before).max() > 0
    assert used


def test_it_survives_saving(tmp_path):
    model = keras.Sequential([keras.Input([6, 6, 4]), Conv2D(6, 3, padding="same")])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.layers[0]) is Conv2D
    inputs = np.ones([1, 6, 6, 4])
    np.testing.assert_array_equal(model.predict(inputs, verbose=0), loaded.predict(inputs, verbose=0))


@pytest.mark.parametrize(
    ("size", "options"),
    [
        (2, {"padding": "same"}),
        (3, {"padding": "same"}),
        (6, {"strides": 2}),
        (4, {"kernel_size": 1}),
        (4, {"kernel_size": 1, "strides": 2}),
        (5, {"dilation_rate": 2}),
    ],
)
@pytest.mark.parametrize("channels", [4, 256])
def test_products_of_kernel_gradients_are_those_of_the_gradients(size, options, channels):
    layer = Conv2D(6, **{"kernel_size": 3, "use_bias": False, **options})
    random = np.random.default_rng(0)
    inputs = tf.constant(random.normal(size=(5, size, size, channels)).astype(np.float32))
    outputs = layer(inputs)
    upstream = tf.constant(random.normal(size=outputs.shape).astype(np.float32))
    kernels = [layer.gradient_of_kernel(inputs[b : b + 1], upstream[b : b + 1]).numpy().ravel() for b in range(5)]
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(inputs) * upstream)
    np.testing.assert_allclose(
        sum(kernels), tape.gradient(loss, layer.kernel.value).numpy().ravel(), rtol=1e-3, atol=1e-3
    )
    expected = np.stack(kernels) @ np.stack(kernels).T
    products = layer.kernel_products(inputs, upstream)
    np.testing.assert_allclose(products, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_a_net_that_only_predicts_leaves_nothing_behind():
    """TensorFlow keeps a function with a custom gradient, and so its net's weights, for as long as the process runs."""

    def handles():
        gc.collect()
        return sum(
            1 for one in gc.get_objects() if isinstance(one, tf.__internal__.EagerTensor) and one.dtype == tf.resource
        )

    before = handles()
    inputs = keras.Input([4, 4, 256])
    model = keras.Model(inputs, Conv2D(512, 3, padding="same")(inputs))
    model.predict(np.zeros([2, 4, 4, 256], np.float32), verbose=0)
    assert handles() > before
    del model, inputs
    assert handles() == before
