"""Sources that are folders in their own layout: UTKFace, SMILEs, GENKI-4K."""

import pytest

from keras_mtl import tasks
from keras_mtl.data.builders.lists import image_files
from keras_mtl.data.faces.inventory import PhotoFolder
from keras_mtl.data.genki4k import Genki4k
from keras_mtl.data.smiles import Smiles
from keras_mtl.data.utkface import UtkFace, decade, groups_of, parse_name
from keras_mtl.tasks import Task

SMILE = tasks.select_tasks(["smile"])


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_utkface_names_are_labels(tmp_path):
    touch(tmp_path / "faces", "1_1_0_20170116.jpg.chip.jpg", "100_0_4_20170112215240346.jpg", "part2/7_1_2_2017.JPG")
    source = UtkFace("faces", tasks.select_tasks(["gender", "age"]), "faces", base=tmp_path)
    records = source.records("train")
    assert records.images == [
        "faces/100_0_4_20170112215240346.jpg",
        "faces/1_1_0_20170116.jpg.chip.jpg",
        "faces/part2/7_1_2_2017.JPG",
    ]
    assert records.labels["age"].tolist() == [100, 1, 7]
    assert records.labels["gender"].tolist() == [0, 1, 1]
    assert source.splits() == ("train",) and records.bad == []
    assert records.groups == {
        "race": ["other", "White", "Asian"],
        "gender": ["male", "female", "female"],
        "age group": ["80+", "0–9", "0–9"],
    }


def test_names_that_say_nothing_give_no_groups():
    assert groups_of(["a.jpg", "39_1_9_2017.jpg", "39_1_2017.jpg"]) == groups_of([]) == {}


@pytest.mark.parametrize(("age", "expected"), [(0, "0–9"), (9, "0–9"), (10, "10–19"), (79, "70–79"), (116, "80+")])
def test_decades(age, expected):
    assert decade(age) == expected


@pytest.mark.parametrize("kind", ["a folder of its own", "photos", "a builder's"])
def test_hidden_files_and_folders_are_passed_over(kind, tmp_path):
    touch(tmp_path, "b/1_1_0_2017.jpg", "2_1_0_2017.jpg", "._2_1_0_2017.jpg", ".trash/3_1_0_2017.jpg")
    if kind == "photos":
        found = PhotoFolder("photos", str(tmp_path)).records("train").images
    elif kind == "a builder's":
        found = [name for name, _ in image_files(tmp_path, "")]
    else:
        found = UtkFace("faces", tasks.select_tasks(["age"]), "", base=tmp_path).records("train").images
    assert found == ["2_1_0_2017.jpg", "b/1_1_0_2017.jpg"]


@pytest.mark.parametrize(
    "name, reason",
    [
        ("39_1_20170116174525125.jpg.chip.jpg", "3 parts, expected 4: age_gender_race_date"),
        ("39_1_0_0_2017.jpg", "5 parts"),
        ("x_1_0_2017.jpg", "'x' is no age"),
        ("-5_1_0_2017.jpg", "'-5' is no age"),
        ("39__0_2017.jpg", "'' is no gender"),
        ("39_2_0_2017.jpg", "'2' is no gender"),
        ("39_1_7_2017.jpg", "'7' is no race"),
        ("39_1_0_now.jpg", "'now' is no date"),
        ("labels.txt", "not .jpg, .png or .jpg.chip.jpg"),
    ],
)
def test_malformed_utkface_names_are_quarantined_with_the_reason(name, reason, tmp_path):
    touch(tmp_path, name, "39_1_0_2017.jpg")
    records = UtkFace("faces", tasks.select_tasks(["age"]), str(tmp_path)).records("train")
    assert len(records.images) == 1
    (bad,) = records.bad
    assert bad.image.endswith(name) and bad.reason.startswith("malformed name: ") and reason in bad.reason
    with pytest.raises(ValueError, match="malformed"):
        parse_name(name)


def test_an_utkface_age_out_of_range_is_a_bad_label(tmp_path):
    touch(tmp_path, "121_1_0_2017.jpg", "20_1_0_2017.jpg")
    records = UtkFace("faces", tasks.select_tasks(["age"]), str(tmp_path)).records("train")
    assert [bad.reason for bad in records.bad] == ["age label '121' is not a number from 0 to 120"]


def test_labels_go_by_the_name_of_the_class_and_not_its_number(tmp_path):
    touch(tmp_path, "20_1_0_2017.jpg")
    turned = {"gender": Task("gender", "binary", classes=("female", "male"))}
    assert UtkFace("faces", turned, str(tmp_path)).records("train").labels["gender"].tolist() == [0]


def test_a_folder_for_each_split(tmp_path):
    touch(tmp_path, "train/20_1_0_2017.jpg", "test/21_1_0_2017.jpg", "test/22_1_0_2017.jpg")
    source = UtkFace("faces", tasks.select_tasks(["age"]), "{split}", base=tmp_path)
    assert source.splits() == ("train", "test")
    assert source.records("test").images == ["test/21_1_0_2017.jpg", "test/22_1_0_2017.jpg"]


def test_smiles_folders_at_any_depth_and_no_hidden_files(tmp_path):
    touch(
        tmp_path, "positives/positives7/1.jpg", "positives/2.jpg", "negatives/negatives7/3.jpg", "negatives/.DS_Store"
    )
    records = Smiles("smiles", SMILE, ".", base=tmp_path).records("train")
    assert dict(zip(records.images, records.labels["smile"].tolist(), strict=True)) == {
        "negatives/negatives7/3.jpg": 0,
        "positives/2.jpg": 1,
        "positives/positives7/1.jpg": 1,
    }


def test_genki_lines_belong_to_numbered_files(tmp_path):
    touch(tmp_path, "files/file0001.jpg", "files/file0002.jpg", "files/file0003.jpg", "files/file0009.jpg")
    (tmp_path / "labels.txt").write_text("1 0.1 -0.2 0\n0 0 0 0\n2 0 0 0\n1 0 0\n")
    records = Genki4k("genki", SMILE, ".", base=tmp_path).records("train")
    assert records.images == ["files/file0001.jpg", "files/file0002.jpg"]
    assert records.labels["smile"].tolist() == [1, 0]
    assert [(bad.image, bad.reason.split(",")[0]) for bad in records.bad] == [
        ("files/file0003.jpg", "line 3 of labels.txt is '2 0 0 0'"),
        ("files/file0004.jpg", "line 4 of labels.txt is '1 0 0'"),
        ("files/file0009.jpg", "labels.txt has no line for it"),
    ]
