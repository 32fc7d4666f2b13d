"""Kinds of task: each owns what is known of its labels, and nothing else knows a kind by its name."""

import pathlib
import re

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import keras_mtl
from keras_mtl.evaluation.metrics import metrics_for
from keras_mtl.heads import HEADS
from keras_mtl.kinds import KINDS, kind_of
from keras_mtl.tasks import Task

TASKS = {
    "binary": Task("smile", "binary", classes=("not smiling", "smiling")),
    "multiclass": Task("emotion", "multiclass", classes=("angry", "happy", "très calme")),
    "ordinal": Task("stage", "ordinal", classes=("child", "adult", "old")),
    "regression": Task("age", "regression", low=0, high=120, unit="years"),
}


def drawn(kind, count=12, missing=()):
    """Labels [count], of which some are missing, and predictions."""
    random = np.random.default_rng(0)
    low, high = kind.bounds
    if kind.task.classes:
        labels = random.integers(0, len(kind.task.classes), count).astype(np.float32)
        predicted = random.dirichlet([1] * len(kind.task.classes), count).astype(np.float32)
    else:
        labels = random.integers(low, high + 1, count).astype(np.float32)
        predicted = random.uniform(low, high, count).astype(np.float32)
    labels[list(missing)] = np.nan
    return labels, predicted


def test_every_kind_is_tried_here():
    assert set(TASKS) == set(KINDS)


def test_no_other_room_knows_a_kind_by_its_name():
    """But the built-in tasks, and heads and metrics, which say what they are for. Bytes are "binary" too."""
    package = pathlib.Path(keras_mtl.__file__).parent
    allowed = ("kinds/", "heads/", "tasks.py", "evaluation/metrics.py", "catalogue")
    named = re.compile(f"[\"']({'|'.join(KINDS)})[\"']")
    found = {
        f"{path.relative_to(package).as_posix()}:{number}"
        for pattern in ("*.py", "*.js")
        for path in package.rglob(pattern)
        if not path.relative_to(package).as_posix().startswith(allowed)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if named.search(line.replace('"format": "binary"', "")) and not line.lstrip().startswith((">>>", "..."))
    }
    assert not found


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_has_a_head_and_its_main_measure_is_a_metric(name):
    kind = kind_of(TASKS[name])
    assert name in HEADS[kind.head].kinds
    assert kind.measures[0] in metrics_for(kind.task)


@pytest.mark.parametrize("name", KINDS)
def test_labels_are_written_as_they_are_read(name):
    kind = kind_of(TASKS[name])
    labels, _ = drawn(kind)
    assert [kind.task.parse(kind.text(label)) for label in labels] == labels.tolist()
    counts = kind.counts(labels)
    assert sum(counts.values()) == len(labels) and counts[kind.text(labels[0])] == (labels == labels[0]).sum()


@given(st.floats(0, 120, width=32))
def test_any_number_in_range_is_written_as_it_is_read(number):
    kind = kind_of(TASKS["regression"])
    assert np.float32(kind.task.parse(kind.text(number))) == np.float32(number)


@pytest.mark.parametrize("name", KINDS)
def test_a_table_of_predictions_gives_back_what_it_was_made_of(name):
    kind = kind_of(TASKS[name])
    labels, predicted = drawn(kind, missing=(3, 7))
    frame = pd.DataFrame(kind.columns(labels, predicted))
    assert set(frame) == {*kind.texts, *kind.numbers} and frame[kind.task.name].isna().sum() == 2
    kind.check_columns(frame)
    known = ~np.isnan(labels)
    there, back = kind.from_columns(frame[frame[kind.task.name].notna()])
    np.testing.assert_array_equal(there, labels[known])
    np.testing.assert_allclose(back, predicted[known])
    misses = kind.misses(there, back)
    assert misses.shape == (10,) and (misses >= 0).all()


@pytest.mark.parametrize("name", KINDS)
def test_what_training_tells_is_the_metric_of_that_name(name):
    kind = kind_of(TASKS[name])
    labels, predicted = drawn(kind, 40)
    metrics = metrics_for(kind.task)
    for measure in kind.measures:
        told = kind.measure(measure, keras.ops.convert_to_tensor(labels), keras.ops.convert_to_tensor(predicted))
        of = metrics[measure](labels.astype(np.int64) if kind.task.classes else labels, predicted)
        assert float(np.mean(told)) == pytest.approx(of, rel=1e-5)
    constant = kind.guess_error(labels)
    best = min(
        kind.error(float(np.mean(kind.measure(kind.measures[0], labels, np.repeat(predicted[None, i], 40, 0)))))
        for i in range(40)
    )
    assert constant <= best + 1e-6  # No constant guess is better than the best one.


@pytest.mark.parametrize("name", KINDS)
def test_what_is_read_out_has_the_columns_that_are_promised(name):
    kind = kind_of(TASKS[name])
    _, predicted = drawn(kind)
    outputs = {kind.task.name: predicted}
    if not kind.task.classes:
        outputs["age_interval"] = np.stack([predicted - 1, predicted + 1], -1)
    entry = kind.entry(outputs, 0)
    assert set(kind.flat(entry)) == set(kind.named(*kind.endings))
    assert kind.readable(predicted[0]) and kind.brief(entry)
    assert kind.types({"interval": 2}).keys() >= {kind.task.name}
    assert kind.scores(predicted).shape == (12,)
