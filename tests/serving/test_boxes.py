"""Predictions drawn on photos: what they say is never painted over a face."""

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_mtl.kinds import kind_of
from keras_mtl.serving.boxes import LONGEST_SIDE, SHORTEST_SIDE, draw, place_labels
from keras_mtl.tasks import BUILT_IN

KINDS = {"smile": kind_of(BUILT_IN["smile"])}
SMILING = {"smile": "smiling", "smile_probabilities": {"smiling": 0.93, "not smiling": 0.07}}

side = st.floats(-20, 220)
box = st.tuples(side, side, st.floats(5, 200), st.floats(5, 200)).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3]))


def apart(one, other):
    return one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


@given(st.lists(st.tuples(box, st.tuples(st.floats(5, 90), st.floats(5, 40))), max_size=6))
def test_labels_cover_no_face_and_no_other_label(faces):
    boxes, labels = [one for one, _ in faces], [label for _, label in faces]
    placed = [label for label in place_labels((200, 160), boxes, labels) if label]
    for number, label in enumerate(placed):
        assert min(label[:2]) >= 0 and label[2] <= 200 and label[3] <= 160
        assert all(apart(label, other) for other in [*boxes, *placed[:number]])


def test_a_label_is_placed_where_there_is_room():
    below, above, right = (20, 20, 60, 60), (20, 120, 60, 158), (20, 10, 60, 158)
    places = [place_labels((200, 160), [one], [(50, 20)])[0] for one in (below, above, right, (0, 0, 200, 160))]
    assert places == [(20, 60, 70, 80), (20, 100, 70, 120), (60, 10, 110, 30), None]


@pytest.mark.parametrize("size", [(64, 48), (900, 1200), (4000, 1500)])
def test_no_pixel_of_a_face_that_fills_the_photo_is_painted_over(size):
    """As on a crop of 64 pixels, where words stood over the mouth that they spoke of."""
    random = np.random.default_rng(0)
    photo = PIL.Image.fromarray(random.integers(100, 200, (size[1], size[0], 3), np.uint8))
    bare = draw(photo, [], KINDS)
    assert SHORTEST_SIDE <= max(bare.size) <= LONGEST_SIDE
    whole = draw(photo, [SMILING], KINDS)
    assert whole.height > bare.height and whole.crop((0, 0, *bare.size)).tobytes() == bare.tobytes()
    framed = draw(photo, [{**SMILING, "box": [0, 0, *size]}], KINDS)
    low, high = bare.height // 2, bare.height - 6
    inner = (6, low, bare.width - 6, high)
    assert framed.height > bare.height and framed.crop(inner).tobytes() == bare.crop(inner).tobytes()
