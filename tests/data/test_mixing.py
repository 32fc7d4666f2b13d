"""How many images of each source a batch holds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mtl.data.mixing import images_per_batch
from keras_mtl.data.splits import SplitData


def make_data(*sizes):
    pixels = np.zeros([0, 1, 1, 3], np.uint8)
    return [SplitData(f"source{i}", pixels, ["face"] * size, {}) for i, size in enumerate(sizes)]


@pytest.mark.parametrize(
    "sizes, batch_size, mix, counts",
    [
        ((3707, 4548, 4548), 64, "size", [18, 23, 23]),
        ((3707, 4548, 4548), 64, "equal", [22, 21, 21]),
        ((1, 1000), 8, "size", [1, 7]),
        ((1, 1, 1000), 3, "size", [1, 1, 1]),
        ((10, 10), 8, {"source0": 3, "source1": 1}, [6, 2]),
        ((10, 10), 8, {"source0": 1, "source1": 1e-9}, [7, 1]),
    ],
)
def test_counts_follow_the_mix(sizes, batch_size, mix, counts):
    assert images_per_batch(make_data(*sizes), batch_size, mix) == counts


@given(
    sizes=st.lists(st.integers(1, 500), min_size=1, max_size=5),
    batch_size=st.integers(5, 70),
    mix=st.sampled_from(["size", "equal"]),
)
@settings(max_examples=50, deadline=None)
def test_counts_fill_the_batch_and_are_within_one_of_the_share_or_one(sizes, batch_size, mix):
    counts = np.array(images_per_batch(make_data(*sizes), batch_size, mix))
    shares = np.array(sizes if mix == "size" else [1] * len(sizes))
    quotas = batch_size * shares / shares.sum()
    assert counts.sum() == batch_size
    assert (counts >= 1).all()
    if (quotas >= 1).all():
        assert (np.abs(counts - quotas) < 1).all()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"batch_size": 1}, "batch_size must be at least the number of sources, 2"),
        ({"mix": "fair"}, "Received: 'fair'"),
        ({"mix": {"source0": 1, "sauce1": 1}}, "source0, source1"),
        ({"mix": {"source0": 1}}, "a ratio over 0 for each source"),
        ({"mix": {"source0": 1, "source1": 0}}, "a ratio over 0"),
    ],
)
def test_wrong_settings_are_told(options, message):
    with pytest.raises(ValueError, match=message):
        images_per_batch(make_data(3, 3), **{"batch_size": 4, "mix": "equal", **options})
