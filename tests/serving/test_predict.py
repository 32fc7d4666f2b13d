from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from keras_mtl.models import build_model
from keras_mtl.photos import find_photos, read_photo
from keras_mtl.serving.export import export_model
from keras_mtl.serving.exported import load_exported
from keras_mtl.serving.predict import predict_and_print, predict_photos

# Runs the command and prints on stderr which modules of this package it took.
SPY = """
import sys
from keras_mtl import predict
try:
    predict.console()
finally:
    print("MODULES", *(name for name in sys.modules if name.split(".")[0] == "keras_mtl"), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    model = build_model(["age", "smile"], image_size=32, width=4, blocks=(1,), seed=3)
    sources = [{"name": "drawn", "tasks": ["age", "smile"], "drawn": True}]
    return export_model(model, tmp_path_factory.mktemp("saved_models"), name="m", about={"sources": sources})


@pytest.fixture
def photos(tmp_path):
    """A folder with two photos of different sizes and formats, and a text file."""
    folder = tmp_path / "photos"
    folder.mkdir()
    noise(40, 30).save(folder / "b.png")
    noise(64, 64).save(folder / "a.JPG", "JPEG")
    (folder / "notes.txt").write_text("no photo")
    return folder


def noise(width, height, seed=0):
    return PIL.Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def run(*arguments):
    command = [sys.executable, "-c", SPY, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_command_prints_a_json_line_a_photo_and_loads_no_training_code(exported, photos):
    done = run(f"--model={exported.parent}", photos)
    entries = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert [entry["image"] for entry in entries] == [str(photos / "a.JPG"), str(photos / "b.png")]
    for entry in entries:
        assert list(entry) == ["image", "age", "age_interval", "smile", "smile_probabilities"]
        assert 0 <= entry["age"] <= 120
        assert sum(entry["smile_probabilities"].values()) == pytest.approx(1, abs=2e-4)
        assert entry["smile"] == max(entry["smile_probabilities"], key=entry["smile_probabilities"].get)
    assert "drawn faces, not people" in done.stderr
    # keras_mtl.models is not asked for: TensorFlow imports Keras, and Keras's import registers our classes.
    rooms = {name.split(".")[1] for name in done.stderr.split("MODULES")[1].split() if "." in name}
    assert "serving" in rooms and not rooms & {"training", "data", "evaluation", "balancing"}


def test_command_without_a_model_ends_with_one_line_and_code_2(tmp_path, photos):
    done = run(f"--model={tmp_path}/none", photos)
    assert done.returncode == 2
    assert done.stdout == ""
    error, modules = done.stderr.splitlines()
    assert error.startswith("Error: No exported model at") and "none" in error
    assert modules.startswith("MODULES")


def test_outputs_are_those_of_the_signature(exported, photos):
    model = load_exported(exported)
    entries = list(predict_photos(model, find_photos([str(photos)])))
    data = [(photos / name).read_bytes() for name in ("a.JPG", "b.png")]
    outputs = tf.saved_model.load(str(exported)).signatures["serve_bytes"](images=tf.constant(data))
    assert [entry["age"] for entry in entries] == pytest.approx(outputs["age"].numpy().tolist(), abs=0.006)
    assert [entry["smile"].encode() for entry in entries] == outputs["smile_class"].numpy().tolist()


@pytest.mark.parametrize("batch_size", [1, 2, 32])
def test_unreadable_photos_get_an_entry_and_cost_no_other(exported, photos, batch_size):
    whole = (photos / "a.JPG").read_bytes()
    (photos / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (photos / "text.jpg").write_text("no photo")
    names = [str(photos / name) for name in ("b.png", "cut.jpg", "a.JPG", "text.jpg", "absent.jpg")]
    entries = list(predict_photos(load_exported(exported), names, batch_size=batch_size))
    assert [entry["image"] for entry in entries] == names
    assert ["error" in entry for entry in entries] == [False, True, False, True, True]
    assert entries[4]["error"] == "No such file or directory"
    alone = list(predict_photos(load_exported(exported), [names[0], names[2]]))
    assert [entries[0], entries[2]] == alone


def test_printing_tells_a_bad_photo_and_returns_1(exported, photos, capsys):
    (photos / "c.jpg").write_text("no photo")
    code = predict_and_print(model=str(exported), photos=[str(photos)])
    captured = capsys.readouterr()
    assert code == 1
    assert [("error" in json.loads(line)) for line in captured.out.splitlines()] == [False, False, True]
    assert [line for line in captured.err.splitlines() if "c.jpg" in line] == [
        f"Warning: {photos / 'c.jpg'}: is no image"
    ]


def test_table_is_aligned_and_has_units(exported, photos, capsys):
    (photos / "c.jpg").write_text("no photo")
    predict_and_print(model=str(exported), photos=[str(photos)], format="table")
    head, first, _, bad = (line.removeprefix(str(photos)) for line in capsys.readouterr().out.splitlines())
    # Cells stand where their heading does; the heading has no folder in front of its first cell.
    age, smile = (head.index(name) - len(str(photos)) for name in (" age", " smile"))
    assert first[age + 1 :].split()[1] == "years" and first[smile + 1 :].startswith(("smiling (", "not smiling ("))
    assert bad[age + 1 :] == "is no image"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_cameras_orientation_is_honoured(tmp_path, orientation):
    # As the camera stores it: the upright picture turned so that the tag's transposition sets it right.
    upright = PIL.Image.fromarray(np.arange(24 * 16 * 3, dtype=np.uint8).reshape(16, 24, 3))
    inverse = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = upright.transpose(PIL.Image.Transpose(inverse[orientation])) if orientation > 1 else upright
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "p.png", exif=exif)
    pixels = tf.io.decode_image(read_photo(tmp_path / "p.png"), channels=3).numpy()
    np.testing.assert_array_equal(pixels, np.asarray(upright))


def test_an_upright_jpeg_is_sent_as_it_is_and_a_turned_one_as_the_decoder_sees_it_turned(tmp_path):
    exif = PIL.Image.Exif()
    noise(40, 20).save(tmp_path / "up.jpg")
    assert read_photo(tmp_path / "up.jpg") == (tmp_path / "up.jpg").read_bytes()
    exif[0x0112] = 6
    noise(40, 20).save(tmp_path / "turned.jpg", exif=exif)
    pixels = tf.io.decode_image(read_photo(tmp_path / "turned.jpg"), channels=3).numpy()
    assert pixels.shape == (40, 20, 3)
    np.testing.assert_array_equal(pixels, np.rot90(PIL.Image.open(tmp_path / "turned.jpg"), -1))


@pytest.mark.parametrize(
    ("name", "mode"),
    [("p.webp", "RGB"), ("p.gif", "P"), ("p.jpg", "CMYK"), ("p.png", "RGBA"), ("p.tif", "L"), ("p.bmp", "RGB")],
)
def test_other_formats_are_read_too(exported, tmp_path, name, mode):
    noise(20, 30).convert(mode).save(tmp_path / name)
    assert tf.io.decode_image(read_photo(tmp_path / name), channels=3).shape == (30, 20, 3)


def test_a_folder_without_photos_and_no_photo_at_all_are_errors(tmp_path):
    with pytest.raises(ValueError, match="holds no image"):
        find_photos([str(tmp_path)])
    with pytest.raises(ValueError, match="No photo"):
        find_photos([])
