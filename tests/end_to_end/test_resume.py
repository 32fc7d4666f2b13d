"""kill -9 at any moment, the same command again: the run ends as if nothing had happened."""

import json
import os
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import DRAWN, ROOT, TINY

import keras_mtl

FLAGS = [*TINY, f"--sources={DRAWN}", "--epochs=3", "--checkpoint_steps=2", "--dropout=0.2"]
CLOCKED = ("images_per_second", "input_wait")  # the only figures of a run that are no function of its flags


def kill_once(workdir, name: str, checkpoints: int, *flags: str, by: int = signal.SIGKILL) -> int:
    """Starts a training, kills it a moment after it has written so many checkpoints; returns the exit code."""
    arguments = [sys.executable, "-m", "keras_mtl.train", *FLAGS, *flags, f"--workdir={workdir}", f"--name={name}"]
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        index = workdir / name / "checkpoints" / "checkpoint"
        seen: set[str] = set()
        deadline = time.monotonic() + 120
        while len(seen) < checkpoints and process.poll() is None and time.monotonic() < deadline:
            if index.exists():
                seen.add(index.read_text().split("\n")[0])
            time.sleep(0.002)
        process.send_signal(by)
        return process.wait()


def variables(run) -> dict[str, np.ndarray]:
    """Everything in a run's last checkpoint: weights, optimizer, metrics, weighting, seeds."""
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(run / "checkpoints")))
    names = [name for name in reader.get_variable_to_shape_map() if name.startswith("variables/")]
    return {name: reader.get_tensor(name) for name in names}


def history(run) -> list[dict]:
    logs = json.loads((run / "metrics.json").read_text())["training"]["history"]
    return [{name: value for name, value in epoch.items() if name not in CLOCKED} for epoch in logs]


@pytest.mark.slow
@pytest.mark.parametrize("weighting", ["ew", "gradvac"])  # the latter remembers cosines and draws orders
def test_a_killed_training_ends_bit_identical_to_an_unbroken_one(weighting, command, tmp_path):
    balanced = f"--weighting={weighting}"
    command("train", *FLAGS, balanced, f"--workdir={tmp_path}", "--name=whole")
    assert kill_once(tmp_path, "broken", 3, balanced) == -signal.SIGKILL
    assert kill_once(tmp_path, "broken", 5, balanced, by=signal.SIGTERM) == 143
    assert not (tmp_path / "broken" / "metrics.json").exists()
    done = command("train", *FLAGS, balanced, f"--workdir={tmp_path}", "--name=broken")
    assert "Going on from epoch" in done.stdout

    whole, broken = (variables(tmp_path / name) for name in ("whole", "broken"))
    assert whole.keys() == broken.keys() and len(whole) > 100
    for name, value in whole.items():
        np.testing.assert_array_equal(value, broken[name], err_msg=name)
    assert history(tmp_path / "whole") == history(tmp_path / "broken")
    models = [keras.models.load_model(tmp_path / name / "model.keras") for name in ("whole", "broken")]
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_damaged_newest_checkpoint_costs_its_epoch_and_no_digit(tmp_path, capsys):
    config = keras_mtl.Config(
        tasks=("smile",),
        sources=(DRAWN.rpartition(",")[2],),
        image_size=32,
        width=8,
        stages=(1,),
        epochs=2,
        steps_per_epoch=2,
        batch_size=8,
        precision="float32",
        workdir=str(tmp_path / "a[1]"),  # A pattern that doesn't fit itself.
        name="*?",
    )
    run = keras_mtl.train(config)
    whole, epochs = run.load_model().get_weights(), history(run.path)
    run.metrics_path.unlink()
    (data,) = run.checkpoints_path.glob("ckpt-2.data*")
    data.write_bytes(data.read_bytes()[:-1] + b"x")
    capsys.readouterr()
    keras_mtl.train(config)
    told = capsys.readouterr().out
    assert "ckpt-2 is not whole (ckpt-2.data-00000-of-00001 is damaged): going on from ckpt-1" in told
    assert "Going on from epoch 2, step 0" in told
    assert history(run.path) == epochs
    for one, other in zip(run.load_model().get_weights(), whole, strict=True):
        np.testing.assert_array_equal(one, other)


def test_other_flags_do_not_touch_a_run(trained_run, command):
    before = sorted((path, path.stat().st_mtime_ns) for path in trained_run.rglob("*") if path.is_file())
    done = command("train", f"--flagfile={trained_run / 'flags.txt'}", "--epochs=9", check=False, env={**os.environ})
    assert done.returncode == 2 and "--epochs was 2" in done.stderr
    assert before == sorted((path, path.stat().st_mtime_ns) for path in trained_run.rglob("*") if path.is_file())
