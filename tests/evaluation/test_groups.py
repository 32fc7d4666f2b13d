"""Groups out of predictions: those that a source told, and those that images' names tell."""

import pandas as pd

from keras_mtl.evaluation.groups import groups_for, groups_of, members
from keras_mtl.evaluation.scoring import score
from keras_mtl.tasks import BUILT_IN

FACE = "UTKFace/39_1_2_20170116174525125.jpg.chip.jpg"


def test_groups_that_a_source_told_are_those_of_the_images():
    frame = pd.DataFrame(
        {"source": ["a", "a", "b"], "image": ["1", "2", "3"], "group:site/left": ["x", None, None], "group:none": None}
    )
    assert groups_of(frame) == {"site/left": ["x", None, None]}
    assert groups_of(frame[:0]) == groups_of(frame[["source", "image"]]) == {}


def test_names_tell_the_kinds_that_their_source_does_not():
    frame = pd.DataFrame(
        {
            "source": ["told", "told", "list"],
            "image": [FACE, "40_0_1_2017.jpg", FACE],
            "group:race": ["northern", None, None],
            "group:camera": ["A", "B", None],
        }
    )
    assert groups_of(frame) == {
        "race": ["northern", None, "Asian"],
        "camera": ["A", "B", None],
        "gender": ["female", "male", "female"],
        "age group": ["30–39", "40–49", "30–39"],
    }


def test_a_task_has_no_figures_by_its_own_label():
    frame = pd.DataFrame({"source": ["s"], "image": [FACE]})
    assert list(groups_for(frame, BUILT_IN["age"])) == ["race", "gender"]
    assert list(groups_for(frame, BUILT_IN["gender"])) == ["race", "age group"]


def test_groups_are_listed_by_number_and_name_with_other_last_and_only_the_largest():
    assert list(members(["80+", "100–109", "0–9", None, "20–29"])) == ["0–9", "20–29", "80+", "100–109"]
    assert members(["other", "White", "Asian", None, "White"]) == {"Asian": 1, "White": 2, "other": 1}
    assert members(["c", "b", "a", "b", "c"], most=2) == {"b": 2, "c": 2}
    assert members([None]) == {}


def test_scores_by_group_are_those_of_the_groups_images():
    frame = pd.DataFrame(
        {
            "source": "s",
            "image": [f"{i}.jpg" for i in range(5)],
            "age": [10.0, 20, 30, 40, None],
            "age_predicted": [11.0, 23, 30, 50, 7],
            "group:site": ["a", "a", "b", None, "c"],
        }
    )
    by_site = score(frame, {"age": BUILT_IN["age"]}, resamples=50)["age"]["by_group"]["site"]
    assert {name: (part["images"], part["metrics"]["mae"]["value"]) for name, part in by_site.items()} == {
        "a": (2, 2.0),
        "b": (1, 0.0),
    }
