from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from keras_mtl.data.splits import SplitData
from keras_mtl.evaluation.groups import groups_of
from keras_mtl.evaluation.predictions import (
    clusters_of,
    labels_and_predictions,
    predict_split,
    read_predictions,
    write_predictions,
)
from keras_mtl.tasks import Task


@pytest.fixture
def data(images):
    """Two sources: one labels age, the other smile and, for one image, age."""
    first, second = images[:7], images[7:]
    smile = np.array([0, 1, 1, np.nan, 0], np.float32)
    age = np.array([np.nan, 41, np.nan, np.nan, np.nan], np.float32)
    return [
        SplitData("ages", first, [f"a{i}.png" for i in range(7)], {"age": np.arange(7, dtype=np.float32)}),
        SplitData("smiles", second, [f"s{i}.png" for i in range(5)], {"smile": smile, "age": age}),
    ]


@pytest.fixture
def frame(tiny_model, data):
    return predict_split(tiny_model, data, batch_size=4)


def test_table_has_a_row_an_image_with_labels_in_words(frame):
    assert list(frame.columns[:2]) == ["source", "image"]
    assert list(frame["image"]) == [f"a{i}.png" for i in range(7)] + [f"s{i}.png" for i in range(5)]
    assert list(frame["source"]) == ["ages"] * 7 + ["smiles"] * 5
    assert frame["age"].tolist()[:7] == list(range(7))
    assert frame["age"].tolist()[8] == 41 and frame["age"].isna().sum() == 4
    assert frame["smile"].tolist()[7:10] == ["not smiling", "smiling", "smiling"]
    assert frame["smile"].isna().tolist() == [True] * 7 + [False, False, False, True, False]
    assert frame["gender"].isna().all()


def test_groups_stand_in_columns_of_their_own_and_stay_text(tiny_model, data, tmp_path):
    data[0].groups = {"site": ["1", "2", None, "NA", "1", "1", "2"]}
    data[1].groups = {"smile": ["a"] * 5}
    frame = predict_split(tiny_model, data, batch_size=4)
    write_predictions(frame, tmp_path / "test.csv")
    for table in (frame, read_predictions(tmp_path / "test.csv", tiny_model.tasks)):
        assert groups_of(table) == {
            "site": ["1", "2", None, "NA", "1", "1", "2"] + [None] * 5,
            "smile": [None] * 7 + ["a"] * 5,
        }


def test_clusters_stand_in_the_table_and_read_back(tiny_model, data, frame, tmp_path):
    assert "cluster" not in frame and clusters_of(frame).tolist() == list(range(12))
    data[0].clusters, data[1].clusters = np.array([0, 1, 0, 2, 3, 3, 4]), np.array([5, 1, 6, 7, 5])
    told = predict_split(tiny_model, data, batch_size=4)
    assert list(told.columns[:3]) == ["source", "image", "cluster"]
    write_predictions(told, tmp_path / "test.csv")
    for table in (told, read_predictions(tmp_path / "test.csv", tiny_model.tasks)):
        numbers = clusters_of(table)
        assert numbers.dtype == np.int64 and numbers.tolist() == [0, 1, 0, 2, 3, 3, 4, 5, 1, 6, 7, 5]
        # Of some of the rows: from 0 without gaps.
        assert clusters_of(table[table["smile"].notna()]).tolist() == [0, 1, 2, 0]


def test_predictions_are_the_models_own(frame, tiny_model, images):
    decoded = tiny_model.decode(tiny_model.predict(images, verbose=0))
    np.testing.assert_allclose(frame["age_predicted"], decoded["age"], rtol=1e-5)
    np.testing.assert_allclose(frame[["gender_male", "gender_female"]], decoded["gender"], atol=1e-6)
    likeliest = np.where(frame["gender_male"] > frame["gender_female"], "male", "female")
    assert list(frame["gender_predicted"]) == list(likeliest)


def test_only_labelled_images_count_for_a_task(frame, tiny_model):
    labels, predictions = labels_and_predictions(frame, tiny_model.tasks["smile"])
    assert labels.tolist() == [0, 1, 1, 0]
    assert predictions.shape == (4, 2)
    np.testing.assert_allclose(predictions.sum(1), 1, atol=1e-6)
    labels, predictions = labels_and_predictions(frame, tiny_model.tasks["age"])
    assert labels.tolist() == [0, 1, 2, 3, 4, 5, 6, 41] and predictions.shape == (8,)


def test_a_written_table_reads_back_the_same(frame, tiny_model, tmp_path):
    write_predictions(frame, tmp_path / "test.csv")
    again = read_predictions(tmp_path / "test.csv", tiny_model.tasks)
    assert list(again.columns) == list(frame.columns)
    for task in ("age", "smile"):
        for ours, theirs in zip(
            labels_and_predictions(again, tiny_model.tasks[task]),
            labels_and_predictions(frame, tiny_model.tasks[task]),
            strict=True,
        ):
            np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize("classes", [("1", "2"), ("NA", "null"), ("True", "False")])
def test_class_names_that_look_like_something_else_stay_text(tmp_path, classes):
    task = Task("kind", "binary", classes=classes)
    table = {"source": ["s"] * 3, "image": ["a", "b", "c"], "kind": [classes[0], None, classes[1]]}
    frame = pd.DataFrame({**table, "kind_predicted": classes[0]})
    for index, name in enumerate(classes):
        frame[f"kind_{name}"] = [1.0 - index, 0.5, 0.25]
    write_predictions(frame, tmp_path / "p.csv")
    again = read_predictions(tmp_path / "p.csv", {"kind": task})
    assert labels_and_predictions(again, task)[0].tolist() == [0, 1]
