from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mtl.layers.normalization import BatchNormalization


def pair(shape, **options):
    layers = BatchNormalization(**options), keras.layers.BatchNormalization(**options)
    random = np.random.default_rng(1)
    for layer in layers:
        layer.build((None, *shape[1:]))
    values = [random.uniform(0.5, 1.5, weight.shape) for weight in layers[0].weights]
    for layer in layers:
        layer.set_weights(values)
    return layers


def run(layer, inputs, upstream, training):
    inputs = tf.constant(inputs)
    variables = [weight.value for weight in layer.trainable_weights]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs, training=training)
        loss = tf.reduce_sum(tf.cast(outputs, tf.float32) * upstream)
    gradients = tape.gradient(loss, [inputs, *variables])
    return [outputs, *gradients, layer.moving_mean, layer.moving_variance]


def draw(shape):
    random = np.random.default_rng(2)
    return random.normal(1.0, 2.0, shape).astype(np.float32), random.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("trainable", [True, False])
@pytest.mark.parametrize("shape", [(4, 5, 6, 3), (1, 2, 1, 3), (8, 7, 7, 16)])
def test_it_is_keras_layer_in_outputs_gradients_and_statistics(shape, trainable, training):
    inputs, upstream = draw(shape)
    ours, keras_layer = pair(shape, momentum=0.9, epsilon=1e-5)
    ours.trainable = keras_layer.trainable = trainable
    for a, b in zip(run(ours, inputs, upstream, training), run(keras_layer, inputs, upstream, training), strict=True):
        np.testing.assert_allclose(keras.ops.convert_to_numpy(a), keras.ops.convert_to_numpy(b), rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("training", [True, False])
def test_bfloat16_in_bfloat16_out_with_float32_statistics(training):
    inputs, upstream = draw((8, 4, 4, 3))
    ours, exact = pair((8, 4, 4, 3))[0], pair((8, 4, 4, 3))[1]
    policy = keras.layers.BatchNormalization(dtype="mixed_bfloat16")
    low = BatchNormalization.from_config({**ours.get_config(), "dtype": policy.get_config()["dtype"]})
    low.build((None, 4, 4, 3))
    low.set_weights(ours.get_weights())
    values = run(low, inputs, upstream, training)
    assert values[0].dtype == tf.bfloat16
    assert low.moving_mean.dtype == "float32"
    for a, b in zip(values, run(exact, inputs, upstream, training), strict=True):
        a, b = (np.asarray(tf.cast(keras.ops.convert_to_tensor(value), tf.float32)) for value in (a, b))
        np.testing.assert_allclose(a, b, atol=0.02 * np.abs(b).max())


def test_frozen_keeps_its_statistics():
    layer = pair((4, 2, 2, 3))[0]
    layer.trainable = False
    before = layer.get_weights()
    layer(draw((4, 2, 2, 3))[0], training=True)
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    ("shape", "options"),
    [((6, 5), {}), ((2, 3, 4, 5), {"axis": 1}), ((2, 3, 4, 5), {"scale": False}), ((2, 3, 4, 5), {"center": False})],
)
def test_what_the_kernel_lacks_runs_on_keras_code(shape, options):
    inputs, upstream = draw(shape)
    ours, keras_layer = pair(shape, **options)
    for a, b in zip(run(ours, inputs, upstream, True), run(keras_layer, inputs, upstream, True), strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(a), keras.ops.convert_to_numpy(b))


def test_masked_positions_do_not_count():
    inputs, _ = draw((2, 3, 4, 5))
    mask = np.random.default_rng(3).random((2, 3, 4)) > 0.5
    ours, keras_layer = pair((2, 3, 4, 5))
    np.testing.assert_array_equal(ours(inputs, training=True, mask=mask), keras_layer(inputs, training=True, mask=mask))


def test_it_survives_saving(tmp_path):
    model = keras.Sequential([keras.Input([4, 4, 3]), BatchNormalization(momentum=0.9, epsilon=1e-5)])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras").layers[0]
    assert type(loaded) is BatchNormalization
    assert (loaded.momentum, loaded.epsilon) == (0.9, 1e-5)
