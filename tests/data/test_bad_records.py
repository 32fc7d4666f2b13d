"""Single records that nobody can read: each is left out with a short reason, and costs no other."""

import json
import os

import numpy as np
import pandas as pd
import PIL.Image
import pytest

from keras_mtl.data.faces.inventory import name_crops
from keras_mtl.data.sources import parse_sources
from keras_mtl.data.splits import load_split
from keras_mtl.data.tabular import DataFrameSource
from keras_mtl.errors import UserError
from keras_mtl.tasks import select_tasks

AGE = select_tasks(["age"])
ROWS = 30


@pytest.fixture
def folder(tmp_path):
    for i in range(ROWS):
        PIL.Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / f"{i}.png")
    return tmp_path


def load(source):
    (data,), bad = load_split([source], AGE, "train", image_size=8, cache="none", validation_fraction=0)
    return data, bad


def check(source, name, reason):
    """All but one record are read; the one has this name and this reason."""
    data, (bad,) = load(source)
    assert data.labels["age"].tolist() == list(range(ROWS)) and data.images[:, 0, 0, 0].tolist() == list(range(ROWS))
    assert name in bad.name and reason in bad.reason
    assert len(bad.name) <= 201 and len(bad.reason) <= 201 and (bad.name + bad.reason).isprintable()


@pytest.mark.parametrize(
    ("line", "name", "reason"),
    [
        (b"a\0.png,5", r"a\x00.png", "no file can have this name"),
        (b"0.png,5,,", "0.png", "more fields"),
        (b"0.png,caf\xe9", "0.png", "is not a number"),
        (b"caf\xe9.png,5", r"caf\xe9.png", "file is missing"),
        (b'"0.png"x,5', "(line 12)", "line 12 is not a CSV"),
        (b"0.png," + b"9" * 200_000, "(line 12)", "line 12 is not a CSV: field larger than"),
        (b"0.png," + b"9" * 1000, "0.png", "is not a number from 0 to 120"),
        (b"n" * 300 + b".png,5", "nnn", "File name too long"),
        (b".,5", ".", "Is a directory"),
        (b"pipe.png,5", "pipe.png", "Not a regular file"),
        (b"/dev/zero,5", "/dev/zero", "Not a regular file"),
        (b"../../../../gone.png,5", "../gone.png", "file is missing"),
    ],
)
def test_of_a_csv(line, name, reason, folder):
    os.mkfifo(folder / "pipe.png")
    lines = [f"{i}.png,{i}".encode() for i in range(ROWS)]
    (folder / "a.csv").write_bytes(b"\n".join([b"image,age", *lines[:10], line, *lines[10:]]))
    check(parse_sources([f"age=csv:{folder}/a.csv"], AGE)[0], name, reason)


@pytest.mark.parametrize(
    ("line", "name", "reason"),
    [
        (b'{"image": "0.png", "age": 1' + b"0" * 400 + b"}", "0.png", ""),
        (b'{"image": "0.png", "age": 1' + b"0" * 5000 + b"}", "(line 11)", "is not a JSON object"),
        (b'{"image": "0.png", "age": Infinity}', "0.png", "is not a number from 0 to 120"),
        (b'{"image": "0.png", "age": NaN}', "0.png", "no label for age"),
        (b'{"image": "0.png", "age": [3, [4]]}', "0.png", "is not a number from 0 to 120"),
        (b'{"image": "\\ud800.png", "age": 3}', r"\ud800.png", "no file can have this name"),
        (b'{"image": "0.png", "age": 3, "group": "\\ud800"}', "0.png", "not in UTF-8"),
        (b'{"image": "0.png", "age": 3, "identity": "caf\xe9"}', "0.png", "not in UTF-8"),
        (b'{"image": "0.png", "age": 3, "age": 4}', "(line 11)", "line 11 names 'age' twice"),
        (b'{"image": {"path": "0.png"}, "age": 3}', "(line 11)", "'image' holds dict"),
        (b'{"image": "", "age": 3}', "(line 11)", "no image is named"),
        (b"[" * 100_000, "(line 11)", "is not a JSON object"),
    ],
)
def test_of_json_lines(line, name, reason, folder):
    lines = [json.dumps({"image": f"{i}.png", "age": i}).encode() for i in range(ROWS)]
    (folder / "a.jsonl").write_bytes(b"\n".join([*lines[:10], line, *lines[10:]]))
    check(parse_sources([f"age=jsonl:{folder}/a.jsonl"], AGE)[0], name, reason)


def test_of_a_data_frame(folder):
    frame = pd.DataFrame({"image": [*(f"{i}.png" for i in range(ROWS)), b"bytes"], "age": [*range(ROWS), 3]})
    check(DataFrameSource("mine", AGE, frame, base=folder), "(line 31)", "'image' holds bytes")


def test_a_quotation_mark_that_stays_open_is_no_single_record(folder):
    lines = [f"{i}.png,{i}" for i in range(ROWS)]
    (folder / "a.csv").write_text("\n".join(["image,age", *lines[:10], '"10.png,10', *lines[11:]]))
    with pytest.raises(UserError, match="a.csv, lines 12 to 31: not a CSV"):
        load(parse_sources([f"age=csv:{folder}/a.csv"], AGE)[0])


def test_images_inside_a_parquet_file_as_hugging_face_keeps_them(folder):
    import pyarrow as pa
    import pyarrow.parquet as pq

    images = [{"bytes": (folder / f"{i}.png").read_bytes(), "path": f"{i // 2}.png"} for i in range(ROWS)]
    images[7]["path"] = None
    images[9]["bytes"] = None
    columns = {"image": images, "age": list(range(ROWS)), "split": ["train"] * 20 + ["test"] * 10}
    pq.write_table(pa.table(columns), folder / "a.parquet", row_group_size=8)
    for i in range(ROWS):
        (folder / f"{i}.png").unlink()
    (source,) = parse_sources([f"age=parquet:{folder}/a.parquet"], AGE)
    options = {"image_size": 8, "cache": "none", "validation_fraction": 0, "max_bad_share": 0.1}
    (data,), (bad,) = load_split([source], AGE, "train", **options)
    kept = [i for i in range(20) if i != 9]
    assert data.labels["age"].tolist() == kept and data.images[:, 0, 0, 0].tolist() == kept
    assert data.keys[:3] == ["train/0.png", "train/0.png#0000001", "train/1.png"] and data.keys[7] == "train/0000007"
    assert bad.name == "train/4.png#0000009" and "not a readable image" in bad.reason
    (test,), _ = load_split([source], AGE, "test", **options)
    np.testing.assert_array_equal(test.images[:, 0, 0, 0], range(20, 30))
    assert source.fingerprint(data.keys, 8) != source.fingerprint(data.keys[1:], 8)


def test_crops_of_photos_with_long_names_have_names_that_can_be_written():
    crops = name_crops([f"{letter}{'ж' * 120}.png" for letter in "ab"] + [os.fsdecode(b"\xe6" * 200)])
    assert len(set(crops.values())) == 3 and all(len(crop.encode()) < 230 for crop in crops.values())
