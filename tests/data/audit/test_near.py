import cv2
import numpy as np
import pytest
from audited_pictures import pictures
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mtl.data.audit import near
from keras_mtl.data.audit.near import near_duplicates

ALTERED = {
    "half size": lambda image: cv2.resize(cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA), (64, 64)),
    "JPEG": lambda image: cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], 0),
    "crop": lambda image: cv2.resize(image[3:61, 3:61], (64, 64)),
    "mirror": lambda image: image[:, ::-1],
    "darker": lambda image: (image * 0.7).astype(np.uint8),
    "crop and mirror": lambda image: cv2.resize(image[:, ::-1][6:64, 0:58], (64, 64)),
}


@pytest.mark.parametrize("alteration", ALTERED)
def test_altered_pictures_are_paired_with_their_originals_and_with_no_other(alteration):
    originals = pictures(60, seed=1)
    altered = np.stack([ALTERED[alteration](image) for image in originals[:20]])
    pairs = near_duplicates(np.concatenate([originals, altered]))
    assert {(pair.first, pair.second) for pair in pairs} == {(i, 60 + i) for i in range(20)}
    assert all(pair.mirrored == ("mirror" in alteration) for pair in pairs)


def test_different_pictures_are_no_pairs():
    assert near_duplicates(pictures(300, seed=2)) == []


def test_pictures_of_one_grey_and_too_few_pictures_have_no_pairs():
    assert near_duplicates(np.full((5, 64, 64), 90, np.uint8)) == []
    assert near_duplicates(np.zeros((0, 64, 64), np.uint8)) == []
    assert near_duplicates(pictures(1, seed=0)) == []


def test_twins_that_share_their_shading_but_not_their_structure_are_no_pair():
    """As two aligned faces do: 16x16 pixels of each are nearly the same."""
    image = pictures(1, seed=3)[0].astype(np.float32)
    rough = cv2.GaussianBlur(image, (0, 0), 4)
    rng = np.random.default_rng(0)
    twins = [rough + cv2.GaussianBlur(rng.normal(0, 60, (64, 64)).astype(np.float32), (0, 0), 1) for _ in range(2)]
    assert near_duplicates(np.clip(twins, 0, 255).astype(np.uint8)) == []


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(12)))
def test_the_order_of_the_pictures_does_not_matter(order):
    images = pictures(8, seed=4)
    images = np.concatenate([images, images[:4] - np.minimum(images[:4], 6)])
    found = {frozenset((order[pair.first], order[pair.second])) for pair in near_duplicates(images[list(order)])}
    assert found == {frozenset((i, i + 8)) for i in range(4)}


def test_many_pictures_are_searched_in_part_and_with_any_number_of_threads_alike(monkeypatch):
    """With short lists a few hundred pictures are many."""
    for constant, small in {"_LIST": 20, "_SEARCHED": 6, "_CHUNK": 64}.items():
        monkeypatch.setattr(near, constant, small)
    originals = pictures(400, seed=5)
    images = np.concatenate([originals, [ALTERED["crop and mirror"](image) for image in originals[:40]]])
    found = []
    for cores in (1, 3):
        monkeypatch.setattr(near, "count_cores", lambda cores=cores: cores)
        found.append(near_duplicates(images))
    assert found[0] == found[1]
    assert {(pair.first, pair.second) for pair in found[0]} == {(i, 400 + i) for i in range(40)}
