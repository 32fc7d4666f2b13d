"""From what a request brings to pixels as models take them; called in threads."""

from __future__ import annotations

import base64
import binascii
import contextlib
import itertools
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import PIL.Image

from keras_mtl.photos import TooLarge, decode_photo, photo_size, square_pixels
from keras_mtl.serving.server.budget import Budget
from keras_mtl.serving.server.refusal import Refusal

PIXEL_BYTES = 16
"""What decoding takes at most, with its copies, for a pixel."""
JSON_BYTES = 24
"""What lists of numbers take, as Python has them, for a byte of JSON."""
_EXPECTED = "an image is lists [height][width][3] of numbers from 0 to 255"


@contextlib.contextmanager
def decoded(data: bytes, max_megapixels: float, budget: Budget, until: float) -> Iterator[PIL.Image.Image]:
    """An encoded photo, RGB and upright; `budget` has its share back when the block ends, and the photo should be gone.

    Args:
        data: the file.
        max_megapixels: of the photo, at most.
        budget: of the memory that decoding may take.
        until: the monotonic time after which nobody waits for it.

    Raises:
        Refusal: 413 for too many pixels, 503 where there is no memory in time, 400 for what is no photo.
    """
    most = int(max_megapixels * 1e6)
    with _refusing():
        width, height = photo_size(data, most)
    with budget.waited_for(width * height * PIXEL_BYTES, until - time.monotonic()):
        with _refusing():
            photo = decode_photo(data, most)
        yield photo


def squared(data: bytes, size: int, max_megapixels: float, budget: Budget, until: float) -> np.ndarray:
    """An encoded photo as a model takes it, uint8 [size, size, 3]. Arguments and Refusals are those of `decoded`."""
    with decoded(data, max_megapixels, budget, until) as photo:
        return square_pixels(photo, size)


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except TooLarge as error:
        raise Refusal(413, f"The photo {error}") from None
    except (OSError, ValueError) as error:
        raise Refusal(400, f"The photo {error}") from None


def from_base64(text: Any) -> bytes:
    """The bytes of TensorFlow Serving's `{"b64": text}`. Raises Refusal (400)."""
    if not isinstance(text, str):
        raise Refusal(400, f"b64 must be a text. Received: {type(text).__name__}")
    try:
        return base64.b64decode("".join(text.split()), validate=True)  # Many write it in lines.
    except (binascii.Error, ValueError) as error:
        raise Refusal(400, f"Unable to base64 decode: {error}") from None


def from_numbers(value: Any, size: int, whole: bool, max_megapixels: float) -> np.ndarray:
    """An image given as numbers, as uint8 [size, size, 3].

    Args:
        value: lists [height][width][3].
        size: height and width of the result.
        whole: whether they must be whole numbers, 0 to 255; else they are floats on the same scale.
        max_megapixels: of the image given.

    Raises:
        Refusal: 400 for anything else, 413 for too many pixels.
    """
    numbers, height, width = _flat(value, max_megapixels)
    return square_pixels(PIL.Image.fromarray(levels(numbers, whole).reshape(height, width, 3)), size)


def levels(numbers: list[int | float], whole: bool) -> np.ndarray:
    """Numbers as uint8 [n]. Raises Refusal (400) as `from_numbers`."""
    if whole:
        if set(map(type, numbers)) != {int} or min(numbers) < 0 or max(numbers) > 255:
            raise Refusal(400, f"Received something else than whole numbers: {_EXPECTED}")
        return np.array(numbers, np.uint8)
    with np.errstate(over="ignore"):
        return rounded(np.array(numbers, np.float64).astype(np.float32))


def rounded(floats: np.ndarray) -> np.ndarray:
    """Finite floats as the nearest of 0 to 255, uint8 of the same shape. Raises Refusal (400) for others."""
    if not np.isfinite(floats).all():
        raise Refusal(400, f"Received a number that is not finite: {_EXPECTED}")
    return np.clip(np.round(floats), 0, 255).astype(np.uint8)


def _flat(value: Any, max_megapixels: float) -> tuple[list[int | float], int, int]:
    """The numbers of an image, one after the other, its height and its width.

    Looked through before NumPy sees them: it makes an array of whatever it gets, of texts one as wide as the longest.
    """
    rows = same_lists([value])
    if rows and isinstance(rows[0], list) and len(rows) * len(rows[0]) > max_megapixels * 1e6:
        raise Refusal(
            413, f"The image has {len(rows[0]):,} x {len(rows):,} pixels; at most {max_megapixels:g} million are taken"
        )
    pixels = same_lists(rows)
    numbers = same_lists(pixels)
    if not numbers or len(pixels[0]) != 3 or not set(map(type, numbers)) <= {int, float}:
        raise Refusal(400, f"Received no numbers of shape [height, width, 3]: {_EXPECTED}")
    return numbers, len(rows), len(rows[0])


def same_lists(lists: list) -> list:
    """What is in lists of one length, together. Raises Refusal for anything else."""
    if set(map(type, lists)) - {list}:
        raise Refusal(400, f"Received no numbers of shape [height, width, 3]: {_EXPECTED}")
    if len(set(map(len, lists))) > 1:
        raise Refusal(400, f"Rows of different lengths: {_EXPECTED}")
    return list(itertools.chain.from_iterable(lists))
