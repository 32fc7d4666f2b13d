from __future__ import annotations

import dataclasses
import json

import pandas as pd
import pytest

from keras_mtl.evaluation.evaluate import evaluate_run, split_to_score
from keras_mtl.training.config import Config
from keras_mtl.training.run_folder import RunFolder

SOURCES = ("age=drawn:fraction=0.02", "smile=drawn:fraction=0.02", "age+smile=csv:faces/{split}.csv")


@pytest.fixture
def run(tmp_path, images):
    """A run folder with an untrained model, and two photos, one of them missing, as a third source."""
    import tensorflow as tf

    import keras_mtl

    for split in ("train", "test"):
        (tmp_path / "faces").mkdir(exist_ok=True)
        names = [f"{split}{number}.png" for number in range(6)]
        for name, image in zip(names, images, strict=False):
            tf.io.write_file(str(tmp_path / name), tf.io.encode_png(image))
        frame = pd.DataFrame({"image": names, "age": [20, 30, None, 50, 60, 70], "smile": ["smiling", None] * 3})
        if split == "test":
            frame.loc[6] = ["gone.png", 44, None]
        frame.to_csv(tmp_path / "faces" / f"{split}.csv", index=False)
    folder = RunFolder(tmp_path / "runs" / "r")
    config = Config(
        tasks=("age", "smile"), sources=SOURCES, image_size=32, data_dir=str(tmp_path), max_bad_share=0.5, name="r"
    )
    folder.begin(config)
    model = keras_mtl.build_model(["age", "smile"], image_size=32, width=8, blocks=(1, 1), precision="float32")
    model.save(folder.model_path)
    folder.update_metrics(training={"best": 0.5}, validation={"older": 1})
    return folder


def test_evaluation_fills_the_run_folder_and_prints_a_table(run, capsys):
    result = evaluate_run(run.path, "test", resamples=200)
    printed = capsys.readouterr().out
    assert "split 'test'" in printed and "1 quarantined" in printed
    assert "drawn_age, drawn_smile: drawn faces, not people" in printed
    metrics = json.loads(run.metrics_path.read_text())
    assert metrics["training"] == {"best": 0.5} and metrics["validation"] == {"older": 1}
    assert metrics["test"] == json.loads(json.dumps(result))
    assert result["quarantined"] == 1 and result["drawn"] == ["drawn_age", "drawn_smile"]
    assert "gone.png" in run.quarantine_path.read_text() and b"\r" not in run.quarantine_path.read_bytes()

    frame = pd.read_csv(run.predictions_path / "test.csv")
    assert len(frame) == result["images"] and frame["cluster"].nunique() == result["clusters"]
    labelled = frame.dropna(subset="age")
    age = result["tasks"]["age"]
    assert age["images"] == len(labelled)
    mae = age["metrics"]["mae"]
    assert mae["value"] == pytest.approx((labelled["age"] - labelled["age_predicted"]).abs().mean(), rel=1e-5)
    assert mae["low"] < mae["value"] < mae["high"]
    assert set(age["by_source"]) == {"drawn_age", "csv_age_smile"} and age["by_source"]["csv_age_smile"]["images"] == 5
    smile = frame.dropna(subset="smile")
    accuracy = result["tasks"]["smile"]["metrics"]["accuracy"]["value"]
    assert accuracy == pytest.approx((smile["smile"] == smile["smile_predicted"]).mean())
    # Photos that are labelled for one class only leave AUC undefined.
    assert result["tasks"]["smile"]["by_source"]["csv_age_smile"]["metrics"]["roc_auc"]["value"] is None
    assert "smile [csv_age_smile] roc_auc: undefined" in printed


def test_pictures_of_one_person_are_counted_as_one_cluster(run, tmp_path, capsys):
    rows = [f"test{i}.png,test,{20 + i},{'ann' if i % 2 else ''}" for i in range(6)]
    (tmp_path / "people.csv").write_text("\n".join(["image,split,age,identity", *rows, "test0.png,test,21,"]))
    (tmp_path / "smiles.csv").write_text("image,split,smile\ntest2.png,test,0\n")
    sources = ["age=csv:people.csv", "smile=csv:smiles.csv"]
    result = evaluate_run(run.path, sources=sources, resamples=20)
    assert pd.read_csv(run.predictions_path / "test.csv")["cluster"].tolist() == [0, 1, 2, 1, 3, 1, 0, 2]
    assert result["clusters"] == 4 and result["images"] == 8
    assert "8 images of csv_age, csv_smile, in 4 clusters of one person or photo" in capsys.readouterr().out


