"""What is told of the losses: means over the labelled images, whatever batches they came in."""

from __future__ import annotations

import functools

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import keras_mtl
from keras_mtl.data import SplitData
from keras_mtl.data.batches import evaluation_batches
from keras_mtl.models.multitask import MultiTaskModel
from keras_mtl.models.objectives import TaskLoss, TaskMetric, TaskOutput
from keras_mtl.tasks import BUILT_IN, select_tasks

NAMES = ("age", "gender")


@functools.cache
def net(weighting: str, *names: str) -> MultiTaskModel:
    keras.utils.set_random_seed(2)
    inputs = keras.Input([4])
    hidden = keras.layers.Dense(3, kernel_regularizer=keras.regularizers.L2(0.1), name="hidden")(inputs)
    tasks = select_tasks(list(names))
    heads = {name: {"age": 121, "gender": 1}[name] for name in names}
    model = MultiTaskModel(
        inputs, {n: TaskOutput(tasks[n])(keras.layers.Dense(u, name=f"{n}_logits")(hidden)) for n, u in heads.items()}
    )
    # A rate of 0: the losses of training are those of one net.
    model.compile(keras.optimizers.SGD(0.0), weighting=weighting, run_eagerly=True)
    return model


def by_hand(model, x, y, weights):
    """By task the mean loss over samples, each by its weight, in float64."""
    outputs = model.predict_on_batch(x)
    found = {}
    for name, task in model.tasks.items():
        each = np.asarray(TaskLoss(task, reduction=None)(np.nan_to_num(y[name]), outputs[name]), np.float64)
        counts = np.where(np.isnan(y[name]), 0, weights[name])
        found[name] = float(np.nansum(each * counts) / counts.sum()) if counts.sum() else 0.0
    return found


labels = st.lists(st.sampled_from([0.0, 1.0, np.nan]), min_size=7, max_size=7)
counts = st.lists(st.sampled_from([0.0, 0.5, 1.0, 3.0]), min_size=7, max_size=7)


@pytest.mark.parametrize("names", [("age", "gender"), ("gender",)])
@pytest.mark.parametrize("weighting", ["ew", "upgrad"])
@settings(max_examples=4, deadline=None)
@given(y=st.tuples(labels, labels), weights=st.tuples(counts, counts), batch_size=st.integers(1, 7))
def test_told_losses_do_not_depend_on_batches(names, weighting, y, weights, batch_size):
    model = net(weighting, *names)
    x = np.random.default_rng(3).normal(size=(7, 4)).astype(np.float32)
    y = {name: np.array(own, np.float32) for name, own in zip(NAMES, y, strict=True) if name in names}
    weights = {name: np.array(own, np.float32) for name, own in zip(NAMES, weights, strict=True) if name in names}
    expected = by_hand(model, x, y, weights)
    added = 0.1 * float(np.sum(model.get_layer("hidden").kernel.numpy() ** 2))
    total = added + sum({"age": 0.1, "gender": 1.0}[name] * mean for name, mean in expected.items())
    for step in (model.train_step, model.test_step):
        model.reset_metrics()  # as `fit` and `evaluate` do
        for start in range(0, 7, batch_size):
            rows = slice(start, start + batch_size)
            told = step((x[rows], {n: own[rows] for n, own in y.items()}, {n: own[rows] for n, own in weights.items()}))
        assert float(told["loss"]) == pytest.approx(total, rel=1e-5)
        for name, mean in expected.items():
            assert float(told[f"{name}_loss"]) == pytest.approx(mean, rel=1e-5, abs=1e-7)


def test_sparse_labels_and_a_last_batch_of_one_image():
    random = np.random.default_rng(0)
    pixels = lambda count: random.integers(0, 256, (count, 32, 32, 3), np.uint8)  # noqa: E731
    model = keras_mtl.build_model(["age", "gender"], image_size=32, width=8, blocks=(1,), precision="float32")
    model.compile("sgd", run_eagerly=True)
    few = np.full(16, np.nan, np.float32)
    few[:2] = 1
    both = SplitData("both", pixels(16), list("abcdefghijklmnop"), {"age": np.linspace(5, 90, 16), "gender": few})
    ages = SplitData("ages", pixels(3), list("abc"), {"age": np.array([5, 50, 90.0])})
    genders = SplitData("genders", pixels(14), list("abcdefghijklmn"), {"gender": np.arange(14) % 2.0})
    for parts, task, size in (([both], "gender", 4), ([ages, genders], "age", 16)):
        told = model.evaluate(evaluation_batches(parts, NAMES, size), verbose=0, return_dict=True)
        images = np.concatenate([part.images[~np.isnan(part.labels[task])] for part in parts if task in part.labels])
        known = np.concatenate(
            [part.labels[task][~np.isnan(part.labels[task])] for part in parts if task in part.labels]
        )
        true = float(TaskLoss(model.tasks[task])(known, model.predict(images, verbose=0)[task]))
        assert told[f"{task}_loss"] == pytest.approx(true, rel=1e-5)
    # A split's own labels, NaN where one is missing, go straight into `fit`.
    assert np.isfinite(model.fit(both.images, both.labels, verbose=0).history["loss"]).all()


def test_a_loss_that_is_not_a_number_is_told():
    x = np.zeros((4, 4), np.float32)
    model = net("ew", "gender")
    for wrong in (np.inf, -np.inf):
        logs = model.evaluate(x, np.array([0, 1, wrong, 0], np.float32), batch_size=2, verbose=0, return_dict=True)
        assert not np.isfinite(logs["loss"]) and not np.isfinite(logs["gender_loss"])


@pytest.mark.parametrize("missing", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["age", "gender", "age_group"])
def test_a_label_of_weight_0_does_not_count_whatever_it_is(name, missing):
    task = BUILT_IN[name]
    units = {"age": 121, "gender": 1, "age_group": len(task.classes) - 1}[name]
    known, logits = np.array([1.0], np.float32), np.zeros((2, units), np.float32)
    partial = np.array([1.0, missing], np.float32)
    forms = [np.array([1, 0], np.float32)] + ([None] if np.isnan(missing) else [])
    for weights in forms:
        assert float(TaskLoss(task)(partial, logits, weights)) == float(TaskLoss(task)(known, logits[:1]))
        metrics = [TaskMetric(task, "accuracy" if task.classes else "mae") for _ in range(2)]
        metrics[0].update_state(partial, logits, weights)
        metrics[1].update_state(known, logits[:1])
        assert float(metrics[0].result()) == float(metrics[1].result())
