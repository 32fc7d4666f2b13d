"""Tables other than CSV, columns by other names, image names by template, and folders of classes."""

import json

import numpy as np
import pandas as pd
import PIL.Image
import pytest

from keras_mtl.data.sources import parse_sources
from keras_mtl.data.splits import load_split
from keras_mtl.data.tabular import DataFrameSource
from keras_mtl.errors import UserError
from keras_mtl.tasks import select_tasks

TASKS = select_tasks(["age", "smile"])
FRAME = pd.DataFrame(
    {
        "image": ["a.jpg", "b.jpg", "c.jpg", "d.jpg"],
        "age": [20.0, None, 31.5, 44.0],
        "smile": ["smiling", "not smiling", None, "1"],
        "split": ["train", "train", "test", "test"],
        "identity": ["p1", None, "p2", "p2"],
        "group": ["north", "south", None, "north"],
    }
)


def write(kind, folder):
    path = folder / f"faces.{kind}"
    if kind == "csv":
        FRAME.to_csv(path, index=False)
    elif kind == "parquet":
        FRAME.to_parquet(path, index=False)
    else:
        rows = ({k: v for k, v in row.items() if v == v and v is not None} for row in FRAME.to_dict("records"))
        path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    return path


def source(entry):
    return parse_sources([f"age+smile={entry}"], TASKS)[0]


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl", "frame"])
def test_every_kind_of_table_gives_the_same_records(kind, tmp_path):
    found = (
        DataFrameSource("mine", TASKS, FRAME, base=tmp_path)
        if kind == "frame"
        else source(f"{kind}:{write(kind, tmp_path)}")
    )
    assert found.splits() == ("train", "test")
    train, test = found.records("train"), found.records("test")
    assert (train.images, test.images) == (["a.jpg", "b.jpg"], ["c.jpg", "d.jpg"])
    np.testing.assert_array_equal(train.labels["age"], np.array([20, np.nan], np.float32))
    np.testing.assert_array_equal(test.labels["age"], np.array([31.5, 44], np.float32))
    np.testing.assert_array_equal(test.labels["smile"], np.array([np.nan, 1], np.float32))
    assert (train.identities, test.identities) == (["p1", None], ["p2", "p2"])
    assert (train.groups, test.groups) == ({"group": ["north", "south"]}, {"group": [None, "north"]})


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl", "frame"])
def test_rows_of_one_image_keep_their_own_identity_and_group(kind, tmp_path):
    rows = [
        ("1.jpg", 20.0, "P", "A"),
        ("1.jpg", 40.0, None, "B"),
        ("2.jpg", 21.0, None, "A"),
        ("1.jpg", 41.0, "Q", None),
    ]
    frame = pd.DataFrame(rows, columns=["image", "age", "identity", "group"])
    tasks = select_tasks(["age"])
    if kind == "csv":
        frame.to_csv(tmp_path / "a.csv", index=False)
    elif kind == "parquet":
        frame.to_parquet(tmp_path / "a.parquet", index=False)
    elif kind == "jsonl":
        frame.to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    found = (
        DataFrameSource("mine", tasks, frame)
        if kind == "frame"
        else parse_sources([f"age={kind}:{tmp_path}/a.{kind}"], tasks)[0]
    )
    records = found.records("train")
    told = zip(records.images, records.labels["age"].tolist(), records.identities, records.groups["group"], strict=True)
    assert list(told) == rows


def test_columns_and_image_names_are_taken_by_options(tmp_path):
    (tmp_path / "t.csv").write_text(
        "url,user,years,happy,camera\nhttps://x.org/p/one%20face.jpg?w=9,u1,30,1,A\nhttps://x.org/two.png,u2,,0,B\n"
        ",u3,20,0,A\n"
    )
    found = source(f"csv:{tmp_path}/t.csv?image=photos/{{user}}/{{url.name}}&age=years&smile=happy&group=camera")
    records = found.records("train")
    assert records.images == ["photos/u1/one face.jpg", "photos/u2/two.png"]
    assert records.groups == {"camera": ["A", "B"]}
    assert [bad.reason for bad in records.bad] == ["no image is named: its column 'url' is empty"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("csv:{}/t.csv?age=years", "no column 'years'; its columns are: image, age, smile"),
        ("csv:{}/t.csv?years=age", "Unknown option 'years'"),
        ("csv:{}/t.csv?age", "NAME=COLUMN"),
        ("csv:{}/t.csv?image=p/{{id", "a template such as"),
        ("parquet:{}/t.csv", "is not a parquet file"),
        ("jsonl:{}/empty.jsonl", "has no JSON object"),
        ("parquet:{}/none.parquet", "no file"),
    ],
)
def test_wrong_tables_and_options_get_one_clear_line(entry, message, tmp_path):
    (tmp_path / "t.csv").write_text("image,age,smile\na.jpg,1,1\n")
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(UserError, match=message):
        source(entry.format(tmp_path))


def test_a_line_that_is_no_object_is_quarantined(tmp_path):
    path = write("jsonl", tmp_path)
    path.write_text(path.read_text() + "[1, 2]\n")
    found = source(f"jsonl:{path}")
    assert [bad.reason for split in found.splits() for bad in found.records(split).bad] == [
        "line 5 is not a JSON object"
    ]


def test_an_address_is_not_taken_for_a_file(tmp_path):
    (tmp_path / "t.csv").write_text("image,age,smile\nhttps://x.org/a.jpg,1,1\n")
    (bad,) = source(f"csv:{tmp_path}/t.csv").records("train").bad
    assert "is an address, not a file" in bad.reason


def test_a_folder_for_each_class(tmp_path):
    for split in ("train", "test"):
        for label in ("smiling", "not smiling"):
            (tmp_path / split / label / "more").mkdir(parents=True)
            PIL.Image.new("RGB", (20, 20), "red").save(tmp_path / split / label / "more" / "1.png")
    (tmp_path / "train" / "notes.txt").write_text("not a picture")
    tasks = select_tasks(["smile"])
    (found,) = parse_sources([f"smile=classes:{tmp_path}/{{split}}"], tasks)
    data, bad = load_split([found], tasks, "test", image_size=16, cache="none")
    found_labels = {key.split("/")[-3]: label for key, label in zip(data[0].keys, data[0].labels["smile"], strict=True)}
    assert found_labels == {"not smiling": 0.0, "smiling": 1.0}
    assert [one.reason for one in found.records("train").bad] == ["lies in no class's folder"]
    with pytest.raises(UserError, match="Where they are splits"):
        parse_sources([f"smile=classes:{tmp_path}"], tasks)
