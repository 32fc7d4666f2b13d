"""Photos, folders, patterns, videos and names on stdin through the real command line."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys

import cv2
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from exported_models import random_model
from fake_detector import load, paint
from helpers import held

from keras_mtl.errors import UserError
from keras_mtl.kinds import kind_of
from keras_mtl.serving.export import export_model
from keras_mtl.serving.exported import load_exported
from keras_mtl.serving.inputs import find_files
from keras_mtl.serving.predict import predict_files
from keras_mtl.tasks import BUILT_IN, Task

# Runs the command and prints on stderr which modules it took.
SPY = """
import sys
from keras_mtl import predict
try:
    predict.console()
finally:
    print("MODULES", *sys.modules, file=sys.stderr)
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    sources = [{"name": "drawn", "tasks": ["age", "smile"], "drawn": True}]
    model = random_model(tasks={name: BUILT_IN[name] for name in ("age", "smile")})
    folder = tmp_path_factory.mktemp("saved_models")
    return export_model(model, folder, name="m", about={"sources": sources}, formats=["onnx"])


@pytest.fixture
def photos(tmp_path):
    """A folder with two photos of different sizes and formats, a text file, and a folder with another photo."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    noise(40, 30).save(folder / "b.png")
    noise(64, 64).save(folder / "a.JPG", "JPEG")
    noise(32, 32, seed=1).save(folder / "more" / "c.png")
    (folder / "notes.txt").write_text("no photo")
    return folder


def noise(width, height, seed=0):
    return PIL.Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def run(*arguments, **options):
    command = [sys.executable, "-c", SPY, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, **options)


def predict(exported, *photos, **options):
    return predict_files(model=str(exported), photos=list(map(str, photos)), backend="onnx", **options)


def printed(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_command_prints_a_json_line_a_photo_and_loads_neither_training_code_nor_tensorflow(exported, photos):
    done = run(f"--model={exported.parent}", "--backend=onnx", photos)
    entries = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert [entry["image"] for entry in entries] == [str(photos / "a.JPG"), str(photos / "b.png")]
    for entry in entries:
        assert list(entry) == ["image", "age", "age_interval", "smile", "smile_probabilities"]
        assert 0 <= entry["age_interval"][0] <= entry["age_interval"][1] <= 120
        assert sum(entry["smile_probabilities"].values()) == pytest.approx(1, abs=2e-4)
        assert entry["smile"] == max(entry["smile_probabilities"], key=entry["smile_probabilities"].get)
    assert "drawn faces, not people" in done.stderr
    modules = set(done.stderr.split("MODULES")[1].split())
    assert "tensorflow" not in modules
    rooms = {name.split(".")[1] for name in modules if name.startswith("keras_mtl.")}
    assert "serving" in rooms and not rooms & {"training", "data", "evaluation", "balancing", "models"}


def test_command_without_a_model_ends_with_one_line_and_code_2(tmp_path, photos):
    done = run(f"--model={tmp_path}/none", photos)
    assert done.returncode == 2
    assert done.stdout == ""
    error, modules = done.stderr.splitlines()
    assert error.startswith("Error: No exported model at") and "none" in error
    assert modules.startswith("MODULES")


def test_an_export_of_another_version_is_told(exported, photos, tmp_path):
    shutil.copytree(exported, tmp_path / "m" / "1")
    description = tmp_path / "m" / "1" / "assets.extra" / "tasks.json"
    description.write_text(description.read_text().replace('"format": 2', '"format": 1'))
    with pytest.raises(UserError, match="format 1, expected 2: export it again"):
        predict(tmp_path / "m", photos)


def test_two_at_once_on_one_file_are_one_and_a_line(exported, photos, tmp_path):
    out = tmp_path / "ages.csv"
    predict(exported, photos, out=str(out))
    before = out.read_bytes()
    (tmp_path / "link.csv").symlink_to(out)
    for name in (out, tmp_path / "link.csv"):
        with held(tmp_path, out.name), pytest.raises(UserError, match="is writing to .*/ages.csv: wait until it"):
            predict(exported, photos, out=str(name), overwrite=True)
    assert out.read_bytes() == before


def test_an_export_is_read_wherever_it_lies(exported, photos, tmp_path, capsys):
    shutil.copytree(exported, tmp_path / "m[1]" / "1")
    for folder in (exported, tmp_path / "m[1]"):
        predict_files(model=str(folder), photos=[str(photos)], backend="tensorflow")
    entries = printed(capsys)
    assert len(entries) == 4 and entries[:2] == entries[2:]


def test_outputs_are_those_of_the_signature(exported, photos, capsys):
    assert predict(exported, photos / "a.JPG", photos / "b.png", photos / "more" / "c.png") == 0
    entries = printed(capsys)
    data = [(photos / name).read_bytes() for name in ("a.JPG", "b.png", "more/c.png")]
    outputs = tf.saved_model.load(str(exported)).signatures["serve_bytes"](images=tf.constant(data))
    # Pillow and TensorFlow decode JPEG and resize with a grey level between them, here and there.
    assert [entry["age"] for entry in entries] == pytest.approx(outputs["age"].numpy().tolist(), abs=0.5)
    assert entries[2]["age"] == pytest.approx(float(outputs["age"][2]), abs=0.006)
    assert [entry["smile"].encode() for entry in entries] == outputs["smile_class"].numpy().tolist()


@pytest.mark.parametrize("batch_size", [1, 2, 32])
def test_unreadable_photos_get_an_entry_and_cost_no_other(exported, photos, batch_size, capsys):
    whole = (photos / "a.JPG").read_bytes()
    (photos / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (photos / "text.jpg").write_text("no photo")
    (photos / "film.mp4").write_text("no film")
    names = [str(photos / name) for name in ("b.png", "cut.jpg", "a.JPG", "text.jpg", "absent.jpg", "film.mp4")]
    assert predict(exported, *names, batch_size=batch_size) == 1
    told = capsys.readouterr()
    entries = [json.loads(line) for line in told.out.splitlines()]
    assert [entry["image"] for entry in entries] == names
    assert ["error" in entry for entry in entries] == [False, True, False, True, True, True]
    assert entries[4]["error"] == "No such file or directory"
    assert f"Warning: {photos / 'text.jpg'}: is not an image that can be read" in told.err.splitlines()
    assert predict(exported, names[0], names[2]) == 0
    assert [entries[0], entries[2]] == printed(capsys)


def test_table_is_aligned_and_has_units(exported, photos, capsys):
    (photos / "c.jpg").write_text("no photo")
    predict(exported, photos, format="table")
    head, first, _, bad = (line.removeprefix(str(photos)) for line in capsys.readouterr().out.splitlines())
    # Cells stand where their heading does; the heading has no folder in front of its first cell.
    age, smile = (head.index(name) - len(str(photos)) for name in (" age", " smile"))
    assert first[age + 1 :].split()[1] == "years" and first[smile + 1 :].startswith(("smiling (", "not smiling ("))
    assert bad[age + 1 :].startswith("is not an image")


def test_what_may_be_named(photos, monkeypatch, tmp_path):
    a, b, c = str(photos / "a.JPG"), str(photos / "b.png"), str(photos / "more" / "c.png")
    assert find_files([str(photos)]) == [a, b]
    assert find_files([str(photos)], recursive=True) == [a, b, c]
    assert find_files([f"{photos}/**/*.png"]) == [b, c]
    assert find_files([c, str(photos), c]) == [c, a, b]
    (photos / ".thumbs" / "more").mkdir(parents=True)
    for hidden in ("._a.JPG", ".thumbs/d.png", ".thumbs/more/e.png", "more/.f.png"):
        (photos / hidden).touch()
    assert find_files([str(photos)], recursive=True) == [a, b, c] and find_files([f"{photos}/**/*.png"]) == [b, c]
    named = [str(photos / "._a.JPG"), str(photos / ".thumbs" / "d.png")]
    assert find_files([named[0], str(photos / ".thumbs")]) == named
    assert find_files([long := "n" * 300 + ".jpg"]) == [long]
    (photos / "odd[1].png").touch()
    assert find_files([str(photos / "odd[1].png")]) == [str(photos / "odd[1].png")]
    with open(tmp_path / "names", "w+") as names:
        names.buffer.write(os.fsencode(f"{c}\n\n{a}\n{photos}/Mu\udcf1oz.png\n"))
        names.seek(0)
        monkeypatch.setattr("sys.stdin", names)
        assert find_files(["-"]) == [c, a, f"{photos}/Mu\udcf1oz.png"]
    (tmp_path / "empty").mkdir()
    for wrong, words in [([], "No photo"), ([f"{photos}/*.bmp"], "bmp"), ([str(tmp_path / "empty")], "--recursive")]:
        with pytest.raises(UserError, match=words):
            find_files(wrong)


def test_faces_of_photos_and_frames_of_a_film_into_csv_and_pictures(exported, tmp_path, monkeypatch):
    monkeypatch.setattr("keras_mtl.serving.predict.load_detector", load)
    two, none = tmp_path / "in" / "two.png", tmp_path / "in" / "none.png"
    paint(two, 20, 30)
    paint(none)
    # Red squares don't survive a film's compression: frames of it have no face here.
    film = cv2.VideoWriter(str(tmp_path / "in" / "z.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for number in range(25):
        film.write(np.full((48, 64, 3), number * 10, np.uint8))
    film.release()
    out, drawn = tmp_path / "out" / "faces.csv", tmp_path / "drawn"
    code = predict(
        exported,
        two.parent,
        detect=True,
        faces="all",
        out=str(out),
        pictures=str(drawn),
        every_seconds=1.0,
        batch_size=2,
    )
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert code == 1
    told = [(os.path.basename(row["image"]), row["seconds"], row["face"], row["faces"]) for row in rows]
    assert told == [
        ("none.png", "", "", ""),
        ("two.png", "", "1", "2"),
        ("two.png", "", "2", "2"),
        *(("z.avi", seconds, "", "") for seconds in ("0.0", "1.0", "2.0")),
    ]
    assert rows[0]["error"] == "no face is found" and rows[0]["age"] == ""
    assert [rows[1][f"box_{side}"] for side in ("left", "top", "right", "bottom")] == ["45", "5", "75", "35"]
    assert float(rows[1]["age_low"]) <= float(rows[1]["age_high"])
    assert float(rows[2]["smile_smiling"]) + float(rows[2]["smile_not smiling"]) == pytest.approx(1, abs=2e-4)
    names = ["none.jpg", "two.jpg", "z-0s.jpg", "z-1s.jpg", "z-2s.jpg"]
    assert sorted(path.name for path in drawn.iterdir()) == names
    after = PIL.Image.open(drawn / "two.jpg")
    before = PIL.Image.open(two).resize((640, 427))  # Small photos are enlarged.
    assert after.width == 640 and after.height >= 427
    after = after.crop((0, 0, 640, 427))
    assert np.abs(np.asarray(before).astype(int) - np.asarray(after)).max() > 100


def many(folder, count):
    folder.mkdir()
    for number in range(count):
        noise(40, 30, seed=number).save(folder / f"{number:03}.png")


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
@pytest.mark.parametrize("cut", [1, 40, 400])
def test_a_cut_file_is_gone_on_with(exported, tmp_path, suffix, cut, capsys):
    many(tmp_path / "many", 8)
    out = tmp_path / f"out.{suffix}"
    predict(exported, tmp_path / "many", out=str(out))
    whole = out.read_bytes()
    out.write_bytes(whole[:-cut])
    capsys.readouterr()
    assert predict(exported, tmp_path / "many", out=str(out), batch_size=2) == 0
    assert out.read_bytes() == whole
    assert "are in" in capsys.readouterr().err
    assert predict(exported, tmp_path / "many", out=str(out)) == 0
    assert out.read_bytes() == whole
    out.write_bytes(b"")
    predict(exported, tmp_path / "many", out=str(out))
    assert out.read_bytes() == whole


def test_a_killed_command_goes_on_and_ends_as_an_unbroken_one(exported, tmp_path):
    many(tmp_path / "many", 60)
    flags = ["--backend=onnx", "--batch_size=1", f"--model={exported}", str(tmp_path / "many")]
    assert run(f"--out={tmp_path / 'unbroken.jsonl'}", *flags).returncode == 0
    out = tmp_path / "broken.jsonl"
    process = subprocess.Popen([sys.executable, "-c", SPY, f"--out={out}", *flags], stderr=subprocess.DEVNULL)
    while not (out.exists() and out.stat().st_size > 300):
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert run(f"--out={out}", *flags).returncode == 0
    assert out.read_bytes() == (tmp_path / "unbroken.jsonl").read_bytes()


def test_a_file_of_another_model_or_other_flags_is_not_gone_on_with(exported, photos, tmp_path, monkeypatch):
    out = str(tmp_path / "out.csv")
    predict(exported, photos, out=out)
    monkeypatch.setattr("keras_mtl.serving.predict.load_detector", load)
    with pytest.raises(UserError, match="--overwrite"):
        predict(exported, photos, out=out, detect=True)
    assert predict(exported, photos, out=out, detect=True, overwrite=True) == 1
    with pytest.raises(UserError, match="jsonl or .csv"):
        predict(exported, photos, out=str(tmp_path / "out.txt"))
    (tmp_path / "mine.csv").write_text("my own table\n")
    with pytest.raises(UserError, match="already"):
        predict(exported, photos, out=str(tmp_path / "mine.csv"))
    assert (tmp_path / "mine.csv").read_text() == "my own table\n"


def test_python_gets_the_same(exported, photos, capsys):
    predict(exported, photos)
    model = load_exported(exported, "onnx")
    entries = model.predict_bytes([(photos / name).read_bytes() for name in ("a.JPG", "b.png")])
    assert [{**entry} for entry in entries] == [
        {key: value for key, value in entry.items() if key != "image"} for entry in printed(capsys)
    ]


def test_a_short_range_is_told_to_its_thousandth():
    entry = {"share": 0.12344, "share_interval": [0.05, 0.21]}
    assert kind_of(Task("share", "regression", low=0, high=0.4)).brief(entry) == "0.123 (0.050-0.210)"
    assert kind_of(BUILT_IN["age"]).brief({"age": 31.44}) == "31.4 years"
