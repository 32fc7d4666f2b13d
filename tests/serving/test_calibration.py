"""Temperatures and intervals that an export learns from its run's validation images."""

import json

import numpy as np
import pandas as pd
import PIL.Image
import pytest
from exported_models import SIZE, TASKS, random_model

from keras_mtl.errors import UserError
from keras_mtl.evaluation.predictions import labels_and_predictions, write_predictions
from keras_mtl.serving.calibration import fit_calibration
from keras_mtl.serving.export import export_model, export_run
from keras_mtl.serving.exported import load_exported
from keras_mtl.serving.predict import predict_files
from keras_mtl.training.config import Config
from keras_mtl.training.run_folder import RunFolder
from keras_mtl.uncertainty.conformal import half_width
from keras_mtl.uncertainty.temperature import at_temperature, fit_temperature

IMAGES = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), np.uint8)


def predicted(images: int = 200, sharpness: float = 3.0, seed: int = 0) -> pd.DataFrame:
    """Made-up predictions: surer than they may be by `sharpness`."""
    random = np.random.default_rng(seed)
    columns: dict = {"source": ["drawn_faces"] * images, "image": [f"{i}.png" for i in range(images)]}
    for name, task in TASKS.items():
        if not task.classes:
            columns[name] = random.uniform(10, 90, images)
            columns[f"{name}_predicted"] = columns[name] + random.normal(0, 5, images)
            continue
        scores = random.normal(0, 1.5, (images, len(task.classes)))
        honest = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
        columns[name] = [task.classes[random.choice(len(task.classes), p=row)] for row in honest]
        sharp = at_temperature(honest, 1 / sharpness)
        columns[f"{name}_predicted"] = [task.classes[best] for best in sharp.argmax(1)]
        columns |= {f"{name}_{label}": sharp[:, index] for index, label in enumerate(task.classes)}
    return pd.DataFrame(columns)


@pytest.fixture
def run(tmp_path):
    folder = RunFolder(tmp_path / "runs" / "tiny")
    folder.begin(Config(name="tiny", data_dir=str(tmp_path / "gone"), tasks=tuple(BUILT), sources=("utkface",)))
    random_model(tasks=BUILT).save(folder.model_path)
    facts = {"tasks": list(BUILT), "licence": "CC0", "description": "", "drawn": True}
    facts["splits"] = {"validation": {"images": 200}}
    folder.write_manifest(folder.config(), {"sources": {"drawn_faces": facts}})
    return folder


BUILT = {name: TASKS[name] for name in ("age", "smile")}


def test_it_fits_what_the_images_allow():
    frame = predicted()
    found = fit_calibration(frame, TASKS, 0.8)
    labels, values = labels_and_predictions(frame, TASKS["age"])
    assert found["age"]["half_width"] == pytest.approx(half_width(labels, values, 0.8), abs=1e-5)
    assert found["age"]["level"] == 0.8 and found["age"]["images"] == 200
    for name in ("smile", "emotion", "stage"):
        fitted = fit_temperature(*labels_and_predictions(frame, TASKS[name]))
        assert found[name] == {"temperature": pytest.approx(fitted, abs=1e-5), "images": 200} and fitted > 2
    assert set(fit_calibration(predicted(20), TASKS)) == {"age"} and fit_calibration(predicted(8), TASKS) == {}
    right = frame.assign(smile=frame["smile_predicted"])
    assert "smile" not in fit_calibration(right, TASKS)


def test_an_exports_answers_have_the_runs_calibration(run, tmp_path):
    write_predictions(predicted(), run.predictions_path / "validation.csv")
    run.keep_score("validation", {})
    version = export_run(run.path, tmp_path / "saved", interval_level=0.95)
    description = json.loads((version / "assets.extra" / "tasks.json").read_text("utf-8"))
    scores, told = description["scores"], description["calibration"]
    assert scores["split"] == "validation" and {"age", "smile"} <= set(scores["tasks"])
    assert sum(row["images"] for row in scores["tasks"]["age"]) == 200 and "covered" in scores["tasks"]["age"][0]
    assert set(told) == {"age", "smile"} and told["age"]["level"] == 0.95
    plain = load_exported(export_run(run.path, tmp_path / "plain", calibrate=False))
    model = load_exported(version)
    assert model.intervals == {"age": 0.95} and plain.intervals == {"age": 0.8}
    assert plain.description["calibration"] == {}
    ours, theirs = (one.readable(one.backend.predict(IMAGES)) for one in (model, plain))
    for mine, other in zip(ours, theirs, strict=True):
        assert mine["age"] == other["age"] and mine["smile"] == other["smile"]
        width = told["age"]["half_width"]
        around = [max(0, mine["age"] - width), min(120, mine["age"] + width)]
        assert mine["age_interval"] == pytest.approx(around, abs=0.06)
        before, after = (np.array([list(one["smile_probabilities"].values())]) for one in (other, mine))
        assert after == pytest.approx(at_temperature(before, told["smile"]["temperature"]), abs=1e-3)


@pytest.mark.parametrize("what", ["none", "another source's", "of before"])
def test_without_the_runs_own_predictions_or_images_it_says_so(run, tmp_path, caplog, what):
    path = run.predictions_path / "validation.csv"
    if what == "another source's":
        write_predictions(predicted().assign(source="others"), path)
    elif what == "of before":
        import os

        write_predictions(predicted(), path)
        os.utime(path, (1, 1))
    version = export_run(run.path, tmp_path / "saved")
    told = json.loads((version / "assets.extra" / "tasks.json").read_text("utf-8"))
    assert told["calibration"] == {}
    assert "Exported without fitted temperatures and intervals" in caplog.text
    with pytest.raises(UserError, match="--interval_level must lie between 0 and 1. Received: 90"):
        export_run(run.path, tmp_path / "saved", interval_level=90)


def test_an_export_of_before_loads_and_is_the_same_as_one_without_calibration(tmp_path):
    model = random_model(tasks=BUILT)
    version = export_model(model, tmp_path, name="m")
    path = version / "assets.extra" / "tasks.json"
    told = json.loads(path.read_text("utf-8"))
    del told["calibration"], told["scores"]
    path.write_text(json.dumps(told), "utf-8")
    assert load_exported(version).intervals == {"age": 0.8}
    assert export_model(model, tmp_path, name="m") == version


def test_a_file_of_predictions_is_not_gone_on_with_by_another_calibration(tmp_path):
    model = random_model(tasks=BUILT)
    plain = export_model(model, tmp_path, name="m")
    fitted = {"age": {"half_width": 9.5, "level": 0.9, "images": 99}}
    calibrated = export_model(model, tmp_path, name="m", calibration=fitted)
    assert calibrated != plain
    PIL.Image.fromarray(IMAGES[0]).save(tmp_path / "a.png")
    asked = {"photos": [str(tmp_path / "a.png")], "out": str(tmp_path / "out.csv")}
    assert predict_files(model=str(calibrated), **asked) == 0
    (row,) = pd.read_csv(tmp_path / "out.csv").to_dict("records")
    ends = [max(0, row["age"] - 9.5), min(120, row["age"] + 9.5)]
    assert [row["age_low"], row["age_high"]] == pytest.approx(ends, abs=0.11)
    with pytest.raises(UserError, match="made by another model"):
        predict_files(model=str(plain), **asked)
