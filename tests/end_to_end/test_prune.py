"""The prune command as a user runs it: what it leaves, what it says, what it refuses."""

import json
import re

import keras
import numpy as np
import pytest
from helpers import DRAWN, TINY, run_command

import keras_mtl
from keras_mtl.data.sources import parse_sources
from keras_mtl.data.splits import load_split
from keras_mtl.errors import UserError
from keras_mtl.pruning.retraining import prune, retraining_config
from keras_mtl.pruning.settings import PruneConfig
from keras_mtl.training import RunFolder


@pytest.fixture(scope="module")
def pruned(trained_run, tmp_path_factory):
    """Runs of what is left for age: frozen and retrained, and only removed; with what the commands printed."""
    workdir = tmp_path_factory.mktemp("pruned")
    common = [f"--run={trained_run}", "--keep=age", f"--workdir={workdir}"]
    said = {
        "frozen": run_command("prune", *common, "--freeze=trunk", "--epochs=1", "--name=frozen").stdout,
        "removed": run_command("prune", *common, "--epochs=0", "--name=removed").stdout,
    }
    return workdir, said


def weights(run) -> dict[str, list[np.ndarray]]:
    model = RunFolder.trained(run).load_model()
    return {layer.name: layer.get_weights() for layer in model.layers if layer.weights}


def test_it_says_what_went_and_scores_before_and_after(pruned):
    workdir, said = pruned
    for text in said.values():
        assert "removed the branches of gender, smile" in text
        assert {"layers", "parameters", "FLOPs", "megabytes"} <= {line.split("  ")[0] for line in text.splitlines()}
        assert "On split 'test'" in text and "before" in text and "after" in text
    metrics = json.loads((workdir / "frozen" / "metrics.json").read_text())
    assert metrics["before"]["test"]["tasks"].keys() == metrics["test"]["tasks"].keys() == {"age"}
    assert metrics["before"]["test"]["tasks"]["age"]["metrics"] != metrics["test"]["tasks"]["age"]["metrics"]


def test_only_removing_leaves_the_multitask_nets_own_predictions(pruned, trained_run):
    workdir, _ = pruned
    tasks = keras_mtl.select_tasks(["age"])
    [data], _ = load_split(parse_sources(["age=drawn:fraction=0.02"], tasks), tasks, "test", image_size=32)
    whole = RunFolder.trained(trained_run).load_model().predict(np.asarray(data.images), verbose=0)["age"]
    left = keras.models.load_model(workdir / "removed" / "model.keras").predict(np.asarray(data.images), verbose=0)
    assert list(left) == ["age"]
    np.testing.assert_array_equal(left["age"], whole)
    metrics = json.loads((workdir / "removed" / "metrics.json").read_text())
    assert metrics["before"]["test"]["tasks"] == metrics["test"]["tasks"]
    assert metrics["training"]["images"] == 0 and metrics["training"]["history"] == []


def test_a_frozen_trunk_is_the_multitask_nets_to_the_bit_and_the_branch_has_learnt(pruned, trained_run):
    before, after = weights(trained_run), weights(pruned[0] / "frozen")
    assert after.keys() < before.keys()
    for name, values in after.items():
        same = [np.array_equal(old, new) for old, new in zip(before[name], values, strict=True)]
        assert not any(same) if name == "age_logits" else all(same), name


def test_the_run_folder_is_like_any_other(pruned, command, tmp_path):
    workdir, _ = pruned
    command("evaluate", f"--run={workdir / 'frozen'}", "--split=validation")
    command("export", f"--run={workdir / 'frozen'}", f"--directory={tmp_path}")
    assert (tmp_path / "frozen" / "1" / "saved_model.pb").exists()
    again = command("train", f"--flagfile={workdir / 'frozen' / 'flags.txt'}", f"--workdir={tmp_path}", "--name=again")
    assert "finished" not in again.stdout
    theirs, ours = weights(workdir / "frozen"), weights(tmp_path / "again")
    for name, values in theirs.items():
        for old, new in zip(values, ours[name], strict=True):
            np.testing.assert_array_equal(old, new)


