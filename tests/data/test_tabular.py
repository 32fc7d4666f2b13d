"""CSV sources: splits, missing labels, several tasks, and files that can't be used."""

import math

import pytest

from keras_mtl import tasks
from keras_mtl.data.tabular import CsvSource

TWO = tasks.select_tasks(["age", "smile"])


def open_csv(path, wanted=TWO, **options):
    return CsvSource("people", wanted, str(path), **options)


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_partial_labels_of_several_tasks(tmp_path):
    text = "image,smile,name,age\na.jpg,1,x,30\nb.jpg,,y,41.5\nc.jpg,smiling,z,NA\nd.jpg,not smiling,,nan\n"
    records = open_csv(write(tmp_path / "p.csv", text)).records("train")
    assert records.images == ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    assert records.bad == []
    assert [None if math.isnan(v) else v for v in records.labels["age"].tolist()] == [30, 41.5, None, None]
    assert [None if math.isnan(v) else v for v in records.labels["smile"].tolist()] == [1, None, 1, 0]
    assert {values.dtype.name for values in records.labels.values()} == {"float32"}


def test_bad_records_are_named_with_the_reason_and_the_rest_stays(tmp_path):
    text = (
        "image,age,smile\nok.jpg,30,1\nold.jpg,300,1\nword.jpg,young,\n,20,0\nnone.jpg,,\nmore.jpg,1,1,9\nshort.jpg,5\n"
    )
    records = open_csv(write(tmp_path / "p.csv", text)).records("train")
    assert records.images == ["ok.jpg", "short.jpg"]
    found = [(bad.image, bad.reason, bad.unlabelled) for bad in records.bad]
    assert found == [
        ("old.jpg", "age label '300' is not a number from 0 to 120", False),
        ("word.jpg", "age label 'young' is not a number from 0 to 120", False),
        ("(line 5)", "no image is named", False),
        ("none.jpg", "no label for age or smile", True),
        ("more.jpg", "line 7 has more fields than the first line", False),
    ]
    assert {(bad.source, bad.split) for bad in records.bad} == {("people", "train")}


def test_one_file_for_each_split_that_is_there(tmp_path):
    for split in ("test", "train"):
        write(tmp_path / f"p_{split}.csv", f"image,age,smile\n{split}.jpg,1,1\n")
    source = open_csv(tmp_path / "p_{split}.csv")
    assert source.splits() == ("train", "test")
    assert source.records("test").images == ["test.jpg"]


def test_a_column_split(tmp_path):
    text = "image,age,smile,split\na,1,1,test\nb,2,0,train\nc,3,1,test\n"
    source = open_csv(write(tmp_path / "p.csv", text))
    assert source.splits() == ("train", "test")
    assert [source.records(split).images for split in source.splits()] == [["b"], ["a", "c"]]


def test_without_either_all_is_train(tmp_path):
    assert open_csv(write(tmp_path / "p.csv", "image,age,smile\na,1,1\n")).splits() == ("train",)


def test_images_are_relative_to_the_base_where_given_else_to_the_csv(tmp_path):
    (tmp_path / "lists").mkdir()
    write(tmp_path / "lists" / "p.csv", "image,age,smile\na,1,1\n")
    assert open_csv(tmp_path / "lists" / "p.csv").root == tmp_path / "lists"
    assert open_csv("lists/p.csv", base=tmp_path).root == tmp_path


def test_identities_are_read_where_the_column_is(tmp_path):
    text = "image,age,smile,identity\na,1,1, ann \nb,2,0,\nc,old,1,bob\nd,3,1,ann\n"
    records = open_csv(write(tmp_path / "p.csv", text)).records("train")
    assert records.images == ["a", "b", "d"] and records.identities == ["ann", None, "ann"]
    assert open_csv(write(tmp_path / "q.csv", "image,age,smile\na,1,1\n")).records("train").identities is None


def test_identities_of_train_count_where_other_files_have_none(tmp_path):
    write(tmp_path / "p_train.csv", "image,age,smile,identity\na,1,1,ann\n")
    write(tmp_path / "p_test.csv", "image,age,smile\nb,1,1\n")
    source = open_csv(tmp_path / "p_{split}.csv")
    assert source.records("train").identities == ["ann"] and source.records("test").identities is None


def test_a_task_called_identity_is_no_identity(tmp_path):
    task = tasks.Task("identity", "multiclass", classes=("ann", "bob"))
    source = open_csv(write(tmp_path / "p.csv", "image,identity\na,ann\n"), {"identity": task})
    assert source.records("train").identities is None


def test_quoted_names_and_a_byte_order_mark(tmp_path):
    path = tmp_path / "p.csv"
    path.write_bytes(b'\xef\xbb\xbfimage,age,smile\r\n"a, b.jpg",1,1\r\n')
    assert open_csv(path).records("train").images == ["a, b.jpg"]


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "is empty, expected a line of column names: image, age, smile"),
        (b"\n", "is empty"),
        (b"file,age,smile\n", "has no column 'image'; its columns are: file, age, smile"),
        (b"image,age\n", "has no column 'smile'; its columns are: image, age"),
        (b"image,age,age,smile\n", "has more than one column 'age'"),
        (b"image,age,smile,split\na,1,1,dev\n", "line 2: split must be train, validation, test. Received: 'dev'"),
        (b"image,age,smile,caf\xe9\na,1,1,\n", "is not a CSV in UTF-8"),
        (b'image,age,smile\na,1,1\n"b,1,1\nc,1,1\n', "lines 3 to 4: not a CSV .*; is a quotation mark opened"),
        (b"\x00\xff\x00", "is not a CSV in UTF-8"),
    ],
)
def test_unusable_files_get_one_clear_line(content, words, tmp_path):
    path = tmp_path / "p.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=words) as caught:
        open_csv(path).records("train")
    assert "p.csv" in str(caught.value) and "\n" not in str(caught.value)


def test_a_folder_is_no_csv(tmp_path):
    with pytest.raises(ValueError, match="can't be read: Is a directory"):
        open_csv(tmp_path)


@pytest.mark.parametrize("inside, root", [(True, ""), (False, "elsewhere")])
def test_images_are_relative_to_the_data_folder_only_for_a_csv_in_it(tmp_path, inside, root):
    for folder in ("data/tables", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "people.csv").write_text("image,age\na.png,30\n")
    table = tmp_path / ("data/tables" if inside else "elsewhere") / "people.csv"
    source = CsvSource("csv_age", tasks.select_tasks(["age"]), str(table), base=tmp_path / "data")
    assert source.root == (tmp_path / "data" if inside else tmp_path / root)
