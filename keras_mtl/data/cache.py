"""Decoded pixels on disk, so that every set of images is decoded or drawn once.

An entry is two files in the cache folder: `NAME.npy`, the pixels, and `NAME.json`, what was bad among the
images and a checksum. The name ends in the fingerprint of the images and of how they are decoded, so a changed image
makes another entry, entries of an older decoding are never read again, and nothing is ever out of date. Files are
written beside and renamed: processes that decode the same set at the same time only do the work twice. The folder may
be deleted at any time.
"""

from __future__ import annotations

import logging
import os
import pathlib
import time
import zlib
from collections.abc import Sequence
from typing import TypedDict

import numpy as np

from keras_mtl import files
from keras_mtl.data.source import Source
from keras_mtl.errors import UserError

MODES = ("auto", "memory", "file", "none")
MEMORY_LIMIT = 2 << 30
"""Bytes of pixels up to which "auto" keeps a split in memory."""
_CHUNK = 64 << 20  # Bytes of pixels decoded at a time: bounds the memory that decoding takes.

log = logging.getLogger(__name__)


def default_folder() -> pathlib.Path:
    """$KERAS_MTL_CACHE, or `~/.cache/keras_mtl` where that isn't set."""
    return pathlib.Path(os.environ.get("KERAS_MTL_CACHE") or "~/.cache/keras_mtl").expanduser()


def choose_mode(mode: str, images: int, size: int) -> str:
    """ "memory" or "file" for "auto", by the number and size of the images; the mode itself otherwise.

    Raises:
        UserError: an unknown mode.
    """
    if mode not in MODES:
        raise UserError(f"cache must be one of {', '.join(MODES)}. Received: {mode!r}")
    if mode == "auto":
        return "memory" if images * size * size * 3 <= MEMORY_LIMIT else "file"
    return mode


def load_pixels(
    source: Source, images: Sequence[str], size: int, fingerprint: str, folder: str | pathlib.Path | None, mode: str
) -> tuple[np.ndarray, dict[int, str]]:
    """Pixels of the images, from the cache or else decoded into it.

    Args:
        source: whose `decode` makes them.
        images: names of images of the source.
        size: height and width in pixels.
        fingerprint: `source.fingerprint(images, size)`.
        folder: the cache folder; None for `default_folder()`.
        mode: "memory" reads the pixels into memory, "file" maps the file, "none" decodes into memory and
            leaves the disk alone.

    Returns:
        uint8 [good, size, size, 3] in the order of `images`; and why the others failed, by position in `images`.

    Raises:
        UserError: the cache folder can't be written.
    """
    if mode == "none":
        return source.decode(images, size)
    name = f"{files.short_name(source.name)}-{size}-{fingerprint}"
    path = pathlib.Path(folder or default_folder()).expanduser() / f"{name}.npy"
    found = _read(path, len(images), size, mode)
    if found and found[1]:
        # What was bad may have been mended without a change of the file, by chmod for instance.
        _, still = source.decode([images[i] for i in found[1]], size)
        if len(still) < len(found[1]):
            found = None
    if not found:
        try:
            _write(path, source, images, size)
        except OSError as error:
            raise UserError(
                f"The cache folder {path.parent} can't be written: {error.strerror}; "
                f"choose another with --cache_dir or KERAS_MTL_CACHE, or set --cache=none"
            ) from None
        found = _read(path, len(images), size, mode)
    if not found:
        raise UserError(f"The cache file {path} can't be read back; choose another --cache_dir or set --cache=none")
    return found


class _Facts(TypedDict):
    bad: dict[str, str]
    crc32: int


def _read(path: pathlib.Path, count: int, size: int, mode: str) -> tuple[np.ndarray, dict[int, str]] | None:
    """The entry, or None where there is none that is whole."""
    if not path.exists():
        return None
    try:
        facts = files.read_json(path.with_suffix(".json"), _Facts)
        bad = {int(i): reason for i, reason in facts["bad"].items()}
        pixels = np.load(path, mmap_mode="r" if mode == "file" else None, allow_pickle=False)
        whole = pixels.dtype == np.uint8 and pixels.shape == (count - len(bad), size, size, 3)
        # A mapped file is read through once here: half a second a gigabyte in memory, else as fast as the disk is.
        if whole and facts["crc32"] == (files.checksum(path, pixels.offset) if mode == "file" else zlib.crc32(pixels)):
            return pixels, bad
    except (ValueError, OSError, EOFError):
        pass
    log.warning("The cache file %s is damaged; it is made anew", path)
    return None


def _write(path: pathlib.Path, source: Source, images: Sequence[str], size: int) -> None:
    """Decodes chunk by chunk, straight into the file."""
    start = time.monotonic()
    step = max(1, _CHUNK // (size * size * 3))
    bad: dict[int, str] = {}
    checksum = 0
    with files.replacing(path) as beside:
        with beside.open("wb") as file:
            _write_header(file, 0, size)
            for first in range(0, len(images), step):
                pixels, reasons = source.decode(images[first : first + step], size)
                file.write(pixels.data)
                checksum = zlib.crc32(pixels.data, checksum)
                bad |= {first + i: reason for i, reason in reasons.items()}
                done = min(first + step, len(images))
                log.info("%s: %d of %d images %s", source.name, done, len(images), _verb(source))
            file.seek(0)
            _write_header(file, len(images) - len(bad), size)
        # The facts first: an entry counts once its pixels are there.
        files.write_json(path.with_suffix(".json"), {"crc32": checksum, "bad": bad})
    log.info("%s: %d images %s in %.1f s", source.name, len(images), _verb(source), time.monotonic() - start)


def _write_header(file, count: int, size: int) -> None:
    """NumPy leaves room in it for the first axis to grow, so that it can be written again over itself."""
    shape = (count, size, size, 3)
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})


def _verb(source: Source) -> str:
    return "drawn" if source.drawn else "decoded"
