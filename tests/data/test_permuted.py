"""Labels that tell nothing: what is permuted, and what stays."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from keras_mtl.data.permuted import permuted
from keras_mtl.data.splits import SplitData


def split(images=40, source="faces"):
    random = np.random.default_rng(0)
    ages = random.integers(1, 90, images).astype(np.float32)
    smiles = random.integers(0, 2, images).astype(np.float32)
    smiles[::3] = np.nan
    pixels = np.zeros([images, 2, 2, 3], np.uint8)
    return SplitData(source, pixels, [str(i) for i in range(images)], {"age": ages, "smile": smiles})


@given(st.integers(0, 50))
def test_labels_move_among_the_labelled_images_only(seed):
    data = split()
    found = permuted(data, ["smile", "gender"], seed)
    np.testing.assert_array_equal(found.labels["age"], data.labels["age"])
    before, after = data.labels["smile"], found.labels["smile"]
    np.testing.assert_array_equal(np.isnan(after), np.isnan(before))
    np.testing.assert_array_equal(np.sort(after), np.sort(before))
    assert set(found.labels) == {"age", "smile"} and found.images is data.images


def test_the_seed_the_source_and_the_task_decide_the_order():
    data = split()
    first = permuted(data, ["age"], 0).labels["age"]
    assert (first != data.labels["age"]).mean() > 0.8
    np.testing.assert_array_equal(first, permuted(data, ["age", "smile"], 0).labels["age"])
    assert (first != permuted(data, ["age"], 1).labels["age"]).any()
    assert (first != permuted(split(source="others"), ["age"], 0).labels["age"]).any()
    np.testing.assert_array_equal(data.labels["age"], split().labels["age"])  # the given split is left alone
