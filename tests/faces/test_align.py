from __future__ import annotations

import cmath
import math

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_mtl.faces.align import TEMPLATE, align, places, similarity

coordinates = st.floats(-500, 500)
points = st.lists(st.tuples(coordinates, coordinates), min_size=5, max_size=5).filter(
    lambda found: np.std(np.array(found) @ (1, 1j)) > 1
)


@given(points, st.floats(0.1, 10), st.floats(-math.pi, math.pi), coordinates, coordinates)
def test_a_similarity_is_found_again(points, scale, turn, x, y):
    a, b = cmath.rect(scale, turn), complex(x, y)
    moved = a * (np.array(points) @ (1, 1j)) + b
    found = similarity(points, np.stack([moved.real, moved.imag], 1))
    assert found[0] == pytest.approx(a, abs=1e-6) and found[1] == pytest.approx(b, abs=1e-4)


@given(points, st.integers(0, 2**32 - 1))
def test_no_other_similarity_is_nearer(points, seed):
    start, end = np.array(points) @ (1, 1j), TEMPLATE @ (1, 1j)
    a, b = similarity(points, TEMPLATE)
    nearest = np.sum(np.abs(a * start + b - end) ** 2)
    for da, db in np.random.default_rng(seed).normal(size=(8, 2, 2)) @ (1, 1j) * 1e-3:
        assert nearest <= np.sum(np.abs((a + da) * start + b + db - end) ** 2) + 1e-9


@pytest.mark.parametrize("points", [[(3.0, 4.0)] * 5, [(math.nan, 1.0)] * 5])
def test_points_without_a_scale_are_told(points):
    with pytest.raises(ValueError, match="five points"):
        similarity(points, TEMPLATE)


def test_a_margin_is_a_share_of_the_face():
    # A crop without a margin lies in the middle third of one with a margin of 1.
    assert places(300, 1) == pytest.approx(100 + TEMPLATE * 100)


def dotted(size: int, points) -> PIL.Image.Image:
    """White discs at the points, smooth enough to survive any resampling."""
    x, y = np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5)
    nearest = np.min([np.hypot(x - px, y - py) for px, py in points], axis=0)
    pixels = np.uint8(255 * np.exp(-((nearest / (size / 40)) ** 2)))
    return PIL.Image.fromarray(np.repeat(pixels[..., None], 3, -1))


@pytest.mark.parametrize("margin", [0, 0.4])
@pytest.mark.parametrize("scale, turn", [(60, 0), (90, 30), (250, -40), (400, 10), (300, 180)])
def test_points_of_a_turned_and_scaled_face_come_to_the_template(margin, scale, turn):
    found = (TEMPLATE - 0.5) @ (1, 1j) * cmath.rect(scale, math.radians(turn)) + 310 + 290j
    points = np.stack([found.real, found.imag], 1)
    crop = np.asarray(align(dotted(600, points), points, 112, margin))[..., 0].astype(float)
    for x, y in places(112, margin):
        left, top = int(x) - 7, int(y) - 7
        patch = crop[top : top + 15, left : left + 15]
        down, across = np.indices(patch.shape)
        weight = np.maximum(patch - patch.max() / 3, 0)
        assert (weight * (across + 0.5)).sum() / weight.sum() + left == pytest.approx(x, abs=0.5)
        assert (weight * (down + 0.5)).sum() / weight.sum() + top == pytest.approx(y, abs=0.5)


def test_shrinking_averages_and_does_not_pick_pixels():
    stripes = np.zeros((800, 800, 3), np.uint8)
    stripes[:, ::2] = 255
    crop = np.asarray(align(PIL.Image.fromarray(stripes), (TEMPLATE * 800).tolist(), 100, 0.0))
    assert np.ptp(crop[10:-10, 10:-10]) <= 6
    assert crop[50, 50, 0] == pytest.approx(127, abs=4)


def test_a_face_at_its_place_stays_as_it_is():
    photo = PIL.Image.fromarray(np.random.default_rng(3).integers(0, 256, (96, 96, 3), np.uint8))
    crop = align(photo, (TEMPLATE * 96).tolist(), 96, 0.0)
    assert np.abs(np.asarray(crop).astype(int) - np.asarray(photo)).max() <= 1


def test_what_lies_off_the_photo_is_black():
    white = PIL.Image.new("RGB", (100, 100), "white")
    crop = np.asarray(align(white, (TEMPLATE * 100).tolist(), 100, 0.5))
    assert crop[:20].max() == 0 and crop[30:70, 30:70].min() == 255


def test_a_face_off_the_photo_is_told():
    with pytest.raises(ValueError, match="outside"):
        align(PIL.Image.new("RGB", (50, 50)), (TEMPLATE * 40 + 900).tolist(), 64, 0.0)
