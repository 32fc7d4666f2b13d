from __future__ import annotations

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mtl.models.multitask import add_head
from keras_mtl.tasks import BUILT_IN
from keras_mtl.trunks.resnet import build_trunk


@contextlib.contextmanager
def policy(name: str):
    kept = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    yield
    keras.config.set_dtype_policy(kept)


def trunk(size: int | None = 32, channels: int = 3, **options) -> keras.Model:
    inputs = keras.Input([size, size, channels], dtype="uint8")
    return keras.Model(inputs, build_trunk(inputs, **options))


def pixels(size: int, count: int = 2, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), np.uint8)


@pytest.fixture(scope="module")
def resnet18() -> keras.Model:
    return trunk(64)


def test_resnet18_has_torchvisions_parameter_count(resnet18):
    trainable = sum(int(np.prod(weight.shape)) for weight in resnet18.trainable_weights)
    statistics = sum(int(np.prod(weight.shape)) for weight in resnet18.non_trainable_weights)
    assert trainable == 11_176_512
    assert statistics == 9_600


def test_stages_have_resnets_shapes_and_end_in_layers_of_their_names(resnet18):
    assert {name: tensor.shape[1:] for name, tensor in resnet18.output.items()} == {
        "stem": (16, 16, 64),
        "stage1": (16, 16, 64),
        "stage2": (8, 8, 128),
        "stage3": (4, 4, 256),
        "stage4": (2, 2, 512),
        "pool": (512,),
    }
    assert all(resnet18.get_layer(name).output is tensor for name, tensor in resnet18.output.items())


@pytest.mark.parametrize("stem", ["imagenet", "small"])
def test_keras_own_settings_change_nothing(stem, monkeypatch):
    """As a Keras home with `"image_data_format": "channels_first"` in its keras.json sets them."""
    images = pixels(32)
    expected = trunk(width=8, blocks=(1, 1), stem=stem)(images)
    keras.config.set_image_data_format("channels_first")
    keras.config.set_epsilon(0.1)
    try:
        model = trunk(width=8, blocks=(1, 1), stem=stem)
        branch = keras.Model(model.input, add_head(model.output["stage2"], BUILT_IN["age"]))
        found, again = model(images), keras.Model.from_config(branch.get_config())
    finally:
        keras.config.set_image_data_format("channels_last")
        keras.config.set_epsilon(1e-7)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)
    formats = {layer.data_format for layer in again.layers if hasattr(layer, "data_format")}
    assert formats == {"channels_last"} and again(images).shape == branch(images).shape


def test_inner_layers_are_named_by_stage_and_block(resnet18):
    names = {layer.name for layer in resnet18.layers}
    assert {
        "stem_conv",
        "stem_bn",
        "stage1_block1_conv1",
        "stage4_block2_bn2",
        "stage2_block1_downsample_conv",
    } <= names
    assert "stage1_block1_downsample_conv" not in names


@pytest.mark.parametrize(("blocks", "stages"), [((1,), 1), ((1, 2, 1), 3), ([3, 1, 1, 1, 1], 5)])
def test_any_number_of_blocks_and_stages(blocks, stages):
    model = trunk(width=4, blocks=blocks)
    assert list(model.output) == ["stem", *(f"stage{n}" for n in range(1, stages + 1)), "pool"]
    assert model.output["pool"].shape == (None, 4 * 2 ** (stages - 1))
    assert f"stage1_block{blocks[0]}_conv2" in {layer.name for layer in model.layers}


@pytest.mark.parametrize(("stem", "side"), [("imagenet", 8), ("small", 32)])
def test_stems(stem, side):
    assert trunk(width=4, blocks=(1, 1), stem=stem).output["stem"].shape == (None, side, side, 4)


