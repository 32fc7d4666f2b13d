import dataclasses
import json

import keras
import numpy as np
import pytest

import keras_mtl
from keras_mtl.comparison import experiment
from keras_mtl.comparison.config import CompareConfig
from keras_mtl.errors import UserError
from keras_mtl.training import fit, precision_trial
from keras_mtl.training.precision import choose_precision
from keras_mtl.training.run_folder import RunFolder

HAS_IT = "model name : A\nflags : fpu avx512f avx512_bf16\n"
LACKS_IT = "model name : B\nflags : fpu avx2 avx512_bf16_like\n"
CONFIG = keras_mtl.Config(tasks=("smile",))
TINY = keras_mtl.Config(
    tasks=("smile",), sources=("smile=drawn:fraction=0.02",), image_size=32, width=4, stages=(1,), batch_size=8, steps=2
)


class Trial:
    """Stands for the timing: answers as it is told and counts how often it is asked."""

    def __init__(self, ratio):
        self.ratio, self.calls = ratio, 0

    def __call__(self, config, tasks):
        self.calls += 1
        return self.ratio


@pytest.fixture
def cached(tmp_path):
    return dataclasses.replace(CONFIG, cache_dir=str(tmp_path / "cache"))


def choose(config, trial, cpu=HAS_IT, gpus=0):
    return choose_precision(config, config.selected_tasks(), cpu_info=cpu, gpus=gpus, trial=trial)


@pytest.mark.parametrize(("ratio", "expected"), [(0.88, "float32"), (1.02, "float32"), (1.8, "bfloat16")])
def test_the_faster_arithmetic_is_taken_and_timed_once(ratio, expected, cached):
    trial = Trial(ratio)
    for calls in (1, 1):
        precision, reason = choose(cached, trial)
        assert precision == expected and trial.calls == calls
        assert f"{ratio:.2f} times as fast" in reason
    assert choose(dataclasses.replace(cached, width=32), trial)[0] == expected and trial.calls == 2
    choose(cached, trial, cpu=HAS_IT.replace("A", "C"))
    assert trial.calls == 3  # another net, another machine
    choose(dataclasses.replace(cached, seed=3, name="x", epochs=9), trial)
    assert trial.calls == 3


@pytest.mark.parametrize(
    ("wanted", "cpu", "gpus", "expected"),
    [
        ("auto", LACKS_IT, 0, "float32"),
        ("auto", "", 0, "float32"),
        ("auto", "", 1, "bfloat16"),
        ("float32", HAS_IT, 1, "float32"),
        ("bfloat16", "", 0, "bfloat16"),
    ],
)
def test_nothing_is_timed_where_the_answer_is_known(wanted, cpu, gpus, expected, cached):
    trial = Trial(2.0)
    precision, reason = choose(dataclasses.replace(cached, precision=wanted), trial, cpu, gpus)
    assert precision == expected and reason and not trial.calls


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"float32_seconds_to_bfloat16_seconds": "fast"}', "[NaN]"])
def test_a_damaged_cache_file_is_made_anew(content, cached, tmp_path, caplog):
    choose(cached, Trial(2.0))
    (path,) = (tmp_path / "cache").iterdir()
    whole = path.read_text()
    path.write_text(content)
    assert choose(cached, Trial(2.0))[0] == "bfloat16"
    assert path.read_text() == whole and str(path) in caplog.text


def test_a_cache_folder_that_cannot_be_written_ends_no_training(cached, tmp_path, caplog):
    (tmp_path / "cache").write_text("a file")
    assert choose(cached, Trial(2.0))[0] == "bfloat16"
    assert "can't be written" in caplog.text


def test_a_tiny_net_is_not_timed(tmp_path, monkeypatch):
    monkeypatch.setattr(precision_trial, "ratio_of_turns", lambda *steps: pytest.fail("was timed"))
    config = dataclasses.replace(TINY, cache_dir=str(tmp_path))
    precision, reason = choose(config, precision_trial.time_precisions)
    assert precision == "float32" and "too small" in reason and not list(tmp_path.iterdir())


