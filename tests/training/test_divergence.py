"""A training that diverges keeps what was good, says how to go on, and goes on from there."""

from __future__ import annotations

import json
import sys

import keras
import numpy as np
import pytest

from keras_mtl import cli, train
from keras_mtl.errors import Diverged, UserError
from keras_mtl.models.divergence import not_finite
from keras_mtl.training import fit
from keras_mtl.training.checkpoint import BestModel, Progress
from keras_mtl.training.config import Config
from keras_mtl.training.fit import train as fill_run_folder
from keras_mtl.training.run_folder import RunFolder
from keras_mtl.values import rank

TINY = {"image_size": 32, "width": 4, "stages": (1,), "batch_size": 16, "precision": "float32", "augment": "none"}


def strict_json(path):
    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    return json.loads(path.read_text(), parse_constant=refuse)


def test_the_last_good_weights_stay_and_are_gone_on_from(tmp_path, monkeypatch, capsys):
    config = Config(
        **TINY,
        **{"tasks": ("smile",), "sources": ("smile=drawn:fraction=0.02",), "epochs": 3, "steps_per_epoch": 4},
        **{"workdir": str(tmp_path), "name": "r", "warmup": 0.0, "schedule": "constant"},
    )
    run = RunFolder(config.run_path)

    def explode(name, learning_rate, steps, warmup):
        """What no net survives, in the second epoch."""
        return keras.optimizers.schedules.PiecewiseConstantDecay([5], [learning_rate, 1e38])

    with monkeypatch.context() as patched:
        patched.setattr(fit, "build_schedule", explode)
        with pytest.raises(Diverged) as first:
            fill_run_folder(config)
        assert first.value.step in (7, 8)  # the first with that rate is the sixth
        message = str(first.value)
        assert f"{run.path} keeps the model of epoch 1" in message and f"--init_from={run.path}" in message
        assert "--warmup above 0" in message and "\n" not in message
        told = strict_json(run.metrics_path)
        assert told == {"diverged": {"step": first.value.step, "task": first.value.task, "what": first.value.what}}
        assert run.diverged and not run.finished and not not_finite(run.load_model().variables)
        # The same again starts from the last good checkpoint, and comes to the same end; this time as a command.
        capsys.readouterr()
        patched.setattr(sys, "argv", ["train", *cli.to_arguments(config)])
        with pytest.raises(SystemExit) as end:
            cli.run_command(lambda config: fill_run_folder(config), Config, "")
        printed = capsys.readouterr()
        assert end.value.code == 2 and printed.err.strip() == f"Error: {message}"
        assert "Going on from epoch 2, step 0" in printed.out
    # The rate was none of the settings here; the one that they have goes well from that checkpoint on.
    train(config)
    told = strict_json(run.metrics_path)
    assert run.finished and "diverged" not in told and len(told["training"]["history"]) == 3
    assert not not_finite(run.load_model().variables)


def test_a_checkpoint_of_before_that_is_not_finite_is_not_gone_on_from(tiny_model, tmp_path, images):
    from keras_mtl.training.checkpoint import Checkpoint

    class Batches:
        steps_per_epoch, first_step = 3, 0

    def fitted(value):
        checkpoint = Checkpoint(tmp_path / "checkpoints", Batches(), Progress())
        tiny_model.compile("sgd", run_eagerly=True)
        checkpoint.set_model(tiny_model)
        checkpoint.read_progress()
        checkpoint.on_train_begin()
        tiny_model.get_layer("age_logits").bias.assign(np.full(121, value))
        return checkpoint

    fitted(1.0).save()
    good = sorted((tmp_path / "checkpoints").iterdir())
    with pytest.raises(Diverged, match="age_logits/bias"):
        fitted(np.nan).save()
    assert sorted((tmp_path / "checkpoints").iterdir()) == good
    bad = fitted(np.nan)
    bad.model.divergence.check = lambda: None  # as it was written before
    bad.save()
    with pytest.raises(UserError, match="is of a training that had diverged, for weights of the branch of age"):
        fitted(1.0)


@pytest.mark.parametrize("score, better", [("val_skill", [0.1, 0.3]), ("val_loss", [2.0, 1.0])])
def test_a_score_that_is_not_finite_never_wins(tmp_path, score, better):
    progress = Progress()
    best = BestModel(tmp_path / "model.keras", score, progress, patience=2)
    kept = []
    best.keep = lambda model: kept.append(len(progress.history))
    values = [np.nan, better[0], np.inf, -np.inf, np.nan]
    best.set_model(type("Model", (), {"stop_training": False})())
    for epoch, value in enumerate(values):
        best.on_epoch_end(epoch, {score: value})
    assert kept == [2] and (progress.best, progress.best_epoch) == (better[0], 2)
    assert best.model.stop_training
    best.on_epoch_end(5, {score: better[1]})
    assert kept == [2, 6]
    assert json.loads(json.dumps(progress.history, allow_nan=False))[0] == {score: None}


def test_what_scores_are_compared_by():
    assert max([np.nan, None, 0.2, np.inf, -3], key=rank) == 0.2
    assert rank(np.float32(0.5)) == 0.5 and rank(-np.inf) == rank(np.nan) == rank(None)
