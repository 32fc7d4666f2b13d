"""Decoding and resizing, and files that can't be."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_mtl.data.images import decode_files
from keras_mtl.serving.photo_graph import resize_images

PICTURE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)


def save(path, mode="RGB"):
    Image.fromarray(PICTURE).convert(mode).save(path)
    return str(path)


def test_resizing_keeps_a_flat_colour_and_the_size_keeps_the_pixels():
    flat = tf.fill([2, 50, 40, 3], tf.constant(77, tf.uint8))
    assert (resize_images(flat, 16).numpy() == 77).all()
    square = PICTURE[:, :20]
    np.testing.assert_array_equal(resize_images(tf.constant(square), 20).numpy(), square)


def test_resizing_down_averages_and_doesnt_skip():
    stripes = np.zeros([64, 64, 3], np.uint8)
    stripes[:, ::2] = 200
    small = resize_images(tf.constant(stripes), 16).numpy()
    assert np.abs(small.astype(int) - 100).max() < 12


@pytest.mark.parametrize("dtype", [tf.uint8, tf.float32, tf.int32])
def test_any_numeric_dtype_resizes_to_the_same(dtype):
    picture = tf.constant(PICTURE)
    np.testing.assert_array_equal(resize_images(tf.cast(picture, dtype), 8), resize_images(picture, 8))


def test_values_out_of_range_are_clipped():
    assert resize_images(tf.constant([[[[300.0, -5.0, 10.6]]]]), 1).numpy().ravel().tolist() == [255, 0, 11]


def test_bad_files_are_told_and_the_good_ones_stay_in_order(tmp_path):
    good = [save(tmp_path / f"good{i}.png", mode) for i, mode in enumerate(["RGB", "L"])]
    whole = save(tmp_path / "whole.jpg")
    with open(whole, "rb") as file:
        (tmp_path / "cut.jpg").write_bytes(file.read()[:400])
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "folder.jpg").mkdir()
    names = ["cut.jpg", "text.jpg", "empty.jpg", "folder.jpg", "none.jpg"]
    paths = [good[0], *(str(tmp_path / name) for name in names), good[1]]
    pixels, reasons = decode_files(paths, 16)
    assert pixels.shape == (2, 16, 16, 3)
    assert (pixels[1] == pixels[1][..., :1]).all() and not (pixels[0] == pixels[0][..., :1]).all()
    assert list(reasons) == [1, 2, 3, 4, 5]
    for i, words in enumerate(
        [
            "not a readable image: Truncated",
            "not a readable image: not an image",
            "not a readable image: empty",
            "file can't be read: Is a directory",
            "file is missing",
        ]
    ):
        assert words in reasons[i + 1]
        assert "\n" not in reasons[i + 1] and len(reasons[i + 1]) < 200


def test_no_files_give_no_pixels():
    pixels, reasons = decode_files([], 16)
    assert pixels.shape == (0, 16, 16, 3) and reasons == {}
