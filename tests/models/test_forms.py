"""compile and fit take what plain Keras takes: each form trains to the weights of the dicts by task, bit for bit."""

from __future__ import annotations

import dataclasses
import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mtl.errors import UserError
from keras_mtl.models.multitask import MultiTaskModel
from keras_mtl.models.objectives import TaskLoss, TaskOutput
from keras_mtl.tasks import BUILT_IN

TASKS = {"smile": BUILT_IN["smile"], "age": dataclasses.replace(BUILT_IN["age"], head="l1", options={})}
"""Not in the alphabet's order, which is that of Keras' outputs."""
X = np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32)
SMILE = np.array([0, 1, 1, 0, 1, 0, 0, 1], np.float32)
AGE = np.linspace(5, 90, 8).astype(np.float32)
Y = {"smile": SMILE, "age": AGE}
ONCE = np.array([1, 2, 0, 1, 1, 0.5, 1, 3], np.float32)
TWICE = np.array([1, 1, 1, 0, 0, 2, 1, 1], np.float32)
MSE = {name: keras.losses.MeanSquaredError() for name in TASKS}


@functools.cache
def net(*names: str) -> MultiTaskModel:
    inputs = keras.Input([5])
    hidden = keras.layers.Dense(4, activation="tanh", name="hidden")(inputs)
    return MultiTaskModel(
        inputs, {name: TaskOutput(TASKS[name])(keras.layers.Dense(1, name=f"{name}_logits")(hidden)) for name in names}
    )


