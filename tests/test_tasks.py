import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_mtl import tasks
from keras_mtl.errors import UserError
from keras_mtl.tasks import BUILT_IN, Task


def test_labels_are_read_by_name_index_and_value():
    assert BUILT_IN["gender"].parse("female") == 1.0
    assert BUILT_IN["gender"].parse("0") == 0.0
    assert BUILT_IN["age"].parse("33.5") == 33.5
    assert math.isnan(BUILT_IN["age"].parse(""))
    assert math.isnan(BUILT_IN["smile"].parse(float("nan")))


@pytest.mark.parametrize(
    "task, text", [("age", "-1"), ("age", "121"), ("age", "old"), ("gender", "2"), ("smile", "0.5")]
)
def test_bad_labels_are_named_with_what_was_expected(task, text):
    with pytest.raises(UserError, match=f"{task} label '{text}' is not"):
        BUILT_IN[task].parse(text)


@given(st.floats(0, 120))
def test_every_age_in_range_is_read_as_it_stands(age):
    assert BUILT_IN["age"].parse(repr(age)) == age


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e6), st.sampled_from((12, 24, 120)))
def test_a_part_of_the_range_is_a_round_number_near_it(low, length, parts):
    task = Task("v", "regression", low=low, high=low + length)
    part = task.round_part(parts)
    assert f"{part:e}"[:8] in ("1.000000", "2.000000", "5.000000")
    assert 0.63 < part * parts / (task.high - task.low) < 1.59


def test_parts_and_decimals_of_ages_and_of_shorter_and_longer_ranges():
    age = BUILT_IN["age"]
    assert [age.round_part(parts) for parts in (12, 24, 120)] == [10, 5, 1] and age.decimals == 1
    told = [Task("v", "regression", low=0, high=high).decimals for high in (0.4, 1, 5, 999, 1000, 1e5)]
    assert told == [3, 3, 2, 0, 0, 0]


@pytest.mark.parametrize(
    "task", [*BUILT_IN.values(), Task("height", "regression", low=50, high=220, head="dldl", options={"sigma": 3})]
)
def test_a_task_survives_its_plain_form(task):
    assert Task.from_dict(json.loads(json.dumps(task.to_dict()))) == task


@pytest.mark.parametrize(
    "fields, message",
    [
        (dict(name="a b", kind="binary", classes=("x", "y")), "word of letters"),
        (dict(name="a", kind="sort"), "kind must be one of"),
        (dict(name="a", kind="binary", classes=("x", "y", "z")), "exactly two"),
        (dict(name="a", kind="multiclass", classes=("x", "x")), "different classes"),
        (dict(name="a", kind="regression", low=2, high=1), "low < high"),
    ],
)
def test_contradictory_declarations_are_refused(fields, message):
    with pytest.raises(UserError, match=message):
        Task(**fields)


@pytest.mark.parametrize(
    "suffix, text",
    [
        (".yaml", "- {name: mood, kind: ordinal, classes: [bad, fair, good]}"),
        (".json", '{"name": "mood", "kind": "ordinal", "classes": ["bad", "fair", "good"]}'),
    ],
)
def test_tasks_are_declared_in_a_file(tmp_path, suffix, text):
    path = tmp_path / f"tasks{suffix}"
    path.write_text(text)
    declared = tasks.read_task_file(path)
    assert tasks.select_tasks(["mood", "age"], declared) == {
        "mood": Task("mood", "ordinal", classes=("bad", "fair", "good")),
        "age": BUILT_IN["age"],
    }


@pytest.mark.parametrize("text", ["- [", "- {kind: binary}", "- {name: a, kind: binary, colour: red}", "[]"])
def test_bad_task_files_are_one_line(tmp_path, text):
    path = tmp_path / "tasks.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        tasks.read_task_file(path)
    assert "\n" not in str(caught.value)


def test_unknown_and_repeated_tasks_are_refused():
    with pytest.raises(UserError, match="known tasks: age, gender, smile"):
        tasks.select_tasks(["emotion"])
    with pytest.raises(UserError, match="twice"):
        tasks.select_tasks(["age", "age"])
