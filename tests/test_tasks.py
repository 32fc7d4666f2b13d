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
        (dict(name="lächelt", kind="binary", classes=("x", "y")), "TensorFlow takes no others"),
        (dict(name="5", kind="binary", classes=("x", "y")), "with a letter in it"),
        (dict(name="a" * 101, kind="binary", classes=("x", "y")), "at most"),
        (dict(name="a", kind="binary", classes="xy"), "classes must be a list of names"),
        (dict(name="a", kind="binary", classes={0: "x", 1: "y"}), "classes must be a list of names"),
        (dict(name="a", kind="binary", classes=(False, True)), "write it in quotes"),
        (dict(name="a", kind="regression", low=0, high=math.inf), "high must be a finite number"),
        (dict(name="a", kind="regression", low="0", high=1), "low must be a finite number"),
        (dict(name="a", kind="regression", low=0, high=1, classes=("x", "y")), "left out of a regression"),
        (dict(name="a", kind="regression", low=0, high=1, options=("sigma",)), "options must be a mapping"),
        (dict(name="a", kind="regression", low=0, high=1, options={"sigma": "3"}), "options must be a mapping"),
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


@pytest.mark.parametrize(
    "written, names",
    [
        ("[no, yes]", ("no", "yes")),
        ("[off, on]", ("off", "on")),
        ("[left, right, null]", ("left", "right", "null")),
        ("[01, 02, 010]", ("01", "02", "010")),
        ("[1.0, 1.10]", ("1.0", "1.10")),
    ],
)
def test_classes_in_a_task_file_are_named_as_they_are_written(tmp_path, written, names):
    path = tmp_path / "tasks.yaml"
    path.write_text(f"- {{name: t, kind: multiclass, classes: {written}}}")
    declared = tasks.read_task_file(path)["t"]
    assert declared.classes == names
    assert [declared.parse(name) for name in names] == list(range(len(names)))


def test_numbers_in_a_task_file_are_numbers_in_quotes_or_not(tmp_path):
    path = tmp_path / "tasks.yaml"
    path.write_text("- {name: t, kind: regression, low: '0', high: 12e1, head: dldl, options: {sigma: 3}}")
    assert tasks.read_task_file(path)["t"] == Task(
        "t", "regression", low=0, high=120, head="dldl", options={"sigma": 3}
    )
    path.write_text(
        "- &one {name: t, kind: regression, low: 0, high: 1}\n- {<<: *one, name: u}\n",
    )
    assert tasks.read_task_file(path)["u"] == Task("u", "regression", low=0, high=1)


@pytest.mark.parametrize(
    "suffix, text, field",
    [
        (".yaml", "- {name: t, kind: binary, classes: {0: male, 1: female}}", "classes"),
        (".yaml", "- {name: t, kind: multiclass, classes: abc}", "classes"),
        (".yaml", "- {name: t, kind: multiclass, classes: 5}", "classes"),
        (".yaml", "- {name: t, kind: multiclass, classes: [a, [b]]}", "classes"),
        (".yaml", "- {name: t, kind: regression, low: 0, high: .inf}", "high"),
        (".yaml", "- {name: t, kind: regression, low: 1_0, high: 20}", "low"),
        (".yaml", "- {name: t, kind: regression, low: , high: 20}", "low"),
        (".yaml", "- {name: t, kind: regression, low: 0, high: 10, options: [sigma]}", "options"),
        (".yaml", "- {name: t, kind: regression, low: 0, high: 10, options: {sigma: x}}", "options sigma"),
        (".yaml", "- {name: 5, kind: binary, classes: [a, b]}", "name"),
        (".yaml", "- {name: t, kind: [binary], classes: [a, b]}", "kind"),
        (".yaml", "- {name: t, kind: binary, classes: [a, b], head: [x]}", "head"),
        (".yaml", "- &a {name: t, kind: binary, classes: [a, b]}\n- *a", "declared twice"),
        (".json", '{"name": 5, "kind": "binary", "classes": ["a", "b"]}', "name"),
        (".json", '{"name": "t", "kind": "binary", "classes": [false, true]}', "classes"),
        (".json", '{"name": "t", "kind": "regression", "low": 0, "high": Infinity}', "high"),
        (".json", '{"name": "t", "kind": "regression", "low": 0, "high": true}', "high"),
        (".json", '{"name": null, "kind": "binary"}', "name"),
        (".json", "{", "JSON"),
        (".yaml", "- {name: männlich}".encode("latin-1"), "UTF-8"),
        (".yaml", "- {name: männlich}".encode("utf-16"), "UTF-8"),
    ],
)
def test_a_wrong_task_file_is_one_line_that_names_file_and_field(tmp_path, suffix, text, field):
    path = tmp_path / f"tasks{suffix}"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=f"Task file {path}.*{field}") as caught:
        tasks.read_task_file(path)
    assert "\n" not in str(caught.value)


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
