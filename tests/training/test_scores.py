import numpy as np
import pytest

from keras_mtl.data import SplitData
from keras_mtl.errors import UserError
from keras_mtl.tasks import BUILT_IN
from keras_mtl.training.scores import Skill, choosing_score, guess_errors

TASKS = {name: BUILT_IN[name] for name in ("age", "smile")}


def test_the_constant_guess_is_the_median_or_the_most_frequent_class():
    pixels = np.zeros((3, 1, 1, 3), np.uint8)
    data = [
        SplitData("one", pixels, ["a", "b", "c"], {"age": np.array([10, 20, np.nan]), "smile": np.array([0, 0, 1])}),
        SplitData("two", pixels[:2], ["d", "e"], {"age": np.array([60.0, np.nan]), "smile": np.array([0, np.nan])}),
    ]
    assert guess_errors(TASKS, data) == {"age": pytest.approx(50 / 3), "smile": 0.25}


def test_a_task_without_a_validation_label_is_one_line():
    data = [SplitData("one", np.zeros((1, 1, 1, 3), np.uint8), ["a"], {"age": np.array([30.0], np.float32)})]
    with pytest.raises(UserError, match="No validation image has a label for smile"):
        guess_errors(TASKS, data)


def test_skill_is_0_for_the_guess_and_1_for_perfection():
    skill = Skill(TASKS, {"age": 12.0, "smile": 0.4})
    for mae, accuracy, expected in ((12.0, 0.6, 0.0), (0.0, 1.0, 1.0), (6.0, 0.6, 0.25)):
        logs = {"val_age_mae": mae, "val_smile_accuracy": accuracy}
        skill.on_epoch_end(0, logs)
        assert logs["val_skill"] == pytest.approx(expected)


def test_no_task_alone_chooses_where_its_guess_is_hard_to_beat():
    # 99 of 100 are of one class: at 10 errors the mean over tasks is still that of two.
    skill, values = Skill(TASKS, {"age": 12.0, "smile": 0.01}), []
    for mae, accuracy in ((3.0, 0.9), (30.0, 0.99), (30.0, 0.5)):
        logs = {"val_age_mae": mae, "val_smile_accuracy": accuracy}
        skill.on_epoch_end(0, logs)
        values.append(logs["val_skill"])
    assert values == pytest.approx([(0.75 - 0.9) / 2, (0.4 - 1 + 0.0) / 2, (0.4 - 1 - 0.98) / 2])


@pytest.mark.parametrize(
    ("ages", "smiles", "left", "score"),
    [
        ([30, 40, 50], [1, 1, 1], ["age"], "val_skill"),
        ([30, 30, 30], [0, 1, np.nan], ["smile"], "val_skill"),
        ([30, 30, np.nan], [0, 0, 0], [], "val_loss"),
    ],
)
def test_labels_that_are_all_alike_are_left_out_and_told(ages, smiles, left, score, capsys):
    pixels = np.zeros((3, 1, 1, 3), np.uint8)
    labels = {"age": np.array(ages, np.float32), "smile": np.array(smiles, np.float32)}
    guesses = guess_errors(TASKS, [SplitData("one", pixels, ["a", "b", "c"], labels)])
    assert choosing_score("val_skill", guesses) == score and choosing_score("val_age_mae", guesses) == "val_age_mae"
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 2 and all(name not in printed[0].split(" of ")[1] for name in left)
    logs = {"val_age_mae": 0.25 * guesses["age"] + 3, "val_smile_accuracy": 0.5}
    Skill(TASKS, guesses).on_epoch_end(0, logs)
    assert ("val_skill" in logs) == bool(left)
    assert abs(logs.get("val_skill", 0)) <= 1
