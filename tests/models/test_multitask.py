import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_mtl
from keras_mtl.errors import UserError
from keras_mtl.models.multitask import MultiTaskModel
from keras_mtl.tasks import BUILT_IN


def partial_labels(count: int = 12):
    """Labels as three sources of four images each give them: one task an image, the others of weight 0."""
    labels = {"age": np.full(count, 30.0), "gender": np.ones(count), "smile": np.zeros(count)}
    weights = {name: np.zeros(count) for name in labels}
    for number, name in enumerate(labels):
        weights[name][4 * number : 4 * number + 4] = 1.0
    as_float = lambda values: {name: value.astype(np.float32) for name, value in values.items()}  # noqa: E731
    return as_float(labels), as_float(weights)


def test_outputs_are_named_by_task(tiny_model, images):
    outputs = tiny_model.predict(images, verbose=0)
    assert {name: value.shape for name, value in outputs.items()} == {
        "age": (12, 121),
        "gender": (12, 1),
        "smile": (12, 1),
    }
    decoded = tiny_model.decode(outputs)
    assert decoded["age"].shape == (12,) and decoded["gender"].shape == (12, 2)
    assert tiny_model.tasks == {name: BUILT_IN[name] for name in ("age", "gender", "smile")}


def test_a_missing_label_touches_no_loss_metric_or_gradient(tiny_model, images):
    labels, weights = partial_labels()
    tiny_model.compile("sgd")
    results, weights_before = [], tiny_model.get_weights()
    for filler in (0.0, 1.0):
        tiny_model.set_weights(weights_before)
        filled = {name: np.where(weights[name] > 0, value, filler).astype(np.float32) for name, value in labels.items()}
        with tf.GradientTape() as tape:
            outputs = tiny_model(images, training=True)
            loss = tiny_model.compute_loss(images, filled, outputs, weights)
        gradients = tape.gradient(loss, [variable.value for variable in tiny_model.trainable_variables])
        logs = tiny_model.evaluate(images, filled, sample_weight=weights, verbose=0, return_dict=True)
        results.append((float(loss), [g.numpy() for g in gradients], logs))
    assert results[0][0] == results[1][0]
    assert results[0][2] == results[1][2]
    for first, second in zip(results[0][1], results[1][1], strict=True):
        np.testing.assert_array_equal(first, second)


def test_a_task_without_labels_in_the_batch_costs_nothing(tiny_model, images):
    labels, weights = partial_labels()
    weights["smile"][:] = 0.0
    tiny_model.compile("sgd")
    logs = tiny_model.evaluate(images, labels, sample_weight=weights, verbose=0, return_dict=True)
    assert logs["smile_loss"] == 0.0 and np.isfinite(logs["loss"])


def test_metrics_are_means_over_the_labelled_images(tiny_model, images):
    labels, weights = partial_labels()
    tiny_model.compile("sgd")
    logs = tiny_model.evaluate(images, labels, sample_weight=weights, batch_size=5, verbose=0, return_dict=True)
    decoded = tiny_model.decode(tiny_model.predict(images, verbose=0))
    assert logs["age_mae"] == pytest.approx(np.abs(np.asarray(decoded["age"])[:4] - 30).mean(), rel=1e-4)
    assert logs["gender_accuracy"] == pytest.approx((np.asarray(decoded["gender"])[4:8].argmax(-1) == 1).mean())


def test_metric_names_do_not_depend_on_the_number_of_tasks(images):
    model = keras_mtl.build_model(["smile"], image_size=32, width=8, blocks=(1, 1))
    model.compile("adamw")
    history = model.fit(images, {"smile": np.zeros(12, np.float32)}, verbose=0).history
    assert set(history) == {"loss", "smile_loss", "smile_accuracy"}


def test_saves_and_loads_with_everything(tiny_model, images, tmp_path):
    labels, weights = partial_labels()
    tiny_model.compile(keras.optimizers.AdamW(1e-3), loss_weights={"age": 0.5})
    tiny_model.fit(images, labels, sample_weight=weights, verbose=0)
    tiny_model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(loaded, MultiTaskModel) and loaded.tasks == tiny_model.tasks
    for name, value in tiny_model.predict(images, verbose=0).items():
        np.testing.assert_array_equal(loaded.predict(images, verbose=0)[name], value)
    options = dict(sample_weight=weights, verbose=0, return_dict=True)
    assert loaded.evaluate(images, labels, **options) == tiny_model.evaluate(images, labels, **options)
    assert int(loaded.optimizer.iterations) == 1
    loaded.fit(images, labels, sample_weight=weights, verbose=0)


def test_the_same_seed_gives_the_same_weights():
    first, second, other = (
        keras_mtl.build_model(image_size=32, width=8, blocks=(1, 1), hidden=4, seed=seed).get_weights()
        for seed in (1, 1, 2)
    )
    assert all((a == b).all() for a, b in zip(first, second, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


def test_bfloat16_keeps_float32_variables_and_outputs(images):
    policy = keras.config.dtype_policy().name
    model = keras_mtl.build_model(image_size=32, width=8, blocks=(1, 1), precision="bfloat16")
    assert keras.config.dtype_policy().name == policy
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
    assert {value.dtype for value in model.predict(images, verbose=0).values()} == {np.dtype("float32")}


def test_a_declared_task_trains_like_a_built_in_one(emotion, images):
    model = keras_mtl.build_model({"emotion": emotion, "age": BUILT_IN["age"]}, image_size=32, width=8, blocks=(1, 1))
    model.compile(keras.optimizers.Adam(1e-2))
    labels = {"emotion": np.arange(12, dtype=np.float32) % 7, "age": np.full(12, 20.0, np.float32)}
    history = model.fit(images, labels, epochs=8, verbose=0).history
    assert history["emotion_loss"][-1] < history["emotion_loss"][0]
    assert np.asarray(model.decode(model.predict(images, verbose=0))["emotion"]).shape == (12, 7)


def test_unknown_loss_weights_are_refused(tiny_model):
    with pytest.raises(UserError, match="names 'mood'"):
        tiny_model.compile("sgd", loss_weights={"mood": 1.0})


def test_losses_count_what_the_user_says_or_the_heads_weight(tiny_model, images):
    labels, weights = partial_labels()
    for given, expected in (
        ({}, {"age": 0.1, "gender": 1, "smile": 1}),
        ({"age": 2}, {"age": 2, "gender": 1, "smile": 1}),
    ):
        tiny_model.compile("sgd", loss_weights=given)
        logs = tiny_model.evaluate(images, labels, sample_weight=weights, verbose=0, return_dict=True)
        total = sum(weight * logs[f"{name}_loss"] for name, weight in expected.items())
        assert logs["loss"] == pytest.approx(total, rel=1e-5)


@pytest.mark.parametrize("weighting", ["ew", "upgrad"])
def test_a_step_is_traced_once(tiny_model, images, weighting, monkeypatch):
    """Tracing costs more than a small training; the optimizer's variables are made before it."""
    traced = []
    step = type(tiny_model).train_step
    monkeypatch.setattr(type(tiny_model), "train_step", lambda self, data: traced.append(1) or step(self, data))
    tiny_model.compile("adamw", weighting=weighting)
    tiny_model.fit(images, {name: np.ones((12, 1)) for name in tiny_model.tasks}, batch_size=6, verbose=0)
    assert len(traced) == 1
