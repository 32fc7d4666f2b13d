"""Data sets of the catalogue, through `--sources=TASK=NAME`, from dummy files in the owners' layouts."""

import numpy as np
import pytest
from PIL import Image

from keras_mtl.data.builders.catalogue import CATALOGUE
from keras_mtl.data.sources import parse_sources
from keras_mtl.errors import UserError
from keras_mtl.tasks import select_tasks

FILES = {
    "utkface": ["UTKFace/30_0_1_20170101.jpg.chip.jpg", "UTKFace/8_1_2_20170102.jpg.chip.jpg", "UTKFace/8_1.jpg"],
    "smiles": ["SMILEs/positives/positives7/1.jpg", "SMILEs/negatives/negatives7/2.jpg"],
    "genki4k": [f"GENKI-4K/files/file{i:04d}.jpg" for i in (1, 2, 3, 5)],
}
BAD = {
    "utkface": ["UTKFace/8_1.jpg"],
    "smiles": [],
    "genki4k": ["GENKI-4K/files/file0003.jpg", "GENKI-4K/files/file0005.jpg"],
}


@pytest.fixture
def manual(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_MTL_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "manual"
    for i, name in enumerate(sum(FILES.values(), [])):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 20 * i, np.uint8)).save(folder / name)
    (folder / "GENKI-4K/labels.txt").write_text("1 0.1 0.2 0.3\n0 0.1 0.2 0.3\n7 what\n")
    return folder


@pytest.mark.parametrize("name", FILES)
def test_source_equals_the_folder_source(name, manual):
    tasks = select_tasks([task for task in ("age", "gender", "smile") if task in CATALOGUE[name].labels])
    folder = CATALOGUE[name].needs[0].split("/")[0]
    entries = "+".join(tasks)
    ours = parse_sources([f"{entries}={name}"], tasks, manual)[0]
    files = parse_sources([f"{entries}={name}:{folder}"], tasks, manual)[0]
    records, expected = ours.records("train"), files.records("train")
    assert sorted(records.images) == sorted(expected.images)
    assert {bad.image: bad.reason for bad in records.bad} == {bad.image: bad.reason for bad in expected.bad}
    assert sorted(bad.image for bad in records.bad) == BAD[name]
    rows = [records.images.index(image) for image in expected.images]
    for task in tasks:
        np.testing.assert_array_equal(records.labels[task][rows], expected.labels[task])
    np.testing.assert_array_equal(ours.decode(expected.images, 8)[0], files.decode(expected.images, 8)[0])


def test_appa_real_keeps_the_owners_splits_and_quarantines_what_is_missing(manual):
    release = manual / "appa-real-release"
    for split in ("train", "valid", "test"):
        (release / split).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(release / split / "000000.jpg_face.jpg")
        rows = "000000.jpg,30,4.25,1.2,5\n000001.jpg,30,9.5,1.2,9\n000002.jpg,30,old,1.2,9\n"
        (release / f"gt_avg_{split}.csv").write_text(
            "file_name,num_ratings,apparent_age_avg,apparent_age_std,real_age\n" + rows
        )
    source = parse_sources(["age=appa_real"], select_tasks(["age"]), manual)[0]
    assert source.splits() == ("train", "validation", "test")
    records = source.records("validation")
    by_name = dict(zip(records.images, records.labels["age"], strict=True))
    assert by_name["appa-real-release/valid/000000.jpg_face.jpg"] == 4.25
    assert [bad.image for bad in records.bad] == ["appa-real-release/valid/000002.jpg_face.jpg"]
    _, reasons = source.decode(records.images, 8)
    assert [records.images[i] for i in reasons] == ["appa-real-release/valid/000001.jpg_face.jpg"]


def test_race_is_told_as_a_group(manual):
    records = parse_sources(["age=utkface"], select_tasks(["age"]), manual)[0].records("train")
    assert dict(zip(records.images, records.groups["race"], strict=True)) == {
        "UTKFace/30_0_1_20170101.jpg.chip.jpg": "Black",
        "UTKFace/8_1_2_20170102.jpg.chip.jpg": "Asian",
    }


def test_celeb_a_is_read_through_tfds(manual, monkeypatch):
    import tensorflow_datasets as tfds

    entry = CATALOGUE["celeb_a"]
    names = [label.feature.partition("/")[2] for label in entry.labels.values()]

    class CelebA(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        """TFDS's features with pictures of our own: its files come from the network."""

        VERSION = tfds.core.Version("2.1.0")

        def _info(self):
            people = {"Identity_No": np.int64}
            attributes = {name: np.bool_ for name in names}
            features = {"image": tfds.features.Image(), "attributes": attributes, "identity": people}
            return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

        def _split_generators(self, dl_manager):
            return {split: self._generate_examples() for split in entry.splits.values()}

        def _generate_examples(self):
            for i in range(2):
                truth = {name: (name == "Male") == bool(i) for name in names}
                image = np.full((8, 8, 3), 100 * i, np.uint8)
                yield i, {"image": image, "attributes": truth, "identity": {"Identity_No": i + 7}}

    monkeypatch.setattr(tfds, "builder", lambda name, **options: {"celeb_a": CelebA}[name](**options))
    source = parse_sources(["gender+smile=celeb_a"], select_tasks(["gender", "smile"]), manual)[0]
    assert source.splits() == ("train", "validation", "test")
    records = source.records("train")
    assert sorted(zip(*records.labels.values(), records.identities, strict=True)) == [(0, 0, "8"), (1, 1, "7")]
    pixels, bad = source.decode(records.images, 8)
    assert not bad and [pixels[i].max() for i in np.argsort(records.labels["gender"])] == [100, 0]


@pytest.mark.parametrize("name", FILES)
def test_missing_files_are_told_with_where_to_get_them(name, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_MTL_CACHE", str(tmp_path / "cache"))
    task = next(iter(CATALOGUE[name].labels))
    with pytest.raises(UserError, match="Put|put") as error:
        parse_sources([f"{task}={name}"], select_tasks([task]), tmp_path)
    assert CATALOGUE[name].homepage in str(error.value)


def test_unknown_builder_lists_the_known():
    with pytest.raises(UserError, match="known builders: .*utkface"):
        parse_sources(["age=nothing"], select_tasks(["age"]))
