from __future__ import annotations

import csv
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import fake_detector
import numpy as np
import PIL.Image
import pytest
from fake_detector import paint

from keras_mtl import tasks
from keras_mtl.data.faces.crop_source import crop_source
from keras_mtl.data.faces.inventory import PhotoFolder, name_crops
from keras_mtl.data.faces.prepare import prepare
from keras_mtl.data.source import label_text
from keras_mtl.data.sources import parse_sources
from keras_mtl.errors import UserError
from keras_mtl.faces.crops import Cropping, crop_face

CROPPING = Cropping(size=48)


def rows(path: pathlib.Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def tree(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def photos(tmp_path) -> pathlib.Path:
    """A folder and a CSV of its photos: one face, two, none, damaged, missing; and a label that can't be read."""
    folder = tmp_path / "photos"
    for name, sides in {"one.png": [30], "sub/one.png": [20], "two.png": [20, 30], "none.png": []}.items():
        paint(folder / name, *sides)
    (folder / "damaged.png").write_bytes((folder / "one.png").read_bytes()[:90])
    (folder / "photos.csv").write_text(
        "image,age,smile,split,identity,region\n"
        "one.png,31.4,smiling,train,ann,north\nsub/one.png,7,,test,,south\ntwo.png,55,not smiling,train,bob,\n"
        "none.png,20,,train,,\ndamaged.png,20,,train,,\nabsent.png,20,,test,,\nold.png,old,,train,,\n"
    )
    return folder


def source_of(folder: pathlib.Path):
    entry = f"age+smile=csv:{folder}/photos.csv?group=region"
    return parse_sources([entry], tasks.select_tasks(["age", "smile"]))[0]


def test_crops_carry_all_that_is_known_of_their_photos(photos, tmp_path):
    out = tmp_path / "out"
    counts = crop_source(source_of(photos), out, CROPPING, jobs=2, load=fake_detector.load)
    assert (counts.photos, counts.crops, counts.no_face, counts.several, counts.bad) == (7, 3, 1, 1, 3)
    assert rows(out / "labels.csv") == [
        dict(zip(("image", "photo", "split", "identity", "region", "age", "smile"), values, strict=True))
        for values in (
            ("faces/one.png.jpg", "one.png", "train", "ann", "north", "31.4", "smiling"),
            ("faces/two.png.jpg", "two.png", "train", "bob", "", "55", "not smiling"),
            ("faces/sub/one.png.jpg", "sub/one.png", "test", "", "south", "7", ""),
        )
    ]
    assert [row["photo"] for row in rows(out / "no_face.csv")] == ["none.png"]
    assert rows(out / "several_faces.csv") == [
        {"photo": "two.png", "faces": "2", "boxes": "45 5 75 35; 5 5 25 25", "crop": "faces/two.png.jpg"}
    ]
    bad = {(row["photo"], row["split"]): row["reason"] for row in rows(out / "bad.csv")}
    assert set(bad) == {("old.png", "train"), ("damaged.png", "train"), ("absent.png", "test")}
    assert "'old'" in bad["old.png", "train"] and bad["absent.png", "test"] == "No such file or directory"


def test_a_prepared_set_is_a_source_with_the_same_labels(photos, tmp_path):
    out = tmp_path / "out"
    crop_source(source_of(photos), out, CROPPING, jobs=1, load=fake_detector.load)
    (source,) = parse_sources([f"age+smile=csv:{out}/labels.csv?group=region"], tasks.select_tasks(["age", "smile"]))
    records = source.records("train")
    assert records.labels["age"].tolist() == [np.float32(31.4), 55] and records.identities == ["ann", "bob"]
    assert records.groups == {"region": ["north", None]}
    pixels, bad = source.decode(records.images, 48)
    assert not bad and np.abs(pixels[:, 8:-8, 8:-8].mean((1, 2)) - fake_detector.RED).max() < 12


def test_groups_named_as_a_task_or_column_come_through(tmp_path):
    for name in ("a.png", "b.png"):
        paint(tmp_path / "photos" / name, 25)
    (tmp_path / "photos" / "t.csv").write_text("image,years,age,gender,photo\na.png,31,old,female,x\nb.png,9,new,,y\n")
    entry = f"csv:{tmp_path}/photos/t.csv?age=years&group=age&group=gender&group=photo"
    printed = prepare(
        sources=[f"age+gender={entry}"],
        photos=[],
        out=str(tmp_path / "out"),
        detect=True,
        cropping=CROPPING,
        format="files",
        jobs=1,
        load=fake_detector.load,
    )
    (source,) = parse_sources([printed.split("--sources='")[1].rstrip("'\n")], tasks.select_tasks(["age", "gender"]))
    records = source.records("train")
    assert records.labels["age"].tolist() == [31, 9]
    assert records.groups == {
        "age_group": ["old", "new"],
        "gender": ["female", None],
        "photo_group": ["x", "y"],
    }


def test_several_faces_can_be_skipped(photos, tmp_path):
    out = tmp_path / "out"
    counts = crop_source(source_of(photos), out, Cropping(48, 0.0, "skip"), jobs=1, load=fake_detector.load)
    assert counts.crops == 2 and counts.several == 1
    assert rows(out / "several_faces.csv")[0]["crop"] == "" and not (out / "faces/two.png.jpg").exists()


def test_the_number_of_processes_changes_no_byte_and_a_second_run_no_file(photos, tmp_path):
    for jobs in (1, 3):
        crop_source(source_of(photos), tmp_path / str(jobs), CROPPING, jobs=jobs, load=fake_detector.load)
    assert tree(tmp_path / "1") == tree(tmp_path / "3")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "1/faces").rglob("*.jpg")}
    crop_source(source_of(photos), tmp_path / "1", CROPPING, jobs=1, load=fake_detector.load_never)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "1/faces").rglob("*.jpg")} == before
    assert tree(tmp_path / "1") == tree(tmp_path / "3")


