"""From what a request brings to pixels as models take them; called in threads."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np
import PIL.Image

from keras_mtl.photos import TooLarge, decode_photo, square_pixels
from keras_mtl.serving.server.refusal import Refusal


def decode(data: bytes, max_megapixels: float) -> PIL.Image.Image:
    """An encoded photo, RGB and upright. Raises Refusal: 413 for too many pixels, else 400."""
    try:
        return decode_photo(data, max_pixels=int(max_megapixels * 1e6))
    except TooLarge as error:
        raise Refusal(413, f"The photo {error}") from None
    except (OSError, ValueError) as error:
        raise Refusal(400, f"The photo {error}") from None


def from_base64(text: Any) -> bytes:
    """The bytes of TensorFlow Serving's `{"b64": text}`. Raises Refusal (400)."""
    if not isinstance(text, str):
        raise Refusal(400, f"b64 must be a text. Received: {type(text).__name__}")
    try:
        return base64.b64decode(text, validate=True)
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
    expected = "an image is lists [height][width][3] of numbers from 0 to 255"
    try:
        array = np.asarray(value)
    except ValueError:
        raise Refusal(400, f"Rows of different lengths: {expected}") from None
    if array.dtype.kind not in "iuf" or array.ndim != 3 or array.shape[2] != 3 or not array.size:
        raise Refusal(400, f"Received numbers of shape {list(array.shape)}: {expected}")
    if array.shape[0] * array.shape[1] > max_megapixels * 1e6:
        raise Refusal(
            413, f"The image has {array.shape[1]} x {array.shape[0]} pixels; at most {max_megapixels:g} million"
        )
    if whole:
        if array.dtype.kind == "f" or array.min() < 0 or array.max() > 255:
            raise Refusal(400, f"serving_default takes whole numbers: {expected}")
        return square_pixels(PIL.Image.fromarray(array.astype(np.uint8)), size)
    if not np.isfinite(array).all():
        raise Refusal(400, f"Received a number that is not finite: {expected}")
    floats = array.astype(np.float32)
    if array.shape[:2] != (size, size):
        planes = [PIL.Image.fromarray(floats[:, :, channel]) for channel in range(3)]
        resized = [plane.resize((size, size), PIL.Image.Resampling.BILINEAR) for plane in planes]
        floats = np.stack([np.asarray(plane) for plane in resized], axis=-1)
    return np.clip(np.round(floats), 0, 255).astype(np.uint8)
