"""Splits of all sources: the cut-off validation split, quarantine, and what is an error."""

import hashlib
import logging
import os
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from keras_mtl import tasks
from keras_mtl.data.sides import in_validation
from keras_mtl.data.source import Source
from keras_mtl.data.splits import load_split
from keras_mtl.data.tabular import CsvSource

AGE = tasks.select_tasks(["age"])


class Made(Source):
    """Images made of their number; `entries` {split: [(image, labels or reason)]}; names with "broken" don't decode."""

    def __init__(self, entries, name="made", wanted=AGE):
        super().__init__(name, wanted)
        self.entries = entries

    def splits(self):
        return tuple(self.entries)

    def records(self, split):
        return self.collect(split, self.entries[split])

    def decode(self, images, size):
        bad = {i: "not a readable image: broken" for i, image in enumerate(images) if "broken" in image}
        values = [int(image.split("/")[-1]) % 256 for i, image in enumerate(images) if i not in bad]
        pixels = np.asarray(values, np.uint8)[:, None, None, None]
        return np.broadcast_to(pixels, [len(values), size, size, 3]).copy(), bad

    def fingerprint(self, images, size):
        return hashlib.sha256(f"{self.name} {images} {size}".encode()).hexdigest()


def entries(first, last, **labels):
    return [(f"made/{i}", labels or {"age": i % 100}) for i in range(first, last)]


def load(sources, split, tmp_path, wanted=AGE, **options):
    sources = sources if isinstance(sources, list) else [sources]
    return load_split(sources, wanted, split, image_size=4, cache_dir=tmp_path, **options)


def test_images_keys_and_labels_belong_together(tmp_path):
    (train,), bad = load(Made({"train": entries(0, 300), "validation": entries(300, 310)}), "train", tmp_path)
    assert train.source == "made" and train.split == "train" and bad == []
    numbers = [int(key.split("/")[1]) for key in train.keys]
    assert numbers == list(range(300))
    assert train.images[:, 0, 0, 0].tolist() == [number % 256 for number in numbers]
    assert train.labels["age"].tolist() == [number % 100 for number in numbers]


def test_validation_is_cut_off_train_and_both_are_all_of_it(tmp_path):
    source = Made({"train": entries(0, 500), "test": entries(500, 520)})
    (train,), _ = load(source, "train", tmp_path, validation_fraction=0.2)
    (validation,), _ = load(source, "validation", tmp_path, validation_fraction=0.2)
    (test,), _ = load(source, "test", tmp_path, validation_fraction=0.2)
    assert not set(train.keys) & set(validation.keys)
    assert len(train.keys) + len(validation.keys) == 500 and len(test.keys) == 20
    assert 70 < len(validation.keys) < 130
    assert {validation.split, train.split} == {"validation", "train"}


def test_an_own_validation_split_is_used_and_train_is_whole(tmp_path):
    source = Made({"train": entries(0, 50), "validation": entries(50, 55)})
    assert len(load(source, "train", tmp_path)[0][0].keys) == 50
    assert len(load(source, "validation", tmp_path)[0][0].keys) == 5


names = st.lists(st.text("abcdef/0123", min_size=1, max_size=12), unique=True, min_size=1, max_size=60)


@given(names=names, more=names, fraction=st.floats(0.01, 0.9))
def test_the_cut_depends_on_each_name_alone(names, more, fraction):
    many = in_validation(names, fraction)
    assert many.any()
    if many.sum() > 1:
        both = dict(zip([*names, *more], in_validation([*names, *more], fraction), strict=True))
        kept = [both[name] == taken for name, taken in zip(names, many, strict=True)]
        assert all(kept)


def test_the_cut_is_the_same_from_wherever_the_path_starts_and_takes_its_share():
    short = [f"UTKFace/{i}.jpg" for i in range(4000)]
    taken = in_validation(short, 0.1)
    np.testing.assert_array_equal(taken, in_validation([f"/data/{name}" for name in short], 0.1))
    assert abs(taken.mean() - 0.1) < 0.02
    assert in_validation(short, 0.2)[taken].all()
    assert not in_validation(short, 0).any()


@given(rows=st.lists(st.tuples(st.integers(0, 99), st.sampled_from(["", *"abcdefgh"])), unique_by=lambda row: row[0]))
def test_images_of_one_identity_are_on_one_side_in_any_order(rows):
    images = [f"made/{number}" for number, _ in rows]
    taken = in_validation(images, 0.5, [identity or None for _, identity in rows])
    for identity in "abcdefgh":
        assert len({side for (_, own), side in zip(rows, taken, strict=True) if own == identity}) <= 1
    backwards = in_validation(images[::-1], 0.5, [identity or None for _, identity in rows[::-1]])
    np.testing.assert_array_equal(backwards[::-1], taken)
    np.testing.assert_array_equal(in_validation(images, 0.5, [None] * len(images)), in_validation(images, 0.5))


