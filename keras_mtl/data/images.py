"""Image files and encoded images as the square pixels that a net is trained on, many at a time."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from keras_mtl.cores import count_cores
from keras_mtl.files import read_bytes
from keras_mtl.photos import decode_photo, square_pixels


def decode_files(paths: Sequence[str], size: int) -> tuple[np.ndarray, dict[int, str]]:
    """Reads, decodes and resizes image files, on all cores.

    Args:
        paths: n file names.
        size: height and width of the result in pixels.

    Returns:
        uint8 [good, size, size, 3], in the order of `paths`; and why the others failed, by position in `paths`.
    """
    return _decode_all(paths, read_bytes, size)


def decode_bytes(contents: Sequence[bytes], size: int) -> tuple[np.ndarray, dict[int, str]]:
    """The same as `decode_files` for n encoded images in memory."""
    return _decode_all(contents, lambda data: data, size)


def why_unread(error: OSError | ValueError) -> str:
    """What the quarantine says of an image whose reading or decoding raised `error`."""
    if isinstance(error, OSError) and error.errno is not None:
        return "file is missing" if error.errno == errno.ENOENT else f"file can't be read: {error.strerror}"
    return f"not a readable image: {' '.join(str(error).split()).removeprefix('is ')[:160]}"


def _decode_all(values: Sequence[Any], read: Callable[[Any], bytes], size: int) -> tuple[np.ndarray, dict[int, str]]:
    pixels = np.zeros([len(values), size, size, 3], np.uint8)

    def decode(places: range) -> dict[int, str]:
        reasons = {}
        for i in places:
            try:
                pixels[i] = square_pixels(decode_photo(read(values[i])), size)
            except (OSError, ValueError) as error:
                reasons[i] = why_unread(error)
        return reasons

    # Pillow decodes outside of Python's lock, so threads are enough; a piece each at a time, since a task costs time.
    pieces = [range(first, min(first + 32, len(values))) for first in range(0, len(values), 32)]
    with ThreadPoolExecutor(count_cores()) as pool:
        reasons = {i: reason for found in pool.map(decode, pieces) for i, reason in found.items()}
    good = [i for i in range(len(values)) if i not in reasons]
    return (pixels[good] if reasons else pixels), reasons
