"""What the audit looks at of each image: a small grey picture, a hash of its pixels, its size and mode."""

from __future__ import annotations

import dataclasses
import hashlib
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import PIL.Image

from keras_mtl.cores import count_cores
from keras_mtl.data.images import why_unread
from keras_mtl.data.source import Source
from keras_mtl.photos import FORMATS, decode_photo

SIDE = 64
"""Height and width of the small pictures."""

Facts = tuple[np.ndarray, str, str]


@dataclasses.dataclass
class Pictures:
    """Facts on n images.

    Attributes:
        grey: uint8 [n, SIDE, SIDE]; what isn't square is squeezed. Zeros where an image can't be read.
        hashes: of size and RGB pixels: equal for images that are equal to the pixel, however they are stored.
        forms: such as "200x200 RGB JPEG".
        unreadable: why, by position.
    """

    grey: np.ndarray
    hashes: list[str]
    forms: list[str]
    unreadable: dict[int, str]


def read_pictures(source: Source, images: Sequence[str]) -> Pictures:
    """Reads the named images of a source, on all cores."""
    found = Pictures(np.zeros([len(images), SIDE, SIDE], np.uint8), [""] * len(images), [""] * len(images), {})
    if source.drawn:
        pixels, found.unreadable = source.decode(images, SIDE)
        good = [i for i in range(len(images)) if i not in found.unreadable]
        facts = [_facts(PIL.Image.fromarray(picture), f"{SIDE}x{SIDE} RGB drawn") for picture in pixels]
    else:
        # Pillow decodes outside of Python's lock, so threads are enough.
        with ThreadPoolExecutor(count_cores()) as pool:
            read = list(pool.map(lambda image: _read(source, image), images))
        found.unreadable = {i: entry for i, entry in enumerate(read) if isinstance(entry, str)}
        good = [i for i in range(len(images)) if i not in found.unreadable]
        facts = [entry for entry in read if not isinstance(entry, str)]
    for i, (grey, hashed, form) in zip(good, facts, strict=True):
        found.grey[i], found.hashes[i], found.forms[i] = grey, hashed, form
    return found


def _read(source: Source, image: str) -> Facts | str:
    try:
        (data,) = source.encoded([image])
        colour = decode_photo(data)
        with PIL.Image.open(io.BytesIO(data), formats=FORMATS) as kept:
            form = f"{kept.width}x{kept.height} {kept.mode} {kept.format}"
    except (OSError, ValueError) as error:
        return why_unread(error)
    return _facts(colour, form)


def _facts(colour: PIL.Image.Image, form: str) -> Facts:
    hashed = hashlib.sha256(f"{colour.size}".encode() + colour.tobytes()).hexdigest()[:32]
    return np.asarray(colour.convert("L").resize((SIDE, SIDE), PIL.Image.Resampling.BOX)), hashed, form