def test_the_cut_of_names_is_what_it_always_was():
    names = [f"UTKFace/{number}.jpg" for number in range(50)]
    assert np.flatnonzero(in_validation(names, 0.1)).tolist() == [3, 39, 45]


def test_a_csv_with_identities_is_cut_by_them(tmp_path):
    lines = []
    for number in range(60):
        Image.new("L", (4, 4), number).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,{number},{f'person{number % 12}' if number < 48 else ''}")
    sides = []
    for order in (lines, lines[::-1]):
        (tmp_path / "p.csv").write_text("\n".join(["image,age,identity", *order]))
        source = CsvSource("people", AGE, str(tmp_path / "p.csv"))
        parts = [load(source, split, tmp_path, validation_fraction=0.3)[0][0].keys for split in ("train", "validation")]
        sides.append([set(keys) for keys in parts])
        people = [{int(key[:-4]) % 12 for key in keys if int(key[:-4]) < 48} for keys in parts]
        assert people[1] and people[0].isdisjoint(people[1]) and people[0] | people[1] == set(range(12))
    assert sides[0] == sides[1]


def test_bad_records_are_quarantined_from_every_stage_once(tmp_path, caplog):
    some = entries(0, 400)
    some[3] = ("made/broken/3", {"age": 3})
    some[5] = ("made/5", {"age": "old"})
    some[7] = ("made/7", "malformed name")
    some[9] = ("made/9", {"age": ""})
    source = Made({"train": some})
    found = [load(source, split, tmp_path) for split in ("train", "validation")]
    keys = [key for data, _ in found for key in data[0].keys]
    bad = [one for _, bad in found for one in bad]
    assert len(keys) == 396
    assert {one.image: one.reason.split(":")[0] for one in bad} == {
        "made/broken/3": "not a readable image",
        "made/5": "age label 'old' is not a number from 0 to 120",
        "made/7": "malformed name",
        "made/9": "no label for age",
    }
    assert len(bad) == 4
    assert all(one.split in ("train", "validation") and one.source == "made" for one in bad)
    assert sum(record.levelno == logging.WARNING for record in caplog.records) >= 1
    assert "are bad and left out; the first: made/" in caplog.text


def test_quarantined_images_come_from_the_cache_too(tmp_path):
    some = entries(0, 100)
    some[50] = ("made/broken/50", {"age": 3})
    first, second = (load(Made({"test": some}), "test", tmp_path) for _ in range(2))
    assert first[1] == second[1] and len(first[1]) == 1
    np.testing.assert_array_equal(first[0][0].images, second[0][0].images)
    assert "made/broken/50" not in first[0][0].keys


@pytest.mark.parametrize("bad", [("made/broken/{}", {"age": 1}), ("made/{}", {"age": "x"}), ("made/{}", "malformed")])
def test_too_many_bad_records_are_an_error_and_the_share_can_be_set(bad, tmp_path):
    image, found = bad
    some = entries(0, 90) + [(image.format(i), found) for i in range(90, 100)]
    words = "Source made, split test: 10 of 100 records are bad, more than max_bad_share=0.05 allows; the first: made/"
    with pytest.raises(ValueError, match=words):
        load(Made({"test": some}), "test", tmp_path)
    (data,), quarantined = load(Made({"test": some}), "test", tmp_path, max_bad_share=0.1)
    assert len(data.keys) == 90 and len(quarantined) == 10


def test_the_share_is_for_each_source_by_itself(tmp_path):
    good, half = Made({"test": entries(0, 1000)}), Made({"test": [("a/1", {"age": 1}), ("a/2", "bad")]}, "half")
    with pytest.raises(ValueError, match="Source half, split test: 1 of 2"):
        load([good, half], "test", tmp_path)


def test_records_without_a_label_are_told_but_are_no_error(tmp_path, caplog):
    some = entries(0, 50) + [(f"made/{i}", {"age": None}) for i in range(50, 100)]
    (data,), bad = load(Made({"test": some}), "test", tmp_path)
    assert len(data.keys) == 50 and len(bad) == 50 and all(one.unlabelled for one in bad)
    assert "50 of 100 records are without a label for the wanted tasks" in caplog.text


