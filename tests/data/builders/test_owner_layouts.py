"""Data sets in their owners' layouts, through `--sources=TASK=NAME` and as TFDS itself tests a builder."""

import logging
import math
import os

import numpy as np
import pytest
from data.builders.layouts import LAYOUTS, lines, picture
from PIL import Image

from keras_mtl.data.builders.catalogue import CATALOGUE
from keras_mtl.data.sources import parse_sources
from keras_mtl.data.splits import load_split
from keras_mtl.errors import UserError
from keras_mtl.tasks import BUILT_IN, select_tasks


@pytest.fixture
def manual(tmp_path, monkeypatch):
    """A folder for the owners' files; what is prepared from them goes elsewhere below `tmp_path`."""
    monkeypatch.setenv("KERAS_MTL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "manual"


def source_of(name, tasks, manual):
    return parse_sources([f"{'+'.join(tasks)}={name}"], select_tasks(tasks), manual)[0]


@pytest.mark.parametrize("malformed", [False, True], ids=["clean", "malformed"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_labels_pixels_and_what_is_bad(name, malformed, manual):
    layout = LAYOUTS[name]
    layout.write(manual, malformed)
    before = {path: path.stat().st_mtime_ns for path in manual.rglob("*")}
    source = source_of(name, layout.tasks, manual)
    assert source.splits() == tuple(layout.labels)
    for split, expected in layout.labels.items():
        bad_ones = layout.bad.get(split, []) if malformed else []
        expected = {image: labels for image, labels in expected.items() if image not in bad_ones}
        data, bad = load_split(
            [source], layout.tasks, split, image_size=8, validation_fraction=0, max_bad_share=1, cache="memory"
        )
        (data,) = data
        found = {
            image: tuple(None if math.isnan(value) else value for value in values)
            for image, *values in zip(data.keys, *(data.labels[task] for task in layout.tasks), strict=True)
        }
        assert found == expected
        assert sorted(one.image for one in bad if not one.unlabelled) == sorted(bad_ones)
        assert all(one.reason for one in bad)
        for image, pixels in zip(data.keys, data.images, strict=True):
            with Image.open(manual / image) as opened:
                # Two decoders of JPEG may round differently.
                np.testing.assert_allclose(pixels.astype(int), np.asarray(opened.convert("RGB"), int), atol=2)
    assert before == {path: path.stat().st_mtime_ns for path in manual.rglob("*")}, "the owner's files are as they were"


def test_identities_keep_a_person_on_one_side_of_a_cut(manual):
    people = [f"AgeDB/{number}_Person{number % 7}_{20 + number}_m.jpg" for number in range(40)]
    picture(manual, *people)
    tasks = select_tasks(["age"])
    source = source_of("agedb", tasks, manual)
    sides = {}
    for split in ("train", "validation"):
        (data,), _ = load_split([source], tasks, split, image_size=8, validation_fraction=0.4, cache="memory")
        sides[split] = {key.split("_")[1] for key in data.keys}
    assert sides["train"] and sides["validation"] and not sides["train"] & sides["validation"]
    assert sides["train"] | sides["validation"] == {f"Person{i}" for i in range(7)}


def test_adience_tests_on_each_fold_in_turn_and_is_prepared_once(manual, caplog):
    layout = LAYOUTS["adience"]
    layout.write(manual, False)
    entries = ["adience", *(f"adience_fold_{fold}" for fold in range(1, 5))]
    with caplog.at_level(logging.INFO, logger="keras_mtl"):
        sources = [source_of(entry, ("age_group", "gender"), manual) for entry in entries]
        tested = [
            {*records.images, *(bad.image for bad in records.bad)}
            for records in (source.records("test") for source in sources)
        ]
        trained = [
            {*records.images, *(bad.image for bad in records.bad)}
            for records in (source.records("train") for source in sources)
        ]
    assert [len(images) for images in tested] == list(layout.counts.values())
    everything = set.union(*tested)
    assert all(train == everything - test for train, test in zip(trained, tested, strict=True))
    assert sum("Preparing" in record.getMessage() for record in caplog.records) == 1


def test_what_a_killed_preparation_left_is_swept_by_the_next(manual):
    LAYOUTS["afad"].write(manual, False)
    source = source_of("afad", ("age",), manual)
    left = source.data_dir / ".writing-1"
    left.mkdir(parents=True)
    for name in (".lock", "half"):
        (left / name).touch()
    source.records("train")
    assert sorted(path.name for path in source.data_dir.iterdir()) == ["afad", "downloads"]
    assert [path.name for path in (source.data_dir / "afad").iterdir()] == ["1.0.0"]


@pytest.mark.parametrize("name", sorted({*LAYOUTS, "adience_fold_3"}))
def test_missing_files_are_told_with_where_to_get_them(name, manual):
    manual.mkdir()
    entry = CATALOGUE[name]
    with pytest.raises(UserError) as error:
        source_of(name, LAYOUTS[entry.file or name].tasks, manual)
    for part in (entry.homepage, str(manual), entry.instructions, *entry.needs):
        assert part in str(error.value)


@pytest.mark.parametrize("name", [name for name, entry in CATALOGUE.items() if not entry.builder])
def test_every_label_of_the_table_can_be_read(name):
    for task, label in CATALOGUE[name].labels.items():
        for text in (label.values or {}).values():
            assert text == "" or BUILT_IN[task].parse(text) >= 0
        if BUILT_IN[task].classes and label.values:
            assert {*label.values.values(), ""} == {*BUILT_IN[task].classes, ""}


@pytest.mark.parametrize(
    "rows, reason",
    [
        (["image;age", "train/1.jpg;3"], "no column file, age, gender, race in its first line 'image;age'"),
        ([], "no column file, age, gender, race in its first line ''"),
        (["file,age,gender,race", "x" * 200_000], "field larger than field limit"),
    ],
)
def test_another_list_in_the_owners_place_is_refused(rows, reason, manual):
    LAYOUTS["fairface"].write(manual, False)
    lines(manual / "FairFace/fairface_label_train.csv", *rows)
    with pytest.raises(UserError, match=f"fairface_label_train.csv is not the owner's list of labels: {reason}"):
        source_of("fairface", ["gender"], manual).records("train")


def test_a_list_that_is_not_utf8_is_refused(manual):
    LAYOUTS["appa_real"].write(manual, False)
    (manual / "appa-real-release/gt_avg_train.csv").write_bytes("file_name,apparent_age_avg".encode("utf-16"))
    with pytest.raises(UserError, match="gt_avg_train.csv is not the owner's list of labels: "):
        source_of("appa_real", ["age"], manual).records("train")


def test_one_data_set_a_task(manual):
    for name in ("chalearn_lap_age", "fotw"):
        LAYOUTS[name].write(manual, False)
    entries = ["age=chalearn_lap_age", "gender=fotw", "smile=fotw"]
    sources = parse_sources(entries, select_tasks(["age", "gender", "smile"]), manual)
    assert [len(source.records("train").images) for source in sources] == [2, 1, 2]


@pytest.mark.parametrize("content", [b"", b"not MATLAB", b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM" + bytes(600)])
def test_a_broken_matlab_file_is_refused(content, manual):
    LAYOUTS["cacd"].write(manual, False)
    (manual / "celebrity2000_meta.mat").write_bytes(content)
    with pytest.raises(UserError, match="celebrity2000_meta.mat holds no structure celebrityImageData"):
        source_of("cacd", ["age"], manual).records("train")


def test_names_that_are_not_utf8_are_kept_readable(manual):
    picture(manual, "AgeDB/0_MariaCallas_35_f.jpg")
    name = b"15853_St\x82phaneAudran_24_f.jpg"
    os.rename(manual / "AgeDB/0_MariaCallas_35_f.jpg", os.path.join(os.fsencode(manual / "AgeDB"), name))
    source = source_of("agedb", ["age"], manual)
    records = source.records("train")
    assert records.images == [r"AgeDB/15853_St\x82phaneAudran_24_f.jpg"] and records.labels["age"].tolist() == [24]
    assert source.decode(records.images, 8)[1] == {}


def test_ages_are_counted_on_the_first_of_july():
    from keras_mtl.data.builders.imdb_wiki import age_in_july

    first_of_july_2000 = 730668  # As MATLAB counts: datenum(2000, 7, 1).
    assert [age_in_july(first_of_july_2000 + days, 2020) for days in (-1, 0, 1)] == ["20", "20", "19"]
    for birth in (0.0, 366.0, math.nan, math.inf):
        assert age_in_july(birth, 2020) == f"born on day {birth:g}"
