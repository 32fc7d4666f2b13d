import math

import numpy as np
from audited_pictures import pictures
from hypothesis import given
from hypothesis import strategies as st

from keras_mtl.data.audit.leaks import (
    Duplicate,
    Image,
    conflicts,
    find_duplicates,
    group_numbers,
    leaks,
    removals,
    twins,
)

IMAGES = [
    Image("faces", "train", "a.jpg", {"age": 20.0}),
    Image("faces", "test", "b.jpg", {"age": 30.0}),
    Image("others", "validation", "c.jpg", {"smile": 1.0}),
    Image("faces", "test", "d.jpg", {"age": math.nan}),
]


def pair(first: int, second: int, similarity: float = 1.0) -> Duplicate:
    return Duplicate(first, second, similarity, False, similarity == 1)


def test_a_near_duplicate_of_equal_images_is_paired_with_all_of_them():
    images = pictures(4, seed=0)
    grey = np.stack([images[0], images[0], images[1], images[0] - np.minimum(images[0], 9)])
    found = find_duplicates(grey, ["x", "x", "y", "z"])
    assert [(one.first, one.second, one.exact) for one in found] == [(0, 1, True), (0, 3, False), (1, 3, False)]


def test_an_image_that_cannot_be_read_has_no_duplicate():
    assert find_duplicates(pictures(2, seed=0)[[0, 0]], ["", ""]) == []


def test_a_leak_has_one_image_in_test_and_one_outside():
    assert leaks(IMAGES, [pair(0, 1), pair(1, 2), pair(1, 3), pair(0, 2)]) == [pair(0, 1), pair(1, 2)]


def test_labels_conflict_where_both_are_known_and_differ():
    assert conflicts(IMAGES, [pair(0, 1), pair(1, 2), pair(1, 3)]) == [(pair(0, 1), ["age"])]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.sampled_from([0.9, 0.95, 1.0])), max_size=8))
def test_no_leak_is_left_after_removal_from_either_side(entries):
    leaking = leaks(IMAGES, [pair(min(a, b), max(a, b), like) for a, b, like in entries if a != b])
    for side in ("test", "train"):
        gone = removals(IMAGES, leaking, side)
        names = {row.image for row in gone}
        assert len(names) == len(gone)
        assert all((row.split == "test") == (side == "test") for row in gone)
        assert all({IMAGES[one.first].name, IMAGES[one.second].name} & names for one in leaking)


def test_twins_are_pairs_of_validation_and_train_without_what_is_removed():
    found = [pair(0, 1), pair(0, 2), pair(1, 2), pair(1, 3)]
    assert twins(IMAGES, found) == [pair(0, 2)]
    (row,) = removals(IMAGES, twins(IMAGES, found), "validation")
    assert (row.source, row.split, row.image, row.twin) == ("others", "validation", "c.jpg", "a.jpg")
    assert twins(IMAGES, found, removals(IMAGES, leaks(IMAGES, found), "train")) == []


def test_the_likest_twin_is_named():
    (row,) = removals(IMAGES, [pair(1, 2, 0.91), pair(0, 1, 0.97)], "test")
    assert (row.image, row.twin, row.reason, row.similarity) == ("b.jpg", "a.jpg", "near duplicate", 0.97)


def test_groups_are_connected_pairs():
    groups = group_numbers(5, [pair(0, 1), pair(1, 4)])
    assert groups[0] == groups[1] == groups[4] and len(set(groups)) == 3