@pytest.mark.parametrize("size", [32, 33, 47, 50])
def test_any_size_from_32_up_pads_as_torch_does(size):
    sides = [tensor.shape[1] for name, tensor in trunk(size, width=4).output.items() if name != "pool"]
    expected = [-(-size // 4), -(-size // 4), -(-size // 8), -(-size // 16), -(-size // 32)]
    assert sides == expected


def test_one_model_takes_images_of_any_size():
    model = trunk(None, width=4, blocks=(1, 1, 1, 1))
    fixed = trunk(48, width=4, blocks=(1, 1, 1, 1))
    images = pixels(48)
    np.testing.assert_allclose(model(images)["pool"], fixed(images)["pool"], atol=1e-5)


def test_weights_depend_on_the_seed_and_on_the_layer():
    one, same, other = trunk(width=4), trunk(width=4), trunk(width=4, seed=1)
    for a, b in zip(one.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    kernels = [layer.get_weights()[0] for layer in one.layers if "conv" in layer.name and layer.weights]
    assert not np.array_equal(kernels[0], other.get_layer("stem_conv").get_weights()[0])
    first = one.get_layer("stage1_block1_conv1").get_weights()[0]
    assert not np.array_equal(first, one.get_layer("stage1_block1_conv2").get_weights()[0])


def test_initial_kernels_are_he_normal_by_fan_out(resnet18):
    for name, fan_out in (("stage4_block2_conv2", 512 * 9), ("stem_conv", 64 * 49)):
        kernel = resnet18.get_layer(name).get_weights()[0]
        assert kernel.std() == pytest.approx(np.sqrt(2 / fan_out), rel=0.02)
        # A truncated normal would end at two standard deviations.
        assert np.abs(kernel).max() > 3 * kernel.std()


def test_batch_normalization_is_torchs(resnet18):
    layer = resnet18.get_layer("stage3_block1_bn1")
    assert (layer.momentum, layer.epsilon) == (0.9, 1e-5)


def test_bfloat16_computes_in_bfloat16_and_pools_in_float32():
    with policy("mixed_bfloat16"):
        model = trunk(width=4)
    assert model.output["stage1"].dtype == "bfloat16"
    assert model.output["pool"].dtype == "float32"
    assert {weight.dtype for weight in model.weights} == {"float32"}
    reference = trunk(width=4)
    np.testing.assert_allclose(model(pixels(32))["pool"], reference(pixels(32))["pool"], atol=0.1, rtol=0.1)


def test_float_images_of_0_to_255_are_as_good_as_uint8():
    model = trunk(width=4)
    images = pixels(32)
    np.testing.assert_allclose(model(images)["pool"], model(images.astype(np.float32))["pool"], atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_it_learns(dtype):
    inputs = keras.Input([32, 32, 3], dtype="uint8")
    with policy(dtype):
        features = build_trunk(inputs, width=4, blocks=(1, 1))["pool"]
    model = keras.Model(inputs, keras.layers.Dense(1, dtype="float32", kernel_initializer="zeros")(features))
    model.compile(keras.optimizers.Adam(0.02), "mse", jit_compile=False)
    images = np.concatenate([pixels(32, 8), pixels(32, 8) // 2])
    labels = np.repeat([0.0, 1.0], 8)
    losses = model.fit(images, labels, batch_size=16, epochs=15, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]


def test_it_survives_saving(tmp_path):
    model = trunk(width=4, blocks=(1, 1))
    model.save(tmp_path / "trunk.keras")
    loaded = keras.models.load_model(tmp_path / "trunk.keras")
    np.testing.assert_array_equal(model(pixels(32))["pool"], loaded(pixels(32))["pool"])


def test_the_whole_graph_is_differentiable():
    model = trunk(width=4)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(model(pixels(32), training=True)["pool"]))
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    assert all(gradient is not None and np.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 31}, "32 pixels or more each way. Received: 31x31"),
        ({"channels": 1}, r"\[batch, height, width, 3\]"),
        ({"width": 0}, "width must be a whole number of 1 or more. Received: width=0"),
        ({"width": 1.5}, "Received: width=1.5"),
        ({"blocks": ()}, r"blocks=\(\)"),
        ({"blocks": (2, 0)}, r"blocks=\(2, 0\)"),
        ({"blocks": 2}, "blocks=2"),
        ({"stem": "large"}, "Unknown stem 'large'; known stems: imagenet, small"),
    ],
)
def test_odd_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message) as error:
        trunk(**options)
    assert "\n" not in str(error.value)