@pytest.mark.parametrize("some", [[], [("a/1", {"age": ""})], [("a/1", "bad")], [("a/broken/1", {"age": 1})]])
def test_an_empty_split_is_an_error(some, tmp_path):
    with pytest.raises(ValueError, match="Source made, split test: nothing is left of it"):
        load(Made({"test": some}), "test", tmp_path, max_bad_share=1)


def test_a_split_that_no_source_has_tells_which_there_are(tmp_path):
    sources = [Made({"train": entries(0, 9)}), Made({"train": entries(0, 9), "validation": entries(9, 12)}, "other")]
    with pytest.raises(ValueError, match="'test': made has train; other has train, validation"):
        load(sources, "test", tmp_path)
    with pytest.raises(ValueError, match="validation_fraction is 0, so none is cut off train"):
        load(sources[0], "validation", tmp_path, validation_fraction=0)
    with pytest.raises(ValueError, match="split must be one of train, validation, test. Received: 'dev'"):
        load(sources, "dev", tmp_path)
    with pytest.raises(ValueError, match="validation_fraction must be from 0 to below 1. Received: 1"):
        load(sources, "train", tmp_path, validation_fraction=1)


def test_a_task_without_images_is_an_error_in_train_and_told_elsewhere(tmp_path, caplog):
    both = tasks.select_tasks(["age", "smile"])
    ages = Made({"train": entries(0, 9), "test": entries(9, 12)})
    smiles = Made({"test": entries(0, 9, smile=1)}, "smiles", tasks.select_tasks(["smile"]))
    with pytest.raises(ValueError, match="labels the task 'smile' has the split 'train'"):
        load([ages, smiles], "train", tmp_path, wanted=both)
    data, _ = load([ages, smiles], "test", tmp_path, wanted=both)
    assert [part.source for part in data] == ["made", "smiles"]
    smiles.entries = {"train": entries(0, 9, smile=1)}
    assert len(load([ages, smiles], "test", tmp_path, wanted=both)[0]) == 1
    assert "No source that labels the task 'smile' has the split 'test'" in caplog.text


def test_a_copy_has_the_fingerprint_of_the_original_until_a_pixel_changes(tmp_path):
    def fingerprint(folder):
        (data,), _ = load(CsvSource("made", AGE, str(folder / "ages.csv")), "test", tmp_path / "cache")
        return data.fingerprint

    first, copied = tmp_path / "first", tmp_path / "copied"
    first.mkdir()
    for number in range(3):
        Image.new("RGB", (8, 8), (number, 9, 99)).save(first / f"{number}.png")
    (first / "ages.csv").write_text("image,split,age\n0.png,test,3\n1.png,test,4\n2.png,test,5\n")
    shutil.copytree(first, copied)
    os.utime(copied / "0.png", (1, 1))
    assert fingerprint(copied) == fingerprint(first)
    Image.new("RGB", (8, 8), (0, 9, 98)).save(copied / "0.png")
    assert fingerprint(copied) != fingerprint(first)


def test_the_fingerprint_changes_with_labels_and_images(tmp_path):
    some = entries(0, 9)
    prints = {load(Made({"test": some}), "test", tmp_path)[0][0].fingerprint for _ in range(2)}
    prints |= {load(Made({"test": [*some[:-1], (some[-1][0], {"age": 77})]}), "test", tmp_path)[0][0].fingerprint}
    prints |= {load(Made({"test": some[:-1]}), "test", tmp_path)[0][0].fingerprint}
    assert len(prints) == 3


def test_auto_maps_a_large_split_and_reads_a_small_one(tmp_path, monkeypatch):
    source = Made({"test": entries(0, 9)})
    assert not isinstance(load(source, "test", tmp_path)[0][0].images, np.memmap)
    monkeypatch.setattr("keras_mtl.data.cache.MEMORY_LIMIT", 100)
    assert isinstance(load(source, "test", tmp_path)[0][0].images, np.memmap)


def test_files_from_a_csv_to_pixels(tmp_path):
    from keras_mtl.data.sources import parse_sources

    for i in range(20):
        Image.new("RGB", (10, 10), (i, 2 * i, 0)).save(tmp_path / f"{i}.png")
    rows = "".join(f"{i}.png,{i}\n" for i in range(21))
    (tmp_path / "ages.csv").write_text(f"image,age\n{rows}")
    sources = parse_sources(["age=csv:ages.csv"], AGE, tmp_path)
    (data,), bad = load(sources, "train", tmp_path / "cache", validation_fraction=0)
    assert data.images[:, 0, 0, 1].tolist() == [2 * i for i in range(20)]
    assert data.labels["age"].tolist() == list(range(20))
    assert [(one.image, one.reason) for one in bad] == [("20.png", "file is missing")]