def test_the_same_command_again_changes_nothing(pruned, trained_run, command):
    workdir, _ = pruned
    before = (workdir / "frozen" / "model.keras").stat().st_mtime_ns
    common = [f"--run={trained_run}", "--keep=age", f"--workdir={workdir}"]
    done = command("prune", *common, "--freeze=trunk", "--epochs=1", "--name=frozen")
    assert "finished; nothing to do" in done.stdout
    assert (workdir / "frozen" / "model.keras").stat().st_mtime_ns == before


def test_it_takes_a_keras_file_and_cuts_the_trunk(trained_run, command, tmp_path):
    sources = ",".join(f"{task}=drawn:fraction=0.02" for task in ("gender", "smile"))
    flags = [f"--run={trained_run / 'model.keras'}", "--keep=gender,smile", "--branch_at=smile:stage2", "--epochs=1"]
    command("prune", *flags, f"--sources={sources}", f"--workdir={tmp_path}", "--batch_size=16", "--name=two")
    model = keras.models.load_model(tmp_path / "two" / "model.keras")
    assert keras_mtl.models.branches.branch_points(model) == {"gender": "pool", "smile": "stage2"}


def test_scratch_trains_a_single_net_that_owes_nothing_to_the_multitask_one(trained_run, command, tmp_path):
    flags = [f"--run={trained_run}", "--keep=age", "--init=scratch", "--epochs=1", f"--workdir={tmp_path}"]
    command("prune", *flags, "--name=scratch")
    command(
        "train",
        *TINY,
        f"--sources={DRAWN}",
        "--tasks=age",
        "--epochs=1",
        "--learning_rate=3e-4",
        f"--workdir={tmp_path}",
        "--name=single",
    )
    scratch, single = weights(tmp_path / "scratch"), weights(tmp_path / "single")
    for name, values in single.items():
        for old, new in zip(values, scratch[name], strict=True):
            np.testing.assert_array_equal(old, new)


def test_a_users_mistake_is_one_line_and_exit_code_2(trained_run, command, tmp_path):
    done = command("prune", f"--run={trained_run}", "--keep=emotion", f"--workdir={tmp_path}", check=False)
    assert done.returncode == 2 and "no task 'emotion' to keep; its tasks are age, gender, smile" in done.stderr
    assert done.stderr.strip().count("\n") == 0 and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"run": ""}, "No trained net given"),
        ({"run": "nowhere"}, "--run takes a run folder with a model or a .keras file"),
        ({"keep": ()}, "No task to keep: name some of age, gender, smile"),
        ({"branch_at": ("age:stage9",)}, "no layer 'stage9'; its stages are stem"),
        ({"branch_at": ("smile:stage1",)}, "--branch_at takes TASK:STAGE once for each of age"),
        ({"freeze": "stage9"}, "freeze takes none, trunk, stem"),
        ({"name": "tiny", "workdir": ""}, "choose another --name"),
        ({"run": "{run}/model.keras", "init": "scratch"}, "--init=scratch needs a run folder"),
    ],
)
def test_every_mistake_is_met_before_anything_is_written(trained_run, settings, message, tmp_path):
    given = {"run": "{run}", "keep": ("age",), "workdir": str(tmp_path), **settings}
    given["run"] = given["run"].replace("{run}", str(trained_run))
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        prune(PruneConfig(**given))
    assert "\n" not in str(caught.value) and not list(tmp_path.iterdir())


def test_each_way_to_cut_the_same_net_has_a_name_of_its_own(trained_run):
    model = RunFolder.trained(trained_run).load_model()
    ways = {
        "tiny-age": {},
        "tiny-age-trunk-frozen": {"freeze": "trunk"},
        "tiny-age-removed": {"epochs": 0},
        "tiny-age-at-stage2-scratch": {"branch_at": ("age:stage2",), "init": "scratch"},
        "mine": {"freeze": "trunk", "name": "mine"},
    }
    for name, settings in ways.items():
        settings = PruneConfig(run=str(trained_run), keep=("age",), **settings)
        assert retraining_config(settings, model).name == name
