from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_mtl.optimizers import AdamW


def trained(optimizer, epochs: int = 4) -> keras.Model:
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input([8]), keras.layers.Dense(16, "relu"), keras.layers.Dense(1)])
    model.compile(optimizer, "mse", jit_compile=False)
    return fit(model, epochs)


def fit(model: keras.Model, epochs: int) -> keras.Model:
    random = np.random.default_rng(0)
    model.fit(random.normal(size=(32, 8)), random.normal(size=(32, 1)), 8, epochs=epochs, shuffle=False, verbose=0)
    return model


def assert_alike(model: keras.Model, other: keras.Model, tolerance: float = 1e-5) -> None:
    for a, b in zip(model.optimizer.variables, other.optimizer.variables, strict=True):
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(a), keras.ops.convert_to_numpy(b), rtol=tolerance, atol=tolerance, err_msg=a.path
        )
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    "options",
    [
        {"learning_rate": 0.01, "weight_decay": 0.1},
        {"learning_rate": keras.optimizers.schedules.CosineDecay(0.01, 12), "weight_decay": 0.0},
        {"learning_rate": 0.01, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-4},
        {"learning_rate": 0.01, "clipnorm": 0.1, "use_ema": True},
        {"learning_rate": 0.01, "amsgrad": True},
        {"learning_rate": 0.01, "gradient_accumulation_steps": 2},
    ],
)
def test_it_is_keras_adamw(options):
    assert_alike(trained(AdamW(**options)), trained(keras.optimizers.AdamW(**options)))


def test_variables_can_be_left_out_of_the_decay():
    optimizers = AdamW(0.01, weight_decay=0.5), keras.optimizers.AdamW(0.01, weight_decay=0.5)
    for optimizer in optimizers:
        optimizer.exclude_from_weight_decay(var_names=["bias"])
    assert_alike(*(trained(optimizer) for optimizer in optimizers))


def test_a_loaded_model_goes_on_as_if_never_saved(tmp_path):
    model = trained(AdamW(0.01, weight_decay=0.1))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is AdamW
    assert_alike(fit(loaded, 2), fit(model, 2), tolerance=0)


def test_sparse_gradients_take_keras_code():
    def embed(optimizer):
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input([3]), keras.layers.Embedding(10, 4), keras.layers.Flatten()])
        model.compile(optimizer, "mse", jit_compile=False)
        model.fit(np.arange(9).reshape(3, 3), np.ones([3, 12]), epochs=3, verbose=0, shuffle=False)
        return model

    assert_alike(embed(AdamW(0.01)), embed(keras.optimizers.AdamW(0.01)))
