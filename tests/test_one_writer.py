"""Two commands that write to one place: the second gets a line, and touches nothing."""

import dataclasses

import PIL.Image
import pytest
from helpers import DRAWN, held

import keras_mtl
from keras_mtl.audit import AuditConfig
from keras_mtl.audit import main as audit
from keras_mtl.comparison import CompareConfig, compare
from keras_mtl.errors import UserError
from keras_mtl.prepare import PrepareConfig
from keras_mtl.prepare import main as prepare
from keras_mtl.serving.export import export_model

SMILES = DRAWN.rpartition(",")[2]


def train_there(folder, **_):
    config = keras_mtl.Config(tasks=("smile",), sources=(SMILES,), workdir=str(folder.parent), name=folder.name)
    keras_mtl.train(config)


def compare_there(folder, **_):
    compare(CompareConfig(tasks=("smile",), sources=(SMILES,), workdir=str(folder.parent), name=folder.name))


def audit_there(folder, **_):
    audit(AuditConfig(tasks=("smile",), sources=(SMILES,), workdir=str(folder.parent), audit_name=folder.name))


def prepare_there(folder, tmp_path, **_):
    PIL.Image.new("RGB", (9, 9)).save(tmp_path / "0.png")
    (tmp_path / "labels.csv").write_text("image,split,age\n0.png,train,1\n")
    prepare(PrepareConfig(sources=("age=csv:labels.csv",), data_dir=str(tmp_path), format="shards", out=str(folder)))


def export_there(folder, model, **_):
    export_model(model, folder.parent, name=folder.name)


@pytest.mark.parametrize("write", [train_there, compare_there, audit_there, prepare_there, export_there])
def test_the_second_gets_a_line_and_touches_nothing(write, tmp_path, tiny_model):
    folder = tmp_path / "place" / "one"
    with held(folder), pytest.raises(UserError, match=r"process \d+ on .* is writing to .*/one: wait until it") as told:
        write(folder, tmp_path=tmp_path, model=tiny_model)
    assert "\n" not in str(told.value)
    assert [path.name for path in folder.iterdir()] == [".lock"] and [*folder.parent.iterdir()] == [folder]


def test_a_line_and_exit_code_2_by_the_command_itself(tmp_path, command):
    with held(tmp_path / "one"):
        done = command("train", "--tasks=smile", f"--workdir={tmp_path}", "--name=one", check=False)
    assert done.returncode == 2 and done.stdout == "" and len(done.stderr.splitlines()) == 1


def test_a_training_that_holds_its_folder_is_read_by_others(trained_run):
    with held(trained_run):
        run = keras_mtl.training.RunFolder.trained(trained_run)
        assert run.finished and run.load_model().tasks
        assert dataclasses.asdict(run.config())["name"] == trained_run.name
