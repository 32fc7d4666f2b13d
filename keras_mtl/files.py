"""Files written whole or not at all, in a folder beside the target and then renamed onto it; those there; names."""

from __future__ import annotations

import contextlib
import csv
import errno
import hashlib
import json
import os
import pathlib
import re
import shutil
import stat
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from keras_mtl.errors import UserError
from keras_mtl.scratch import is_passing, move, scratch, sync
from keras_mtl.values import without_nan

LONGEST = 160
"""Bytes that `short_name` leaves: file systems take 255, and suffixes want some of them."""
_SOME = 16 << 20
_PATTERN = set("*?[\\")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@contextlib.contextmanager
def replacing(path: str | pathlib.Path) -> Iterator[pathlib.Path]:
    """A path of the same name to write a file or a folder to; it takes `path`'s place when the block ends well.

    After an exception nothing is left behind and `path` is as it was. What is written is on the disk before it is
    renamed: after a power cut, as after a kill, there is the old or the new, whole.

    Example:
        >>> with replacing("runs/a/metrics.json") as beside:  # doctest: +SKIP
        ...     beside.write_text("{}")
    """
    path = pathlib.Path(path)
    with scratch(path.parent) as place:
        beside = place / path.name
        yield beside
        sync(beside)
        move(beside, path)


@contextlib.contextmanager
def without_pattern(folder: str | pathlib.Path) -> Iterator[str]:
    """A path to a folder for TensorFlow, which takes what it is to read for a pattern, and [1] in it for 1."""
    folder = os.path.abspath(folder)
    if not _PATTERN & set(folder):
        yield folder
        return
    with tempfile.TemporaryDirectory() as place:
        link = os.path.join(place, "link")
        os.symlink(folder, link)
        yield link


@contextlib.contextmanager
def renewing(folder: str | pathlib.Path) -> Iterator[pathlib.Path]:
    """A folder beside `folder` to write what belongs together to; all of it takes its place at once.

    Other files and folders that lie in `folder` stay there.

    Example:
        >>> with renewing("runs/a/epochs") as beside:  # doctest: +SKIP
        ...     (beside / "table.md").write_text("...")
        ...     (beside / "table.json").write_text("{}")
    """
    folder = pathlib.Path(folder)
    with replacing(folder) as beside:
        beside.mkdir()
        yield beside
        for old in folder.iterdir() if folder.is_dir() else ():
            new = beside / old.name
            if new.exists() or is_passing(old.name):
                continue
            if old.is_dir() and not old.is_symlink():
                shutil.copytree(old, new, symlinks=True)
            else:
                shutil.copy2(old, new, follow_symlinks=False)


def content_hash(data: bytes) -> str:
    """A hash of a file's bytes, which a second file bears to say which first one it was written with."""
    return hashlib.sha256(data).hexdigest()[:32]


def printable(name: str) -> str:
    r"""A file's name as text of one line that any file or terminal takes.

    Bytes that aren't UTF-8 (Python's lone surrogates), control characters and ends of lines become escapes.

    Example:
        >>> printable("Mu\udcf1oz\n.jpg")
        'Mu\\xf1oz\\x0a.jpg'
    """

    def escape(found: re.Match[str]) -> str:
        code = ord(found[0])
        if 0xDC80 <= code <= 0xDCFF:  # How Python keeps a byte of a name that isn't UTF-8.
            code -= 0xDC00
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"

    return _UNPRINTABLE.sub(escape, name)


def short_name(name: str) -> str:
    """A name for a file or folder made of another's: `printable`; one that is too long is cut, and ends in a hash."""
    encoded = printable(name).encode()
    if len(encoded) <= LONGEST:
        return encoded.decode()
    ending = f"-{hashlib.sha256(encoded).hexdigest()[:12]}"
    return encoded[: LONGEST - len(ending)].decode("utf-8", "ignore") + ending


def read_bytes(path: str | pathlib.Path) -> bytes:
    """A file's bytes.

    Raises:
        OSError: it can't be read, or is no file: opening a pipe or a device would wait for ever.
    """
    check_file(path)
    return pathlib.Path(path).read_bytes()


def checksum(path: str | pathlib.Path, start: int = 0) -> int:
    """The CRC-32 of a file's bytes from one on, of which some are in memory at a time. Half a second a gigabyte."""
    found = 0
    with open(path, "rb") as file:
        file.seek(start)
        while some := file.read(_SOME):
            found = zlib.crc32(some, found)
    return found


def check_file(path: str | pathlib.Path) -> None:
    """Raises OSError where there is no file that can be read, to its end: for a folder or a pipe, too."""
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
    if not os.access(path, os.R_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def visible_files(folder: str | pathlib.Path, recursive: bool = True) -> list[str]:
    """All files in a folder, linked ones too, but hidden ones and those in hidden folders; sorted.

    Args:
        folder: where; it is looked into even where it is hidden itself.
        recursive: whether in the folders below it as well.

    Returns:
        Their paths, relative to the folder.
    """
    found = []
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if recursive and not name.startswith(".")]
        inside = os.path.relpath(place, folder)
        found += [os.path.normpath(os.path.join(inside, name)) for name in names if not name.startswith(".")]
    return sorted(found)


def json_text(value: object, **options: Any) -> str:
    """`json.dumps` of plain data, the only one in this package: JSON has no NaN and no infinity, they become null.

    Whoever writes a figure that may be undefined says the reason beside it.
    """
    return json.dumps(without_nan(value), allow_nan=False, **options)


def write_json(path: str | pathlib.Path, value: object) -> None:
    """Writes `value` as indented JSON, whole or not at all; see `json_text`."""
    with replacing(path) as beside:
        beside.write_text(json_text(value, indent=2) + "\n", encoding="utf-8")


def read_json(path: str | pathlib.Path):
    """Reads a JSON file. Raises ValueError, naming the file, where it is missing or not JSON."""
    try:
        return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON: {error}") from None


def write_csv(path: str | pathlib.Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Writes a table in UTF-8 under a line of column names, whole or not at all; texts as `printable` gives them."""
    with replacing(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([printable(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
