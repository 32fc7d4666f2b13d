import numpy as np
import pytest

from keras_mtl.data import SplitData
from keras_mtl.errors import UserError
from keras_mtl.tasks import BUILT_IN
from keras_mtl.training.scores import Skill, guess_errors

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
