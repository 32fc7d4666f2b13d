import dataclasses

import keras
import pytest

from keras_mtl.comparison.cells import rows
from keras_mtl.comparison.config import CompareConfig
from keras_mtl.data.sources import parse_sources
from keras_mtl.errors import UserError
from keras_mtl.models import build_model
from keras_mtl.tasks import select_tasks
from keras_mtl.training import fit
from keras_mtl.training.config import Config
from keras_mtl.training.inputs import available_split
from keras_mtl.training.run_folder import RunFolder
from keras_mtl.values import SEEDS
from keras_mtl.weighting_names import parse_weighting

WHOLE = Config(
    heads=("age=dldl:sigma=3", "smile=softmax"),
    loss_weights=("age=0.2", "gender=2"),
    branch_at=("age:stage4", "smile:stage3"),
    mix=("csv_age=0.5", "csv_smile=0.5"),
    best_by="val_age_mae",
)


def test_the_settings_for_one_task_name_no_other():
    smile = WHOLE.for_tasks(["smile"])
    assert (smile.tasks, smile.heads, smile.loss_weights) == (("smile",), ("smile=softmax",), ())
    assert (smile.branches(), smile.mix, smile.best_by) == ({"smile": "stage3"}, ("size",), "val_skill")
    age = WHOLE.for_tasks(["age"])
    assert age.loss_weight_of() == {"age": 0.2} and age.best_by == "val_age_mae"
    assert Config(mix=("equal",), best_by="val_loss").for_tasks(["age"]).mix == ("equal",)


@pytest.mark.parametrize("entry", ["age", "emotion:stage1", "age:stage1,age:stage2"])
def test_a_wrong_branch_is_one_line(entry):
    with pytest.raises(UserError, match="--branch_at takes TASK:STAGE once for each of age, gender, smile"):
        Config(branch_at=tuple(entry.split(","))).branches()


@pytest.mark.parametrize("value", ["1_0", "infinity", "nan", "１", "", "x"])
def test_numbers_in_lists_are_read_by_one_grammar(value):
    wrong = "takes NAME=NUMBER. Received"
    with pytest.raises(UserError, match=f"--loss_weights {wrong}"):
        Config(loss_weights=(f"age={value}",)).loss_weight_of()
    with pytest.raises(UserError, match=f"--mix {wrong}"):
        Config(mix=(f"drawn_age={value}",)).mix_of()
    with pytest.raises(UserError, match=f"--heads {wrong}"):
        Config(heads=(f"age=dldl:sigma={value}",)).selected_tasks()
    with pytest.raises(UserError, match="A weighting's setting takes numbers"):
        parse_weighting(f"cagrad:c={value}")
    with pytest.raises(UserError, match="Drawn faces' options"):
        parse_sources([f"age=drawn:fraction={value}"], select_tasks(["age"]))


def test_nothing_is_given_twice():
    with pytest.raises(UserError, match="--loss_weights names 'age' twice"):
        Config(loss_weights=("age=1", "age=2")).loss_weight_of()
    with pytest.raises(UserError, match="--heads takes TASK=HEAD once"):
        Config(heads=("age=dldl", "age=dex")).selected_tasks()


@pytest.mark.parametrize("name", ["rlw", "pcgrad", "gradvac", "graddrop"])
def test_seeds_end_where_those_of_keras_do(name):
    assert parse_weighting(f"{name}:seed={SEEDS - 1}").seed == SEEDS - 1
    with pytest.raises(UserError, match=f"a whole number from 0 to {SEEDS - 1} as seed"):
        parse_weighting(f"{name}:seed={SEEDS}")
    with pytest.raises(UserError, match="count up to"):
        rows(CompareConfig(seed=SEEDS - 1, seeds=2))


def test_the_largest_seed_makes_a_model():
    build_model(["age", "smile"], image_size=32, width=8, blocks=(1,), hidden=4, dropout=0.5, seed=SEEDS - 1)
    with pytest.raises(UserError, match="seed must be a whole number"):
        build_model(["age"], seed=SEEDS)


def test_a_run_of_many_tasks_has_a_name_that_file_systems_take(tmp_path):
    config = Config(tasks=tuple(f"an_attribute_of_faces_{number}" for number in range(40)), workdir=str(tmp_path))
    other = dataclasses.replace(config, tasks=(*config.tasks[:-1], "another"))
    assert len(config.run_path.name) <= 160 and config.run_path.name.startswith("an_attribute_of_faces_0-an_")
    assert config.run_path != other.run_path
    run = RunFolder(config.run_path)
    run.begin(config)
    assert run.config() == config
    with pytest.raises(UserError, match="255 bytes at most"):
        RunFolder(tmp_path / ("ä" * 128)).check(config)


def test_validation_stands_in_where_a_task_has_no_test_split(tmp_path):
    for name, splits in (("age", "train test"), ("smile", "train")):
        for split in splits.split():
            (tmp_path / f"{name}_{split}.csv").write_text(f"image,{name}\na.jpg,1\n")
    sources = tuple(f"{name}=csv:{tmp_path}/{name}_{{split}}.csv" for name in ("age", "smile"))
    config = Config(tasks=("age", "smile"), sources=sources)
    tasks = config.selected_tasks()
    assert available_split(config, {"age": tasks["age"]}, "test") == "test"
    assert available_split(config, tasks, "test") == "validation"
    assert available_split(config, {"age": tasks["age"]}, "validation") == "validation"


def test_losses_and_figures_are_float32_whatever_keras_settings_say(monkeypatch, tmp_path):
    class Reached(Exception):
        pass

    def stop(*_):
        raise Reached

    monkeypatch.setattr(fit, "load_inputs", stop)
    keras.config.set_floatx("float16")  # As a Keras home's keras.json may.
    try:
        with pytest.raises(Reached):
            fit.train(Config(workdir=str(tmp_path), precision="float32"))
        assert keras.config.floatx() == "float32"
    finally:
        keras.config.set_floatx("float32")


@pytest.mark.parametrize(
    ("permuted", "message"),
    [
        (("emotion",), "--permute_labels names 'emotion'; the tasks are age, gender, smile"),
        (("age", "gender", "smile"), "--permute_labels must leave one of the tasks as it is: age, gender, smile"),
    ],
)
def test_labels_are_permuted_of_some_tasks_not_of_all_or_others(permuted, message):
    with pytest.raises(UserError, match=message) as caught:
        Config(permute_labels=permuted).told_tasks()
    assert "\n" not in str(caught.value)
    assert Config(permute_labels=("smile",)).told_tasks() == ["age", "gender"]