class Rows(keras.utils.PyDataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        rows = slice(4 * index, 4 * index + 4)
        return X[rows], {name: labels[rows] for name, labels in Y.items()}


def batches(*parts):
    return tf.data.Dataset.from_tensor_slices(parts).batch(4)


def generator():
    for start in (0, 4):
        yield X[start : start + 4], (AGE[start : start + 4], SMILE[start : start + 4])


def trained(weighting, compiled=None, y=Y, names=TASKS, x=X, **options):
    """The weights and the logs after an epoch of two steps, from the same weights."""
    model = net(*names)
    model.set_weights([np.linspace(-1, 1, w.size, dtype=np.float32).reshape(w.shape) for w in model.get_weights()])
    model.compile(keras.optimizers.Adam(0.01), weighting=weighting, **{"run_eagerly": True, **(compiled or {})})
    if isinstance(x, np.ndarray):
        options = {"batch_size": 4, **options}
    else:
        x, y = x() if callable(x) else x, None
    logs = model.fit(x, y, **{"verbose": 0, "shuffle": False, **options}).history
    return [weight.numpy() for weight in model.weights], {name: values[-1] for name, values in logs.items()}


@functools.cache
def plain(weighting):
    return trained(weighting)


FORMS = {
    # name: (what compile is given, what fit is given, the same in dicts by task for compile, and for fit)
    "list of labels": ({}, {"y": [AGE, SMILE]}, {}, {}),
    "tuple of columns": ({}, {"y": (AGE[:, None], SMILE[:, None])}, {}, {}),
    "whole numbers": ({}, {"y": {"age": AGE, "smile": SMILE.astype(int)}}, {}, {}),
    "dataset without weights": ({}, {"x": batches(X, Y)}, {}, {}),
    "dataset of a tuple": ({}, {"x": batches(X, (AGE, SMILE))}, {}, {}),
    "PyDataset": ({}, {"x": Rows()}, {}, {}),
    "generator": ({}, {"x": generator, "steps_per_epoch": 2}, {}, {}),
    "steps_per_execution": ({"run_eagerly": False, "steps_per_execution": 2}, {}, {"run_eagerly": False}, {}),
    "one weight for all": ({}, {"sample_weight": ONCE}, {}, {"sample_weight": {"age": ONCE, "smile": ONCE}}),
    "list of weights": (
        {},
        {"y": [AGE, SMILE], "sample_weight": [TWICE, ONCE]},
        {},
        {"sample_weight": {"age": TWICE, "smile": ONCE}},
    ),
    "NaN for a missing label": (
        {},
        {"y": {"age": np.where(TWICE, AGE, np.nan), "smile": np.where(ONCE, SMILE, np.nan)}},
        {},
        {"sample_weight": {"age": np.minimum(TWICE, 1), "smile": np.ceil(np.minimum(ONCE, 1))}},
    ),
    "infinite label of weight 0": (
        {},
        {"y": {"age": np.where(TWICE, AGE, np.inf), "smile": SMILE}, "sample_weight": {"age": TWICE, "smile": ONCE}},
        {},
        {"sample_weight": {"age": TWICE, "smile": ONCE}},
    ),
    "a name for all": ({"loss": "mse"}, {}, {"loss": MSE}, {}),
    "a function for all": ({"loss": keras.losses.mean_squared_error}, {}, {"loss": MSE}, {}),
    "an object for all": ({"loss": MSE["age"]}, {}, {"loss": MSE}, {}),
    "list of losses": (
        {"loss": ["mae", "mse"]},
        {},
        {"loss": {"age": keras.losses.MeanAbsoluteError(), "smile": MSE["smile"]}},
        {},
    ),
    "list of loss weights": ({"loss_weights": [0.5, 2]}, {}, {"loss_weights": {"age": 0.5, "smile": 2}}, {}),
    "one loss weight": ({"loss_weights": 0.5}, {}, {"loss_weights": {"age": 0.5, "smile": 0.5}}, {}),
    "one loss": (
        {"loss": {"age": TaskLoss(TASKS["age"])}},
        {"y": {"age": AGE}},
        {"loss": {"age": TaskLoss(TASKS["age"]), "smile": None}, "loss_weights": [1, 3]},
        {},
    ),
    "one loss, in lists": ({"loss": ["mse", None]}, {"y": [AGE]}, {"loss": {"age": "mse"}}, {}),
}


@pytest.mark.parametrize("weighting", ["ew", "upgrad"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_trains_as_dicts_by_task_do(form, weighting):
    compiled, fitted, compiled_by_task, fitted_by_task = FORMS[form]
    by_task = trained(weighting, compiled_by_task, **fitted_by_task) if compiled_by_task or fitted_by_task else None
    assert_same(trained(weighting, compiled, **fitted), by_task or plain(weighting))


@pytest.mark.parametrize("weighting", ["ew", "upgrad"])
def test_validation_data_in_every_form_tell_the_same(weighting):
    forms = [(X, Y), (X, [AGE, SMILE]), (X, Y, {"age": ONCE * 0 + 1, "smile": ONCE * 0 + 1}), batches(X, Y), Rows()]
    logs = [trained(weighting, validation_data=data)[1] for data in forms]
    assert all(other == logs[0] for other in logs[1:]) and "val_age_loss" in logs[0]


def test_one_output_takes_an_array_and_class_weights():
    by_task = trained("upgrad", y={"smile": SMILE}, names=["smile"])
    assert_same(trained("upgrad", y=SMILE, names=["smile"]), by_task)
    by_task = trained("ew", y={"smile": SMILE}, names=["smile"], sample_weight={"smile": 1 + 2 * SMILE})
    assert_same(trained("ew", y=SMILE, names=["smile"], class_weight={0: 1.0, 1: 3.0}), by_task)
    assert set(by_task[1]) == {"loss", "smile_loss", "smile_accuracy"}


def assert_same(one, other):
    assert one[1] == other[1]
    for a, b in zip(one[0], other[0], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("weighting", [None, "upgrad"])
def test_a_task_without_a_loss_is_not_trained_and_not_told(weighting):
    tasks = {**TASKS, "gender": BUILT_IN["gender"]}
    inputs = keras.Input([5])
    hidden = keras.layers.Dense(4, name="hidden")(inputs)
    outputs = {n: TaskOutput(t)(keras.layers.Dense(1, name=f"{n}_logits")(hidden)) for n, t in tasks.items()}
    model = MultiTaskModel(inputs, outputs)
    before = model.get_layer("gender_logits").kernel.numpy()
    # Weight decay is only for what is trained.
    loss = {name: TaskLoss(task) for name, task in TASKS.items()}
    model.compile(keras.optimizers.AdamW(0.1, weight_decay=0.1), loss=loss, weighting=weighting, run_eagerly=True)
    logs = model.fit(X, Y, verbose=0).history
    assert set(logs) == {"loss", "age_loss", "age_mae", "smile_loss", "smile_accuracy"}
    np.testing.assert_array_equal(model.get_layer("gender_logits").kernel.numpy(), before)
    # Its metrics, asked for, are measured.
    gender = {**Y, "gender": SMILE}
    metrics = {"gender": [keras.metrics.BinaryAccuracy(threshold=0.0, name="hits")]}
    model.compile("sgd", loss=loss, weighted_metrics=metrics, weighting=weighting, run_eagerly=True)
    expected = np.mean((model.predict(X, verbose=0)["gender"][:, 0] > 0) == SMILE)
    assert model.train_on_batch(X, gender, return_dict=True)["gender_hits"] == pytest.approx(expected)
    with pytest.raises(UserError, match="Labels of 'gender' are missing"):
        model.train_on_batch(X, Y)


def test_callbacks_may_come_by_position_and_as_a_list_that_is_used_twice():
    model = net(*TASKS)
    model.compile("sgd", weighting="dwa", run_eagerly=True)
    seen = []
    note = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
    model.fit(X, Y, 8, 1, 0, [note])
    model.fit(X, Y, 8, 1, 0, note)
    callbacks = keras.callbacks.CallbackList([note], model=model)
    ends = []
    model.balance.weighting.on_epoch_end = lambda: ends.append(1)
    for _ in range(2):
        model.fit(X, Y, 8, 1, 0, callbacks)
    assert len(seen) == 4 and len(ends) == 2


def test_metrics_are_given_as_to_keras():
    for form in ({"age": ["mae"]}, [["mae"], None], [["mae"], []]):
        for argument in ("metrics", "weighted_metrics"):
            model = net(*TASKS)
            model.compile("sgd", run_eagerly=True, **{argument: form})
            logs = model.train_on_batch(X, [AGE, SMILE], return_dict=True)
            assert "age_mae" in logs and {"loss", "age_loss", "smile_loss"} <= set(logs)


@pytest.mark.parametrize(
    ("compiled", "y", "message"),
    [
        ({"loss": {"mood": "mse"}}, Y, "loss names 'mood', but the model's tasks are age, smile"),
        ({"loss": ["mse"]}, Y, "loss: expected a dict by task, or one each for age, smile in this order. Received: 1"),
        ({"loss": {"age": None}}, Y, "No task has a loss"),
        ({"loss": {"age": ["mse", "mae"]}}, Y, "Give one loss for 'age'"),
        ({"loss_weights": [1, 2, 3]}, Y, "loss_weights: expected .* Received: 3"),
        ({}, {"age": AGE}, "Labels of 'smile' are missing; NaN is that of an unlabelled image. Received: age"),
        ({}, {**Y, "mood": AGE}, "labels names 'mood'"),
        ({}, AGE, "labels: expected a dict by task"),
        (
            {"loss": keras.losses.MeanSquaredError(reduction="none"), "weighting": "uw"},
            Y,
            "must be one number",
        ),
    ],
)
def test_what_is_not_there_is_told_in_one_line(compiled, y, message):
    model = net(*TASKS)
    with pytest.raises(UserError, match=message):
        model.compile("sgd", run_eagerly=True, **compiled)
        model.train_on_batch(X, y)


@pytest.mark.parametrize("loss", ["mse", None])
def test_a_model_saved_with_any_form_loads_and_goes_on(loss, tmp_path):
    model = net(*TASKS)
    model.compile("sgd", loss=loss, weighting="uw", run_eagerly=True)
    model.train_on_batch(X, Y)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.train_on_batch(X, Y, return_dict=True) == model.train_on_batch(X, Y, return_dict=True)
