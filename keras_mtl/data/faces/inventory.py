"""The photos of a source: which there are, what their crops are called, and how a worker gets at one."""

from __future__ import annotations

import os
import pathlib
import zlib
from collections.abc import Iterable

from keras_mtl.data.source import MissingPath, Records, Source, stamp
from keras_mtl.errors import UserError
from keras_mtl.files import short_name, visible_files
from keras_mtl.photos import SUFFIXES


class PhotoFolder(Source):
    """A folder of photos without labels; those in folders below it as well.

    Raises:
        UserError: there is no image file; MissingPath where there is no such folder.
    """

    description = "photos without labels"

    def __init__(self, name: str, path: str):
        super().__init__(name, {}, path, base=pathlib.Path(path).expanduser())
        if not self.root.is_dir():
            raise MissingPath(f"--photos must name folders. Received: {path!r}")
        self._photos = [photo for photo in visible_files(self.root) if photo.lower().endswith(SUFFIXES)]
        if not self._photos:
            raise UserError(f"Folder {path} holds no image file ({', '.join(SUFFIXES)})")

    def splits(self) -> tuple[str, ...]:
        return ("train",)

    def records(self, split: str) -> Records:
        return Records(list(self._photos), {}, [])


def name_crops(photos: Iterable[str]) -> dict[str, str]:
    """{photo: its crop's path}, relative, ending in .jpg, each another one; the photo's own name where that goes.

    Example:
        >>> name_crops(["a.jpg", "a.png", "../b/c.jpeg"])
        {'a.jpg': 'a.jpg', 'a.png': 'a.png.jpg', '../b/c.jpeg': 'up/b/c.jpeg'}
    """
    crops: dict[str, str] = {}
    taken = set()
    for photo in photos:
        parts = pathlib.PurePath(photo).parts
        crop = "/".join("up" if part == ".." else short_name(part) for part in parts if part not in (os.sep, "."))
        if not crop.lower().endswith((".jpg", ".jpeg")):
            crop += ".jpg"
        while crop.lower() in taken:  # Some file systems don't tell A from a.
            crop += ".jpg"
        taken.add(crop.lower())
        crops[photo] = crop
    return crops


def handle(source: Source, photo: str) -> tuple[str, pathlib.Path | bytes]:
    """A stamp that changes when the photo does; and its file, or its bytes where it isn't a file of its own."""
    path = source.file(photo)
    if path is None:
        (data,) = source.encoded([photo])
        return f"{len(data)} {zlib.crc32(data)}", data
    return stamp(path), path
