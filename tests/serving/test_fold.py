from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_mtl.models import MultiTaskModel, build_model
from keras_mtl.serving.fold import fold_batch_normalization
from keras_mtl.trunks.resnet import build_trunk


def shake(model: keras.Model, seed: int = 0) -> None:
    """Gives every weight, above all BatchNormalization's, a value that a wrong fold would show."""
    random = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([random.uniform(0.5, 1.5, weight.shape) for weight in layer.weights])


def normalizations(model: keras.Model) -> list[str]:
    return [layer.name for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (6, 32, 32, 3), np.uint8)


@pytest.mark.parametrize("stem", ["imagenet", "small"])
def test_a_folded_model_gives_the_same_without_batch_normalization(stem, images):
    model = build_model(
        image_size=32, width=8, blocks=(1, 2, 1, 1), stem=stem, hidden=4, dropout=0.5, precision="float32"
    )
    shake(model)
    before = model.get_weights()
    folded = fold_batch_normalization(model)
    assert type(folded) is MultiTaskModel
    assert not normalizations(folded)
    assert list(folded.tasks) == ["age", "gender", "smile"]
    assert folded.tasks == model.tasks
    ours, theirs = folded.predict(images, verbose=0), model.predict(images, verbose=0)
    assert ours.keys() == theirs.keys()
    for name, logits in ours.items():
        np.testing.assert_allclose(logits, theirs[name], rtol=1e-4, atol=1e-4)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert normalizations(model)


def test_stages_keep_their_names_and_values(images):
    inputs = keras.Input([32, 32, 3], dtype="uint8")
    model = keras.Model(inputs, build_trunk(inputs, width=8))
    shake(model)
    folded = fold_batch_normalization(model)
    for stage, value in folded.predict(images, verbose=0).items():
        np.testing.assert_allclose(value, model.predict(images, verbose=0)[stage], rtol=1e-4, atol=1e-3)
    assert folded.count_params() < model.count_params()
    assert all(layer.use_bias for layer in folded.layers if isinstance(layer, keras.layers.Conv2D))


def build(steps) -> keras.Model:
    inputs = keras.Input([6, 6, 3])
    return keras.Model(inputs, steps(inputs))


def after_activation(x):
    return keras.layers.BatchNormalization(name="kept")(keras.layers.Conv2D(4, 3, activation="relu")(x))


def used_twice(x):
    x = keras.layers.Conv2D(4, 3)(x)
    return [x, keras.layers.BatchNormalization(name="kept")(x)]


def on_the_input(x):
    return keras.layers.Conv2D(4, 3)(keras.layers.BatchNormalization(name="kept")(x))


def with_bias(x):
    return keras.layers.BatchNormalization()(keras.layers.Conv2D(4, 3, bias_initializer="ones")(x))


def without_scale_and_center(x):
    x = keras.layers.Conv2D(4, 3, groups=1, use_bias=False)(x)
    return keras.layers.BatchNormalization(scale=False, center=False, epsilon=0.1)(x)


@pytest.mark.parametrize(
    ("steps", "kept"),
    [
        (after_activation, ["kept"]),
        (used_twice, ["kept"]),
        (on_the_input, ["kept"]),
        (with_bias, []),
        (without_scale_and_center, []),
    ],
)
def test_only_what_is_linear_and_used_once_is_folded(steps, kept):
    model = build(steps)
    shake(model)
    folded = fold_batch_normalization(model)
    assert normalizations(folded) == kept
    inputs = np.random.default_rng(1).normal(size=(2, 6, 6, 3)).astype(np.float32)
    for ours, theirs in zip(
        keras.tree.flatten(folded.predict(inputs, verbose=0)),
        keras.tree.flatten(model.predict(inputs, verbose=0)),
        strict=True,
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_a_loaded_model_folds_and_a_folded_one_saves(tmp_path, images):
    model = build_model(["smile"], image_size=32, width=8, blocks=(1, 1), precision="float32")
    model.save(tmp_path / "model.keras")
    folded = fold_batch_normalization(keras.models.load_model(tmp_path / "model.keras"))
    folded.save(tmp_path / "folded.keras")
    loaded = keras.models.load_model(tmp_path / "folded.keras")
    np.testing.assert_allclose(
        loaded.predict(images, verbose=0)["smile"], model.predict(images, verbose=0)["smile"], rtol=1e-4, atol=1e-5
    )
