"""Photos of every kind become RGB pixels, upright; what is none is refused in one line."""

import numpy as np
import PIL.Image
import pytest
from helpers import mutated
from hypothesis import given, settings
from hypothesis import strategies as st
from photo_bank import encoded

from keras_mtl.photos import TooLarge, decode_photo

# Smooth, so that lossy formats keep it.
PIXELS = np.asarray(
    PIL.Image.fromarray(np.random.default_rng(0).integers(40, 200, (4, 3, 3), np.uint8)).resize(
        (24, 32), PIL.Image.Resampling.BICUBIC
    )
)
PHOTO = PIL.Image.fromarray(PIXELS)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_the_cameras_orientation_is_honoured(orientation, kind):
    # As the camera stores it: the upright picture turned so that the tag's transposition sets it right.
    inverse = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    stored = PHOTO.transpose(PIL.Image.Transpose(inverse[orientation])) if orientation > 1 else PHOTO
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    data = encoded(stored, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    np.testing.assert_array_equal(decode_photo(data), PIXELS)


@pytest.mark.parametrize(("kind", "mode"), [("JPEG", "RGB"), ("JPEG", "CMYK"), ("WEBP", "RGB")])
def test_lossy_formats_and_other_modes_are_read(kind, mode):
    decoded = decode_photo(encoded(PHOTO.convert(mode), kind, quality=98))
    assert decoded.mode == "RGB" and decoded.size == PHOTO.size
    assert np.abs(np.asarray(decoded).astype(int) - PIXELS).max() <= 12


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16", "P", "RGBA"])
def test_modes_that_files_may_have_become_rgb(mode):
    assert decode_photo(encoded(PHOTO.convert("L").convert(mode))).mode == "RGB"


def test_sixteen_bits_are_scaled_and_not_cut():
    grey = np.asarray(PHOTO.convert("L"))
    data = encoded(PIL.Image.fromarray(grey.astype(np.uint16) * 257))
    np.testing.assert_array_equal(np.asarray(decode_photo(data)), np.repeat(grey[..., None], 3, axis=2))


def test_transparency_lies_on_white():
    photo = PIL.Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    photo.putpixel((1, 0), (10, 20, 30, 255))
    assert np.asarray(decode_photo(encoded(photo))).tolist() == [[[255, 255, 255], [10, 20, 30]]]
    palette = PIL.Image.new("P", (2, 1))
    palette.putpalette([0, 0, 0, 9, 9, 9])
    palette.putpixel((1, 0), 1)
    assert np.asarray(decode_photo(encoded(palette, transparency=0)))[0, 0].tolist() == [255, 255, 255]


def test_of_an_animated_png_the_first_picture_is_taken():
    first, second = PIL.Image.new("RGB", (4, 4), (255, 0, 0)), PIL.Image.new("RGB", (4, 4), (0, 0, 255))
    data = encoded(first, "PNG", save_all=True, append_images=[second])
    np.testing.assert_array_equal(decode_photo(data), np.asarray(first))


def test_pixels_are_counted_before_they_are_decoded():
    data = encoded(PIL.Image.new("RGB", (300, 200)))
    assert decode_photo(data, max_pixels=60_000).size == (300, 200)
    with pytest.raises(TooLarge, match="has 300 x 200 pixels; at most 0.059999 million"):
        decode_photo(data, max_pixels=59_999)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"hello", "is not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "is not an image"),
        (encoded(PHOTO)[:-300], "."),
        (encoded(PHOTO, "JPEG", quality=98)[:-100], "truncated"),
    ],
)
def test_what_is_no_photo_is_refused_in_one_line(data, words):
    with pytest.raises((OSError, ValueError), match=words) as raised:
        decode_photo(data)
    assert str(raised.value) and "\n" not in str(raised.value)


SEEDS = [encoded(PHOTO, kind) for kind in ("PNG", "JPEG", "WEBP")]
SEEDS.append(encoded(PHOTO.convert("P"), "PNG"))


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=99), st.builds(mutated, st.sampled_from(SEEDS), st.randoms(use_true_random=False))))
def test_damaged_files_raise_nothing_else(data):
    try:
        assert decode_photo(data, max_pixels=10**6).mode == "RGB"
    except (OSError, ValueError) as error:
        assert str(error)
