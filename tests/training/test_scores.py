import numpy as np
import pytest

from keras_mtl.tasks import BUILT_IN
from keras_mtl.training.scores import Skill, guess_errors

TASKS = {name: BUILT_IN[name] for name in ("age", "smile")}


def test_the_constant_guess_is_the_median_or_the_most_frequent_class():
    labels = {"age": [np.array([10, 20, np.nan]), np.array([60.0])], "smile": [np.array([0, 0, 0, 1, np.nan])]}
    assert guess_errors(TASKS, labels) == {"age": pytest.approx(50 / 3), "smile": 0.25}


def test_skill_is_0_for_the_guess_and_1_for_perfection():
    skill = Skill(TASKS, {"age": 12.0, "smile": 0.4})
    for mae, accuracy, expected in ((12.0, 0.6, 0.0), (0.0, 1.0, 1.0), (6.0, 0.6, 0.25)):
        logs = {"val_age_mae": mae, "val_smile_accuracy": accuracy}
        skill.on_epoch_end(0, logs)
        assert logs["val_skill"] == pytest.approx(expected)
