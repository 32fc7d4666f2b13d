"""Exports with files that are missing, cut or changed: told, passed over, and written anew by the next export."""

import json
import logging
import shutil

import numpy as np
import PIL.Image
import pytest
from exported_models import random_model

from keras_mtl.errors import UserError
from keras_mtl.serving import export
from keras_mtl.serving.export import export_model
from keras_mtl.serving.exported import load_exported
from keras_mtl.serving.predict import predict_files
from keras_mtl.serving.server.registry import ModelVersions
from keras_mtl.serving.versions import DESCRIPTION_FILE, MODEL_FILE
from keras_mtl.tasks import BUILT_IN

ONNX = "formats/onnx.onnx"
CLASSES = "assets/smile_classes.txt"


@pytest.fixture(scope="module")
def model():
    return random_model(tasks={name: BUILT_IN[name] for name in ("age", "smile")})


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    return export_model(model, tmp_path_factory.mktemp("saved_models"), name="m", formats=["onnx"])


@pytest.fixture
def version(exported, tmp_path):
    return shutil.copytree(exported, tmp_path / "m" / "1")


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def empty(path):
    path.write_bytes(b"")


def remove(path):
    path.unlink()


WAYS = [
    *((name, way) for name in (MODEL_FILE, ONNX) for way in (cut, flip, empty, remove)),
    *((DESCRIPTION_FILE, way) for way in (cut, empty)),
    (CLASSES, remove),
]


@pytest.mark.parametrize(("name", "way"), WAYS)
def test_the_next_export_writes_a_damaged_version_anew(model, version, name, way, monkeypatch, caplog):
    monkeypatch.setattr(export, "add_version", lambda folder, write: folder / "2")
    again = [model, version.parent.parent]
    assert export_model(*again, name="m", formats=["onnx"]) == version
    way(version / name)
    assert export_model(*again, name="m", formats=["onnx"]) == version.parent / "2"
    (told,) = (record.getMessage() for record in caplog.records if record.levelno == logging.WARNING)
    assert name in told and "the next version is written" in told and "\n" not in told


@pytest.mark.parametrize(("name", "way"), [(MODEL_FILE, cut), (MODEL_FILE, flip), (ONNX, cut), (ONNX, remove)])
def test_a_damaged_file_is_told_by_who_would_read_it(version, name, way):
    way(version / name)
    backend, other = ("tensorflow", "onnx") if name == MODEL_FILE else ("onnx", "tensorflow")
    with pytest.raises(UserError, match=f"{name} is .*: export it again"):
        load_exported(version, backend)
    assert load_exported(version, other).backend.name == other


def test_auto_passes_over_what_is_damaged_and_says_so(version, caplog):
    flip(version / ONNX)
    assert load_exported(version).backend.name == "tensorflow"
    assert "onnx.onnx is not as it was written" in caplog.text


def test_a_version_without_its_model_is_passed_over_with_a_line(version, caplog):
    shutil.copytree(version, version.parent / "2")
    remove(version.parent / "2" / MODEL_FILE)
    assert load_exported(version.parent, "onnx").version == "1"
    assert "has no saved_model.pb; export its run again" in caplog.text


def test_an_export_of_before_has_no_hashes(version):
    description = json.loads((version / DESCRIPTION_FILE).read_text())
    assert {MODEL_FILE, ONNX, CLASSES} <= set(description.pop("files"))
    (version / DESCRIPTION_FILE).write_text(json.dumps(description))
    assert load_exported(version, "onnx").tasks.keys() == {"age", "smile"}
    cut(version / ONNX)
    with pytest.raises(UserError, match="onnx can't load it: .*: export it again"):
        load_exported(version, "onnx")
    remove(version / ONNX)
    with pytest.raises(UserError, match="onnx.onnx is missing"):
        load_exported(version, "onnx")


def test_the_server_takes_the_newest_version_that_works(version, caplog):
    for number in ("2", "3"):
        shutil.copytree(version, version.parent / number)
    remove(version.parent / "3" / MODEL_FILE)
    cut(version.parent / "2" / MODEL_FILE)
    asked = []

    class Loaded:
        def __init__(self, folder, preferred):
            asked.append(folder.name)
            self.exported = load_exported(folder, "tensorflow")

    def load(folder, preferred):
        if folder.name == "3":
            asked.append("3")
            raise UserError("saved_model.pb is missing")
        return Loaded(folder, preferred)

    models = ModelVersions("m", version.parent)
    models.refresh(load, keep_all=False)
    assert list(models.served) == ["1"] and asked == ["3", "2", "1"] and set(models.failures) == {"2", "3"}
    assert caplog.text.count("can't be loaded") == 2
    models.refresh(load, keep_all=False)
    assert asked == ["3", "2", "1"]  # What failed is tried again once it has changed.
    shutil.copy(version / MODEL_FILE, version.parent / "2" / MODEL_FILE)
    models.refresh(load, keep_all=False)
    assert list(models.served) == ["2"] and asked == ["3", "2", "1", "2"]


def test_a_file_of_predictions_goes_on_with_the_backend_that_it_began_with(version, tmp_path, capsys):
    photos = []
    for number in range(3):
        photos.append(str(tmp_path / f"{number}.png"))
        PIL.Image.fromarray(np.full([32, 32, 3], 80 * number, np.uint8)).save(photos[-1])
    out, asked = tmp_path / "out.jsonl", {"model": str(version), "out": str(tmp_path / "out.jsonl")}
    predict_files(**asked, photos=photos[:2], backend="tensorflow")
    predict_files(**asked, photos=photos)  # auto is onnx here.
    assert [json.loads(line)["image"] for line in out.read_text().splitlines()] == photos
    with pytest.raises(UserError, match=r"backend was another"):
        predict_files(**asked, photos=photos, backend="onnx")
    remove(version / ONNX)
    predict_files(**{**asked, "out": str(tmp_path / "b.jsonl")}, photos=photos[:2])
    side = tmp_path / "b.jsonl.made_by.json"
    side.write_text(side.read_text().replace("tensorflow", "onnx"))
    with pytest.raises(UserError, match=r"b.jsonl was begun by the backend 'onnx', which .*missing"):
        predict_files(**{**asked, "out": str(tmp_path / "b.jsonl")}, photos=photos)