def test_evaluating_again_and_on_another_split_keeps_what_is_there(run):
    silent = {"resamples": 20, "tell": lambda text: None}
    first = evaluate_run(run.path, "test", **silent)
    evaluate_run(run.path, "validation", **silent)
    assert evaluate_run(run.path, "test", **silent) == first
    metrics = json.loads(run.metrics_path.read_text())
    assert metrics["test"] == json.loads(json.dumps(first))
    assert metrics["validation"]["older"] == 1 and metrics["validation"]["images"] > 0
    assert run.quarantine_path.read_text().count("gone.png") == 1
    assert sorted(path.name for path in run.predictions_path.iterdir()) == ["test.csv", "validation.csv"]


def test_killed_before_its_figures_are_written_a_split_is_not_scored(run, monkeypatch):
    """The predictions that lie there are not those of the figures."""
    silent = {"resamples": 20, "tell": lambda text: None}
    evaluate_run(run.path, "test", **silent)
    assert run.scored("test")["images"] > 0 and run.scored("validation") is None

    def die(*args, **entries):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(RunFolder, "update_metrics", die)
        evaluate_run(run.path, "test", sources=["age+smile=csv:faces/{split}.csv"], **silent)
    assert run.scored("test") is None
    evaluate_run(run.path, "test", **silent)
    assert run.scored("test")
    run.model_path.write_bytes(run.model_path.read_bytes() + b"other")
    assert run.scored("test") is None


def test_a_validation_split_that_is_another_than_the_trainings_is_told(run, caplog):
    silent = {"resamples": 20, "tell": lambda text: None}
    before = 10**6
    for expected in (1, 0):
        run.write_manifest(run.config(), {"sources": {"drawn_age": {"splits": {"validation": {"images": before}}}}})
        caplog.clear()
        evaluate_run(run.path, "validation", **silent)
        told = [text for text in caplog.messages if "when the run was trained" in text]
        assert len(told) == expected
        now = int((pd.read_csv(run.predictions_path / "validation.csv")["source"] == "drawn_age").sum())
        assert all(f"drawn_age, validation: {now} images, and {before} when" in text for text in told)
        before = now


def test_other_sources_than_the_trainings(run):
    result = evaluate_run(
        run.path, "test", sources=["age+smile=csv:faces/{split}.csv"], resamples=20, tell=lambda text: None
    )
    assert result["sources"] == ["csv_age_smile"] and not result["drawn"]
    assert "by_source" not in result["tasks"]["age"]


def test_what_cannot_be_evaluated_is_named(run, tmp_path):
    with pytest.raises(ValueError, match="no run folder"):
        evaluate_run(tmp_path / "nothing")
    (tmp_path / "faces" / "train.csv").unlink()
    with pytest.raises(ValueError, match="split 'validation'.*csv_age_smile has test"):
        evaluate_run(run.path, "validation", sources=["age+smile=csv:faces/{split}.csv"])
    run.model_path.unlink()
    with pytest.raises(ValueError, match="no model.keras"):
        evaluate_run(run.path)


def test_command_answers_a_wrong_split_and_a_missing_run_in_one_line(command, tmp_path):
    wrong = command("evaluate", f"--run={tmp_path}", "--split=tset", check=False)
    assert wrong.returncode == 2 and len(wrong.stderr.splitlines()) == 1 and "test" in wrong.stderr
    missing = command("evaluate", f"--run={tmp_path / 'x'}", check=False)
    assert missing.returncode == 2 and "no run folder" in missing.stderr


def test_without_a_test_split_validation_is_scored_and_it_is_said(run, tmp_path, capsys):
    sources = ["age+smile=csv:faces/train.csv"]
    result = evaluate_run(run.path, sources=sources, resamples=20)
    printed = capsys.readouterr().out
    assert "There is no test split: scored on validation" in printed and "split 'validation'" in printed
    assert json.loads(run.metrics_path.read_text())["validation"]["images"] == result["images"] > 0
    assert not (run.predictions_path / "test.csv").exists()
    config = dataclasses.replace(run.config(), sources=("age=csv:faces/train.csv", "smile=csv:faces/{split}.csv"))
    assert split_to_score(config, config.selected_tasks(), "test", print) == "test"
    assert "no test split for age" in capsys.readouterr().out
    assert split_to_score(config, config.selected_tasks(), "train", print) == "train"