def test_changed_mended_and_lost_files_are_done_again(photos, tmp_path):
    out = tmp_path / "out"
    crop_source(source_of(photos), out, CROPPING, jobs=1, load=fake_detector.load)
    paint(photos / "one.png")
    paint(photos / "damaged.png", 25)
    (out / "faces/sub/one.png.jpg").unlink()
    crop_source(source_of(photos), out, CROPPING, jobs=1, load=fake_detector.load)
    assert {row["photo"] for row in rows(out / "labels.csv")} == {"damaged.png", "two.png", "sub/one.png"}
    assert {row["photo"] for row in rows(out / "no_face.csv")} == {"one.png", "none.png"}
    assert not (out / "faces/one.png.jpg").exists() and (out / "faces/sub/one.png.jpg").exists()


def test_other_settings_need_another_folder(photos, tmp_path):
    crop_source(source_of(photos), tmp_path / "out", CROPPING, jobs=1, load=fake_detector.load)
    with pytest.raises(UserError, match=r"size=48, margin=0.0.*another --out"):
        crop_source(source_of(photos), tmp_path / "out", Cropping(48, 0.2), jobs=1, load=fake_detector.load)


@pytest.mark.parametrize("load, message", [("load_failing", "no weights"), ("load_deadly", "exit code -9")])
def test_a_child_that_fails_ends_the_run_and_says_why(photos, tmp_path, load, message):
    with pytest.raises(RuntimeError, match=message):
        crop_source(source_of(photos), tmp_path / "out", CROPPING, jobs=2, load=getattr(fake_detector, load))


