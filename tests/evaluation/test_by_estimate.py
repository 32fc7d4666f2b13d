"""What came of images that a net said the like of, by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_mtl.evaluation.by_estimate import score_by_estimate
from keras_mtl.tasks import BUILT_IN, Task

AGE = BUILT_IN["age"]


def ages(labels, predicted):
    return pd.DataFrame({"age": labels, "age_predicted": predicted})


def test_ages_by_the_decade_of_the_estimate():
    frame = ages([31, 50, 30, np.nan, 116], [30.0, 39.9, 40.0, 35.0, 120.0])
    assert score_by_estimate(frame, {"age": AGE}, {"age": {"half_width": 5.0}}) == {
        "age": [
            {"from": 30, "below": 40, "images": 2, "mae": pytest.approx((1 + 10.1) / 2, abs=1e-4), "covered": 0.5},
            {"from": 40, "below": 50, "images": 1, "mae": 10.0, "covered": 0.0},
            {"from": 110, "below": 120, "images": 1, "mae": 4.0, "covered": 1.0},
        ]
    }
    assert all("covered" not in row for row in score_by_estimate(frame, {"age": AGE}, {})["age"])


def test_classes_by_what_was_said():
    mood = Task("mood", "multiclass", classes=("a", "b", "c"))
    said = np.eye(3)[[0, 0, 0, 2]] * 0.8 + 0.1
    frame = pd.DataFrame(
        {"mood": ["a", "b", None, "c"], **{f"mood_{name}": said[:, i] for i, name in enumerate("abc")}}
    )
    assert score_by_estimate(frame, {"mood": mood}, {}) == {
        "mood": [{"class": "a", "images": 2, "right": 0.5}, {"class": "c", "images": 1, "right": 1.0}]
    }
    assert score_by_estimate(frame.assign(mood=None), {"mood": mood}, {}) == {}


@given(st.lists(st.tuples(st.floats(0, 120), st.floats(-5, 130)), min_size=1, max_size=40))
def test_every_labelled_image_is_in_one_part(pairs):
    labels, predicted = np.array(pairs).T
    rows = score_by_estimate(ages(labels, predicted), {"age": AGE}, {"age": {"half_width": 9.0}})["age"]
    assert sum(row["images"] for row in rows) == len(pairs)
    mean = sum(row["images"] * row["mae"] for row in rows) / len(pairs)
    assert mean == pytest.approx(np.abs(labels - predicted).mean(), abs=1e-3)
    assert [row["from"] for row in rows] == sorted({row["from"] for row in rows})
    assert rows[0]["from"] >= 0 and rows[-1]["below"] <= 120
