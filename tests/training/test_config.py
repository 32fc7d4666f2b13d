import pytest

from keras_mtl.errors import UserError
from keras_mtl.training.config import Config
from keras_mtl.training.inputs import available_split

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
