"""Names of files that are no UTF-8, or hold ends of lines: their images count like others, wherever they go."""

import json
import os

import numpy as np
import PIL.Image
import pytest
from fake_detector import load as load_detector

from keras_mtl.data.audit.audit import audit_sources, write_audit
from keras_mtl.data.audit.page import write_page
from keras_mtl.data.audit.text import as_text
from keras_mtl.data.clean import read_clean
from keras_mtl.data.faces.crop_source import crop_source
from keras_mtl.data.faces.inventory import PhotoFolder
from keras_mtl.data.source import digest
from keras_mtl.data.sources import parse_sources
from keras_mtl.data.splits import load_split
from keras_mtl.evaluation.predictions import predict_split, read_predictions, write_predictions
from keras_mtl.faces.crops import Cropping
from keras_mtl.files import printable
from keras_mtl.serving.inputs import Shot, find_files
from keras_mtl.serving.results import WRITERS, Kept
from keras_mtl.tasks import select_tasks

ODD = [os.fsdecode(name) for name in (b"Mu\xf1oz.png", b"two\nlines.png", b"a\ttab\r.png", "ſ\u2028é.png".encode())]
TASKS = select_tasks(["smile"])


@pytest.fixture
def folder(tmp_path):
    """A folder for each split and class; the first odd image is in test, and as a copy in train."""
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for label in TASKS["smile"].classes:
            place = tmp_path / "faces" / split / label
            place.mkdir(parents=True)
            for i in range(6):
                PIL.Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8)).save(place / f"{i}.png")
    for name in ODD[1:]:
        PIL.Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8)).save(tmp_path / "faces/train/smiling" / name)
    for place in ("test/smiling", "train/smiling"):
        PIL.Image.new("RGB", (40, 40), "red").save(tmp_path / "faces" / place / ODD[0])
    return tmp_path


def sources(folder):
    return parse_sources([f"smile=classes:{folder}/faces/{{split}}"], TASKS)


def test_names_are_one_line_of_text_and_hashed_as_they_are():
    assert [printable(name) for name in ODD] == [
        r"Mu\xf1oz.png", r"two\x0alines.png", r"a\x09tab\x0d.png", "ſ\\u2028é.png",
    ]  # fmt: skip
    assert printable("\ud800") == r"\ud800" and printable("smile ü 😀") == "smile ü 😀"
    assert len({digest([name]) for name in [*ODD, "\ud800", "\udcf1"]}) == len(ODD) + 2


class Guess:
    """Takes every face for a smile."""

    tasks = TASKS

    def predict(self, batches, verbose=0):
        return {"smile": np.concatenate([np.ones(len(images)) for images, *_ in batches])}

    def decode(self, outputs):
        return {"smile": np.stack([1 - outputs["smile"], outputs["smile"]], -1)}


def test_they_are_trained_on_and_predictions_name_them(folder):
    options = {"image_size": 16, "cache_dir": folder / "cache"}
    keys = [
        os.path.basename(key)
        for split in ("train", "validation")
        for part in load_split(sources(folder), TASKS, split, **options)[0]
        for key in part.keys
    ]
    assert set(ODD) <= set(keys) and len(keys) == 16
    data, bad = load_split(sources(folder), TASKS, "test", **options)
    assert not bad and data[0].images[data[0].keys.index(f"{folder}/faces/test/smiling/{ODD[0]}")][0, 0].tolist() == [
        255, 0, 0,
    ]  # fmt: skip
    frame = predict_split(Guess(), data)
    write_predictions(frame, folder / "p.csv")
    names = list(read_predictions(folder / "p.csv", TASKS)["image"])
    assert names == [printable(key) for key in data[0].keys]


def test_the_audit_finds_them_and_a_clean_split_leaves_them_out(folder):
    found = sources(folder)
    audit = audit_sources(found)
    write_audit(audit, folder / "audit", clean=True)
    write_page(audit, found, folder / "audit" / "audit.html")
    as_text(audit).encode()
    assert [os.path.basename(one.image) for one in audit.removed] == [ODD[0]] and len(audit.images) == 29
    assert r"Mu\xf1oz.png" in (folder / "audit" / "audit.html").read_text(encoding="utf-8")
    clean = read_clean(folder / "audit" / "clean")
    data, _ = load_split(sources(folder), TASKS, "test", image_size=16, cache="none", clean=clean)
    assert len(data[0].keys) == 12 and not any("Mu" in os.path.basename(key) for key in data[0].keys)


def test_rows_of_one_image_are_no_duplicates(folder):
    (folder / "rows.csv").write_text("image,smile\n" + "".join(f"faces/train/smiling/{i}.png,1\n" for i in (0, 0, 1)))
    audit = audit_sources(parse_sources([f"smile=csv:{folder}/rows.csv"], TASKS), validation_fraction=0)
    facts = audit.facts["csv_smile"]["train"]
    assert audit.duplicates == [] and facts["images"] == 2 and facts["tasks"]["smile"]["labelled"] == 3


def test_crops_of_them_are_written_and_read(folder):
    photos = PhotoFolder("photos", str(folder / "faces/train/smiling"))
    counts = crop_source(photos, folder / "crops", Cropping(32), jobs=1, load=load_detector)
    assert counts.photos == 10 and counts.bad == 0
    again = crop_source(photos, folder / "crops", Cropping(32), jobs=1, load=load_detector)
    assert again == counts


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_predictions_of_them_are_written_and_gone_on_with(folder, suffix):
    files = find_files([str(folder / "faces")], recursive=True)
    assert {os.path.basename(file) for file in files} >= set(ODD)
    path = folder / f"out{suffix}"
    kept = Kept(str(path), {"by": "me"})
    with kept.open() as file:
        writer = WRITERS[kept.kind]({}, file)
        writer.begin()
        for name in files:
            writer.write([{**Shot(name).told, "error": "\u2028"}])
    again = Kept(str(path), {"by": "me"})
    assert again.done == {Shot(name).key for name in files[:-1]}
    if suffix == ".jsonl":
        assert all(json.loads(line)["image"].isprintable() for line in path.read_text().split("\n")[:-1])