def test_the_trial_times_both_and_leaves_no_trace(monkeypatch):
    monkeypatch.setattr(precision_trial, "LEAST", 0)
    policy = keras.config.dtype_policy().name
    keras.utils.set_random_seed(5)
    expected = np.random.rand(), float(keras.random.normal([]))
    keras.utils.set_random_seed(5)
    assert precision_trial.time_precisions(TINY, TINY.selected_tasks()) > 0
    assert (np.random.rand(), float(keras.random.normal([]))) == expected
    assert keras.config.dtype_policy().name == policy


def test_a_disturbed_turn_decides_nothing(monkeypatch):
    turns = {"slow": iter([2.0, 2.0, 9.0, 2.0, 2.0]), "fast": iter([1.0, 1.0, 1.0, 8.0, 1.0])}
    monkeypatch.setattr(precision_trial, "_seconds", lambda step: next(turns[step()]))
    assert precision_trial.ratio_of_turns(lambda: "slow", lambda: "fast") == 2.0


def trained(tmp_path, monkeypatch, chosen, **settings):
    monkeypatch.setattr(fit, "choose_precision", lambda config, tasks: (chosen, "a made-up trial"))
    return keras_mtl.train(dataclasses.replace(TINY, workdir=str(tmp_path), **settings))


def test_a_run_keeps_what_it_began_with_and_so_does_what_is_pruned_from_it(tmp_path, monkeypatch, capsys):
    run = trained(tmp_path, monkeypatch, "bfloat16", name="a", best_by="val_loss")
    assert "Precision: bfloat16 (a made-up trial)" in capsys.readouterr().out
    assert json.loads(run.manifest_path.read_text())["precision"] == "bfloat16"
    assert run.config().precision == "bfloat16"  # its flags repeat it elsewhere

    run.metrics_path.unlink()  # as if it was stopped
    went_on = trained(tmp_path, monkeypatch, "float32", name="a", best_by="val_loss")
    assert "Precision: bfloat16 (as it began)" in capsys.readouterr().out
    assert went_on.load_model().get_layer("stem_conv").compute_dtype == "bfloat16"

    with pytest.raises(UserError, match="--precision was 'bfloat16'"):
        trained(tmp_path, monkeypatch, "float32", name="a", best_by="val_loss", precision="float32")

    pruned = trained(tmp_path, monkeypatch, "float32", name="b", prune_from=str(run.path))
    assert json.loads(pruned.manifest_path.read_text())["precision"] == pruned.config().precision == "bfloat16"


def test_a_run_of_before_keeps_its_manifests_precision(tmp_path):
    run = RunFolder(tmp_path)
    run.begin(TINY)
    run.write_manifest(TINY, {"precision": "bfloat16"})
    run.update_metrics(training={})
    for precision in ("auto", "bfloat16"):
        RunFolder(run.path).check(dataclasses.replace(run.config(), precision=precision))
    with pytest.raises(UserError, match="other flags"):
        run.check(dataclasses.replace(run.config(), precision="float32"))


def test_a_comparison_chooses_once(tmp_path, monkeypatch):
    answers = iter(["bfloat16", "float32", "float32"])
    monkeypatch.setattr(experiment, "choose_precision", lambda config, tasks: (next(answers), "timed"))
    seen = []

    def stop(cells, *rest):
        seen.append({cell.config.precision for cell in cells})
        (tmp_path / "c" / "cells").mkdir(exist_ok=True)
        raise InterruptedError

    monkeypatch.setattr(experiment, "train_cells", stop)
    config = CompareConfig(**{**vars(TINY), "workdir": str(tmp_path), "name": "c"}, seeds=2)

    def compare():
        with pytest.raises(InterruptedError):
            experiment.compare(config)
        assert len(seen[-1]) == 1
        return seen[-1].pop()

    assert compare() == "bfloat16"
    assert "--precision=bfloat16" in (tmp_path / "c" / "flags.txt").read_text()
    # Another answer later, and nothing trained yet: that one. With a cell there: as it began.
    assert compare() == "float32"
    cell = tmp_path / "c" / "cells" / "multitask-seed0"
    (cell / "checkpoints").mkdir(parents=True)
    (cell / "manifest.json").write_text('{"precision": "bfloat16"}')
    assert compare() == "bfloat16"
