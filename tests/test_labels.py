"""How labels and numbers are read: one rule for every kind of table, flag and file."""

import decimal
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_mtl import values
from keras_mtl.data.sources import parse_sources
from keras_mtl.data.tabular import DataFrameSource
from keras_mtl.errors import UserError
from keras_mtl.tasks import BUILT_IN, Task

STARS = Task("stars", "ordinal", classes=("1", "2", "3", "4", "5"))


def task(*classes):
    return Task("t", "binary" if len(classes) == 2 else "multiclass", classes=classes)


@pytest.mark.parametrize(
    "label",
    ["2", " 2 ", "2.0", "02", "2e0", 2, 2.0, np.float32(2), np.int64(2), np.array(2), decimal.Decimal("2.0"), b"2"],
)
def test_a_number_is_the_class_of_that_name_however_it_is_written(label):
    assert STARS.parse(label) == 1
    assert Task("t", "multiclass", classes=("0", "1", "2")).parse(label) == 2
    assert BUILT_IN["age"].parse(label) == 2


@pytest.mark.parametrize("label", ["0", 0, 6, "6.0", 1.5, "1_0", "３", "one", True, "true", float("inf"), [1], {}])
def test_what_names_no_class_is_refused_and_never_an_index(label):
    with pytest.raises(UserError, match="stars label .* is not one of 1, 2, 3, 4, 5$"):
        STARS.parse(label)


def test_an_index_counts_where_no_class_is_a_number():
    assert [task("low", "mid", "high").parse(label) for label in ("mid", 2, "1.0", 0.0)] == [1, 2, 1, 0]
    with pytest.raises(UserError, match="or an index from 0 to 2"):
        task("low", "mid", "high").parse(3)
    with pytest.raises(UserError, match="is not one of 1, many, 0$"):
        task("1", "many", "0").parse(2)


@pytest.mark.parametrize(
    "classes, label, found",
    [
        (("no", "yes"), True, 1),
        (("yes", "no"), True, 0),
        (("yes", "no"), "False", 1),
        (("1", "0"), True, 0),
        (("0", "1"), np.bool_(False), 0),
        (("absent", "present"), True, 1),
        (("absent", "present"), "FALSE", 0),
        (("False", "True"), True, 1),
        (("unknown", "false", "true"), False, 1),
    ],
)
def test_true_and_false_are_the_classes_that_say_so(classes, label, found):
    assert task(*classes).parse(label) == found


@pytest.mark.parametrize(
    "classes, label",
    [(("1", "01"), 1.0), (("1", "1.0", "2"), "1.00"), (("yes", "no"), 1), (("yes", "no"), "0"), (("a", "no"), 0)],
)
def test_a_label_that_could_be_read_in_two_ways_is_refused(classes, label):
    with pytest.raises(UserError, match="could mean class .* or .*: write the class's name"):
        task(*classes).parse(label)


def test_a_name_wins_over_all_other_readings():
    assert task("1", "01").parse("01") == 1 and task("1", "01").parse(1) == 0
    assert task("left", "right", "null").parse("null") == 2 and task("NA", "EU").parse("NA") == 0
    assert task("1.0", "1.10").parse("1.10") == 1 and task("1.0", "1.10").parse(np.float32(1.1)) == 1


@pytest.mark.parametrize(
    "label",
    [None, "", " ", "nan", "NULL", "n/a", float("nan"), np.float32("nan"), pd.NA, pd.NaT, decimal.Decimal("NaN")],
)
def test_missing_labels_are_missing_in_every_form(label):
    for one in (STARS, BUILT_IN["age"], BUILT_IN["smile"]):
        assert np.isnan(one.parse(label))


@pytest.mark.parametrize(
    "label", ["3_9", "0_2", "1_0", "infinity", "inf", "1e999", "４０", "0x10", "1,5", True, "true"]
)
def test_what_only_python_takes_for_a_number_is_no_age(label):
    with pytest.raises(UserError, match="is not a number from 0 to 120"):
        BUILT_IN["age"].parse(label)


@given(st.sampled_from([1.0, 2.0, 4.0, 5.0, None]) | st.sampled_from(["3", "3.0"]))
def test_any_spelling_of_a_number_is_the_same_class_as_the_number(label):
    found = STARS.parse(label)
    assert np.isnan(found) if label is None else STARS.classes[int(found)] == str(int(float(label)))


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "frame", "nullable"])
def test_every_kind_of_table_gives_the_same_classes(kind, tmp_path):
    tasks = {
        "stars": STARS,
        "seen": Task("seen", "binary", classes=("no", "yes")),
        "version": Task("version", "multiclass", classes=("1.0", "1.1")),
    }
    frame = pd.DataFrame(
        {
            "image": ["a.jpg", "b.jpg", "c.jpg"],
            "stars": [1, None, 5],
            "seen": [True, False, True],
            "version": np.array([1.1, 1.0, 1.1], np.float32),
        }
    )
    path = tmp_path / f"t.{kind}"
    if kind == "csv":
        frame.to_csv(path, index=False)
    elif kind == "parquet":
        frame.to_parquet(path, index=False)
    elif kind == "jsonl":
        frame.astype({"version": float}).round(1).to_json(path, orient="records", lines=True)
    if path.exists():
        (source,) = parse_sources([f"stars+seen+version={kind}:{path}"], tasks)
    else:
        source = DataFrameSource("mine", tasks, frame.convert_dtypes() if kind == "nullable" else frame, base=tmp_path)
    records = source.records("train")
    assert not records.bad
    np.testing.assert_array_equal(records.labels["stars"], [0, np.nan, 4])
    np.testing.assert_array_equal(records.labels["seen"], [1, 0, 1])
    np.testing.assert_array_equal(records.labels["version"], [1, 0, 1])


def test_folders_of_numbers_are_the_classes_of_those_names(tmp_path):
    for name in ("1", "2", "05"):
        (tmp_path / "faces" / name).mkdir(parents=True)
        (tmp_path / "faces" / name / "a.jpg").write_bytes(b"x")
    (source,) = parse_sources([f"stars=classes:{tmp_path}/faces"], {"stars": STARS})
    assert sorted(source.records("train").labels["stars"].tolist()) == [0, 1, 4]
    (tmp_path / "ages" / "3_9").mkdir(parents=True)
    (tmp_path / "ages" / "nan").mkdir()
    with pytest.raises(UserError, match="no folder in .* is named after"):
        parse_sources([f"age=classes:{tmp_path}/ages"], {"age": BUILT_IN["age"]})


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**30), 10**30))
def test_a_number_that_is_written_by_python_or_json_is_read(number):
    assert values.read_number(repr(number)) == float(number)
    assert values.read_number(json.dumps(number)) == float(number)


@given(st.text("0123456789_+-.eE infa０x", max_size=6))
def test_the_grammar_of_numbers_is_narrower_than_pythons(text):
    try:
        found = values.read_number(text)
    except ValueError:
        return
    assert found == float(text) and not set(text) & set("_０ianfx")
