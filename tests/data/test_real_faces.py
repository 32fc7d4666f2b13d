"""The real faces for development, where KERAS_MTL_DATA names their folder."""

import numpy as np
import pytest

from keras_mtl import tasks
from keras_mtl.data.sides import in_validation
from keras_mtl.data.sources import parse_sources

ALL = tasks.select_tasks(["age", "gender", "smile"])
CSVS = [f"{task}=csv:splits/{task}_{{split}}.csv" for task in ALL]


@pytest.fixture(scope="module")
def folder(real_faces):
    for part in ("splits", "UTKFace", "SMILEs"):
        if not (real_faces / part).is_dir():
            pytest.skip(f"KERAS_MTL_DATA has no folder {part}")
    return real_faces


def test_the_splits_have_their_sizes_and_every_label_is_read(folder):
    sizes = {"age": (3707, 1356), "gender": (4548, 2250), "smile": (4548, 2250)}
    for source in parse_sources(CSVS, ALL, folder):
        (task,) = source.tasks
        assert source.splits() == ("train", "test")
        for split, size in zip(source.splits(), sizes[task], strict=True):
            records = source.records(split)
            assert (len(records.images), records.bad) == (size, [])
            assert np.isfinite(records.labels[task]).all()
        if task == "smile":
            assert abs(source.records("train").labels["smile"].mean() - 0.4) < 0.01
        assert abs(in_validation(source.records("train").images, 0.1).mean() - 0.1) < 0.02


def test_malformed_utkface_names_are_found(folder):
    (source,) = parse_sources(["age+gender=utkface:UTKFace"], tasks.select_tasks(["age", "gender"]), folder)
    records = source.records("train")
    assert len(records.images) + len(records.bad) == 11_861
    assert [(bad.image, bad.reason) for bad in records.bad] == [
        ("UTKFace/39_1_20170116174525125.jpg.chip.jpg", "malformed name: 3 parts, expected 4: age_gender_race_date"),
        ("UTKFace/55_0_0_20170116232725357jpg.chip.jpg", "malformed name: '20170116232725357jpg' is no date"),
    ]
    assert (records.labels["age"].min(), records.labels["age"].max()) == (1, 116)


def test_the_smiles_folders(folder):
    (source,) = parse_sources(["smile=smiles:SMILEs"], tasks.select_tasks(["smile"]), folder)
    records = source.records("train")
    assert (len(records.images), records.bad) == (6_798, [])


def test_a_few_dozen_of_each_are_decoded(folder):
    for source in parse_sources(CSVS, ALL, folder):
        pixels, bad = source.decode(source.records("test").images[:36], 64)
        assert pixels.shape == (36, 64, 64, 3) and bad == {}
        assert pixels.std() > 20
