"""Groups out of the names of images."""

import pytest

from keras_mtl.evaluation.groups import decade, groups_of, in_order

NAMES = ["UTKFace/39_1_2_20170116174525125.jpg.chip.jpg", "85_0_4_20170116174525125.jpg", "SMILEs/positives/7.jpg"]


def test_utkface_names_tell_race_gender_and_decade():
    assert groups_of(NAMES) == {
        "race": ["Asian", "other", None],
        "gender": ["female", "male", None],
        "age": ["30–39", "80+", None],
    }


def test_names_that_say_nothing_give_no_groups():
    assert groups_of(["a.jpg", "39_1_9_2017.jpg", "39_1_2017.jpg"]) == {}
    assert groups_of([]) == {}


@pytest.mark.parametrize(("age", "expected"), [(0, "0–9"), (9, "0–9"), (10, "10–19"), (79, "70–79"), (116, "80+")])
def test_decades(age, expected):
    assert decade(age) == expected


def test_groups_are_listed_by_age_or_by_name_with_other_last():
    assert in_order("age", ["80+", "100–109", "0–9", None, "20–29"]) == ["0–9", "20–29", "80+", "100–109"]
    assert in_order("race", ["other", "White", "Asian", None, "White"]) == ["Asian", "White", "other"]
