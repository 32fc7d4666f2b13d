"""The train command as a user runs it: what it leaves, what it refuses, what it says."""

import contextlib
import csv
import dataclasses
import json
import os
import pty
import subprocess
import sys

import keras
import numpy as np
import pytest
from helpers import DRAWN, ROOT, TINY
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import keras_mtl
from keras_mtl import cli
from keras_mtl.errors import UserError
from keras_mtl.training import Config, RunFolder, train


@pytest.fixture(scope="module")
def emotion_flags(tmp_path_factory):
    """Flags of a CSV source of pictures whose brightness tells the emotion; some of its records are no good."""
    folder = tmp_path_factory.mktemp("emotion")
    rng = np.random.default_rng(0)
    classes = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
    rows = []
    for number in range(280):
        label = number % 7
        pixels = np.clip(rng.normal(30 + 30 * label, 10, (40, 36, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        rows.append((f"{number}.png", classes[label]))
    (folder / "broken.png").write_bytes(b"no picture")
    rows += [("broken.png", "happy"), ("missing.png", "sad"), ("0.png", "bored")]
    with open(folder / "emotion.csv", "w", newline="") as file:
        csv.writer(file).writerows([("image", "emotion"), *rows])
    (folder / "tasks.yaml").write_text(f"- {{name: emotion, kind: multiclass, classes: [{', '.join(classes)}]}}\n")
    return [
        "--tasks=emotion",
        f"--task_file={folder / 'tasks.yaml'}",
        f"--sources=emotion=csv:{folder / 'emotion.csv'}",
    ]


def test_the_run_folder_holds_what_the_design_promises(trained_run):
    for name in ("flags.txt", "manifest.json", "metrics.json", "model.keras", "quarantine.csv", "checkpoints", "logs"):
        assert (trained_run / name).exists()
    assert not list(trained_run.glob("**/.*"))
    manifest = json.loads((trained_run / "manifest.json").read_text())
    assert manifest["versions"]["keras"] == keras.__version__
    assert manifest["precision"] == "float32" and manifest["seed"] == 0
    source = manifest["sources"]["drawn_age"]
    assert source["drawn"] and source["splits"]["train"]["images"] > source["splits"]["validation"]["images"] > 0
    training = json.loads((trained_run / "metrics.json").read_text())["training"]
    assert len(training["history"]) == 2
    assert training["best"] == max(logs["val_skill"] for logs in training["history"])
    assert keras.models.load_model(trained_run / "model.keras").tasks.keys() == {"age", "gender", "smile"}


def tags(run, split: str) -> set[str]:
    """The names of all that a run wrote for TensorBoard."""
    events = EventAccumulator(str(run / "logs" / split), size_guidance={"tensors": 0})
    events.Reload()
    return set(events.Tags()["tensors"])


def test_tensorboard_gets_scalars_by_task_settings_and_samples(trained_run):
    train, validation = tags(trained_run, "train"), tags(trained_run, "validation")
    assert {"age/loss", "age/mae", "gender/accuracy", "smile/accuracy", "loss", "learning_rate"} <= train
    assert {"images_per_second", "input_wait"} <= train
    assert {"age/mae", "smile/accuracy", "skill", "samples/drawn_age", "samples/drawn_smile"} <= validation
    assert "_hparams_/session_start_info" in validation


def test_a_finished_run_is_left_alone(trained_run, command):
    before = (trained_run / "model.keras").stat().st_mtime_ns
    done = command("train", f"--flagfile={trained_run / 'flags.txt'}")
    assert "finished; nothing to do" in done.stdout
    assert (trained_run / "model.keras").stat().st_mtime_ns == before


def test_flags_txt_gives_the_same_numbers_again(trained_run, command, tmp_path):
    command("train", f"--flagfile={trained_run / 'flags.txt'}", f"--workdir={tmp_path}", "--name=again")
    first, again = (keras.models.load_model(path / "model.keras") for path in (trained_run, tmp_path / "again"))
    for one, other in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_declared_task_trains_and_bad_records_are_named(emotion_flags, command, tmp_path):
    done = command(
        "train",
        *TINY,
        *emotion_flags,
        "--epochs=10",
        "--max_bad_share=0.2",
        "--learning_rate=0.01",
        "--augment=none",
        f"--workdir={tmp_path}",
    )
    assert "Warning: 3 records can't be used" in done.stdout
    with open(tmp_path / "emotion" / "quarantine.csv", newline="") as file:
        rows = {row["image"]: row["reason"] for row in csv.DictReader(file)}
    assert len(rows) == 3
    assert "bored" in rows["0.png"] and {"broken.png", "missing.png"} < set(rows)
    training = json.loads((tmp_path / "emotion" / "metrics.json").read_text())["training"]
    assert training["best"] > 0.4  # brightness tells the class: a net that learns at all beats the guess


def test_too_many_bad_records_stop_the_training(emotion_flags, command, tmp_path):
    done = command(
        "train",
        *TINY,
        *emotion_flags,
        "--max_bad_share=0.01",
        f"--workdir={tmp_path}",
        check=False,
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "more than max_bad_share=0.01 allows" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--sources=age=csv:nowhere.csv", "--tasks=age"], "nowhere.csv"),
        (["--sources=age=zip:faces"], "csv, "),
        (["--tasks=age,gender", f"--sources={DRAWN.split(',')[0]}"], "gender"),
        (["--best_by=val_mood"], "--best_by takes one of val_skill"),
        (["--init_from=nothing.keras", f"--sources={DRAWN}"], "--init_from takes"),
        (["--loss_weights=mood=1"], "--loss_weights names 'mood'"),
        (["--heads=age=magic"], "unknown head 'magic'"),
    ],
)
def test_a_wrong_setting_is_one_line_and_leaves_nothing(command, tmp_path, flags, message):
    done = command("train", *TINY, f"--sources={DRAWN}", *flags, f"--workdir={tmp_path}", check=False)
    assert done.returncode == 2
    errors = [line for line in done.stderr.splitlines() if line.startswith("Error:")]
    assert len(errors) == 1 and message in errors[0]
    assert "Traceback" not in done.stderr and not list(tmp_path.iterdir())


def test_a_single_task_net_starts_from_a_multitask_one(trained_run, command, tmp_path):
    done = command(
        "train",
        *TINY,
        "--tasks=smile",
        f"--sources={DRAWN}",
        f"--init_from={trained_run}",
        "--steps=3",
        "--learning_rate=0",
        "--weight_decay=0",
        f"--workdir={tmp_path}",
        "--histograms",
    )
    assert "layers initialised" in done.stdout
    assert {"smile/loss", "smile/accuracy", "weights/stem_conv/kernel"} <= tags(tmp_path / "smile", "train")
    ours = keras.models.load_model(tmp_path / "smile" / "model.keras")
    theirs = keras.models.load_model(trained_run / "model.keras")
    for layer in ours.layers:
        for one, other in zip(layer.trainable_weights, theirs.get_layer(layer.name).trainable_weights, strict=True):
            np.testing.assert_array_equal(one, other)


def test_early_stopping_ends_a_training_that_stands_still(command, tmp_path):
    flags = [
        *TINY,
        "--tasks=smile",
        f"--sources={DRAWN}",
        "--learning_rate=0",
        "--epochs=9",
        "--best_by=val_smile_accuracy",
    ]
    command("train", *flags, "--early_stopping", "--patience=2", "--weight_decay=0", f"--workdir={tmp_path}")
    training = json.loads((tmp_path / "smile" / "metrics.json").read_text())["training"]
    assert len(training["history"]) < 9
    assert len(training["history"]) == training["best_epoch"] + 2
    # As if it had been killed between its last checkpoint and its end.
    (tmp_path / "smile" / "metrics.json").unlink()
    command("train", *flags, "--early_stopping", "--patience=2", "--weight_decay=0", f"--workdir={tmp_path}")
    again = json.loads((tmp_path / "smile" / "metrics.json").read_text())["training"]
    assert again["history"] == training["history"]


def test_train_is_a_function_too(tmp_path):
    run = keras_mtl.train(
        keras_mtl.Config(
            tasks=("gender",),
            sources=("gender=drawn:fraction=0.02",),
            image_size=32,
            width=8,
            stages=(1, 1),
            steps=2,
            batch_size=8,
            precision="float32",
            workdir=str(tmp_path),
        )
    )
    assert isinstance(run, RunFolder) and run.finished


def test_a_terminal_gets_a_bar_and_a_line_for_each_task(tmp_path):
    ours, theirs = pty.openpty()
    flags = [*TINY, f"--sources={DRAWN}", "--steps=4", f"--workdir={tmp_path}"]
    with subprocess.Popen(
        [sys.executable, "-m", "keras_mtl.train", *flags], cwd=ROOT, stdout=theirs, stderr=subprocess.DEVNULL
    ) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # what Linux answers once the other side has closed
            while part := os.read(ours, 4096):
                shown += part
    os.close(ours)
    assert process.returncode == 0
    lines = [line.strip() for line in shown.decode().split("\n")]
    assert any("━" in line and "s left" in line for line in lines)
    for task, unit in (("age", "years"), ("gender", "accuracy"), ("smile", "accuracy")):
        assert any(line.startswith(task) and unit in line and "val" in line for line in lines)


def test_elsewhere_a_line_an_epoch_is_enough(command, tmp_path):
    done = command("train", *TINY, f"--sources={DRAWN}", "--steps=4", f"--workdir={tmp_path}")
    assert "\x1b" not in done.stdout and "\r" not in done.stdout
    assert len([line for line in done.stdout.splitlines() if line.startswith("Epoch")]) == 1
    assert done.stderr == ""


def test_permuted_labels_are_in_the_flags_and_out_of_the_score_that_chooses(tmp_path):
    settings, _ = cli.parse(Config, [*TINY, "--tasks=age,smile", f"--sources={','.join(DRAWN.split(',')[::2])}"])
    run = train(dataclasses.replace(settings, epochs=1, permute_labels=("age",), workdir=str(tmp_path)))
    training = json.loads(run.metrics_path.read_text())["training"]
    (logs,), guesses = training["history"], training["constant_guess_error"]
    error, guess = 1 - logs["val_smile_accuracy"], guesses["smile"]
    skill = guess / error - 1 if error > guess else 1 - error / guess
    assert set(guesses) == {"smile"} and logs["val_skill"] == pytest.approx(skill) and training["best"] == skill
    with pytest.raises(UserError, match=r"other flags \(--permute_labels was \('age',\)\)"):
        train(dataclasses.replace(settings, epochs=1, workdir=str(tmp_path)))