def test_a_killed_run_goes_on_and_ends_as_an_unbroken_one(tmp_path):
    for i in range(40):
        paint(tmp_path / f"photos/{i:02d}.png", 10 + i % 20)
    code = (
        "import fake_detector, pathlib\n"
        "from keras_mtl.data.faces.crop_source import crop_source\n"
        "from keras_mtl.faces.crops import Cropping\n"
        "from keras_mtl.data.faces.inventory import PhotoFolder\n"
        f"crop_source(PhotoFolder('p', {str(tmp_path / 'photos')!r}), pathlib.Path({str(tmp_path / 'out')!r}),"
        " Cropping(48), jobs=2, load=fake_detector.load_slow)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    run = subprocess.Popen([sys.executable, "-c", code], env=environment)
    journal = tmp_path / "out/faces.jsonl"
    while not (journal.exists() and len(journal.read_bytes().splitlines()) >= 6):
        assert run.poll() is None
        time.sleep(0.02)
    run.send_signal(signal.SIGKILL)
    run.wait()
    left = tmp_path / "out/faces/.writing-1"
    left.mkdir()
    for name in (".lock", "00.png.jpg"):
        (left / name).write_bytes(b"half")
    journal.write_bytes(journal.read_bytes()[:-9])  # As when it was killed in the middle of a line.
    done = [json.loads(line)["photo"] for line in journal.read_text().splitlines()[:-1]]
    before = {photo: (tmp_path / f"out/faces/{photo}.jpg").stat().st_mtime_ns for photo in done}
    folder = PhotoFolder("p", str(tmp_path / "photos"))
    crop_source(folder, tmp_path / "out", CROPPING, jobs=2, load=fake_detector.load)
    assert {photo: (tmp_path / f"out/faces/{photo}.jpg").stat().st_mtime_ns for photo in done} == before
    crop_source(folder, tmp_path / "whole", CROPPING, jobs=1, load=fake_detector.load)
    assert tree(tmp_path / "out") == tree(tmp_path / "whole") and len(tree(tmp_path / "out")) == 40 + 6


def test_a_camera_held_upright_is_followed(tmp_path):
    upright = paint(tmp_path / "upright.png", 30, 20)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # To be turned by 90 degrees clockwise.
    held = io.BytesIO()
    upright.transpose(PIL.Image.Transpose.ROTATE_90).save(held, "PNG", exif=exif)
    results = [
        crop_face(data, fake_detector.find_red, CROPPING)
        for data in ((tmp_path / "upright.png").read_bytes(), held.getvalue())
    ]
    assert results[0] == results[1] and len(results[0][0]) == 2


def test_names_of_crops_stay_apart_and_inside():
    names = name_crops(["a.jpg", "a.png", "a.png.jpg", "A.JPG", "../x/b.jpeg", "/abs/c.bmp", "d/\udcff.jpg"])
    assert len({name.lower() for name in names.values()}) == 7
    assert not any(name.startswith("/") or ".." in name.split("/") for name in names.values())
    assert all(name.lower().endswith((".jpg", ".jpeg")) for name in names.values())
    assert names["a.jpg"] == "a.jpg" and names["d/\udcff.jpg"].encode("utf-8")


@pytest.mark.parametrize("task", tasks.BUILT_IN.values(), ids=lambda task: task.name)
def test_labels_written_are_those_read(task):
    low, high = task.bounds
    values = np.float32([low, high, float("nan")] + ([] if task.classes else [31.4, 0.1, 99.99]))
    assert np.float32([task.parse(label_text(task, value)) for value in values]).tobytes() == values.tobytes()


def test_photos_without_labels_and_with_them_in_one_go(photos, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_MTL_DATA", str(tmp_path))
    printed = prepare(
        sources=["age=csv:photos/photos.csv?image=photos/{image}&group=region"],
        photos=[str(photos / "sub"), str(photos)],
        out=str(tmp_path / "out"),
        detect=True,
        cropping=CROPPING,
        format="files",
        jobs=1,
        load=fake_detector.load,
    )
    head, *lines = printed.splitlines()
    assert head.split() == ["source", "photos", "crops", "no", "face", "several", "bad"]
    assert [line.split() for line in lines[:3]] == [
        ["csv_age", "7", "3", "1", "1", "3"],
        ["sub", "1", "1", "0", "0", "0"],
        ["photos", "5", "3", "1", "1", "1"],
    ]
    assert list(rows(tmp_path / "out/sub/labels.csv")[0]) == ["image", "photo"]
    # The entry that it prints is read from the data folder, as others are.
    entry = printed.split("--sources='")[1].rstrip("'\n")
    (source,) = parse_sources([entry], tasks.select_tasks(["age"]))
    records = source.records("train")
    assert records.groups["region"] == ["north", None]
    assert not source.decode(records.images, 48)[1]


def test_photos_kept_in_a_prepared_data_set_are_cropped_as_files_are(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_MTL_CACHE", str(tmp_path / "cache"))
    for i, sides in enumerate(([30], [], [20, 25]), 1):
        paint(tmp_path / "lossless.png", *sides)
        path = tmp_path / f"GENKI-4K/files/file{i:04d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "lossless.png").rename(path)
    (tmp_path / "GENKI-4K/labels.txt").write_text("1 0.1 0.2 0.3\n0 0.1 0.2 0.3\n0 0.1 0.2 0.3\n")
    made = {}
    for name in ("genki4k", "genki4k:GENKI-4K"):
        (source,) = parse_sources([f"smile={name}"], tasks.select_tasks(["smile"]), tmp_path)
        out = tmp_path / name.replace(":", "_")
        for _ in range(2):
            crop_source(source, out, CROPPING, jobs=1, load=fake_detector.load)
        made[name] = {name: data for name, data in tree(out).items() if name != "faces.jsonl"}
    prepared, files = made.values()
    assert {name: data for name, data in prepared.items() if name.endswith(".jpg")} == {
        name: data for name, data in files.items() if name.endswith(".jpg")
    }
    assert sorted(prepared["labels.csv"].splitlines()) == sorted(files["labels.csv"].splitlines())
    assert len(files["labels.csv"].splitlines()) == 3


@pytest.mark.parametrize("detect", [False, True])
def test_shards_hold_the_labels_of_their_source(photos, tmp_path, detect):
    pytest.importorskip("keras_mtl.data.shards")
    printed = prepare(
        sources=[f"age+smile=csv:{photos}/photos.csv?group=region"],
        photos=[],
        out=str(tmp_path / "out"),
        detect=detect,
        cropping=CROPPING,
        format="shards",
        jobs=1,
        load=fake_detector.load,
    )
    entry = printed.split("--sources='")[1].rstrip("'\n")
    (source,) = parse_sources([entry], tasks.select_tasks(["age", "smile"]))
    original = source_of(photos)
    for split in ("train", "test"):
        records, expected = source.records(split), original.records(split)
        ages = dict(zip(expected.images, expected.labels["age"], strict=True))
        for image, age in zip(records.images, records.labels["age"], strict=True):
            name = (
                image.removeprefix("faces/").removesuffix(".jpg") if detect else image.removeprefix(f"{photos.name}/")
            )
            assert ages[name] == age
    assert not source.decode(source.records("train").images, 32)[1]
