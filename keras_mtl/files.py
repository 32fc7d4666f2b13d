"""Files written whole or not at all, in a folder beside the target and then renamed onto it; those there; names."""

from __future__ import annotations

import contextlib
import csv
import errno
import hashlib
import io
import itertools
import json
import os
import pathlib
import re
import shutil
import stat
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO, TextIO

from keras_mtl import formulas
from keras_mtl.errors import UserError
from keras_mtl.scratch import is_passing, move, scratch, sync
from keras_mtl.shapes import check_shape
from keras_mtl.values import without_nan

LONGEST = 160
"""Bytes that `short_name` leaves: file systems take 255, and suffixes want some of them."""
LARGEST = 1 << 30
"""Bytes of a file that is read as a whole."""
LARGEST_JSON = 1 << 28
LONGEST_LINE = 16 << 20
"""Characters of a line in a table."""
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
    return _short(hashlib.sha256(data))


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


def shortened(text: str, longest: int = 200) -> str:
    """A name or a reason that fits in a line, `printable`: a label that can't be read may be a whole file."""
    text = printable(text)
    return text if len(text) <= longest else f"{text[: longest // 2]}…{text[-longest // 2 :]}"


def short_name(name: str) -> str:
    """A name for a file or folder made of another's: `printable`; one that is too long is cut, and ends in a hash.

    It is one part of a path, and leads nowhere else.
    """
    name = printable(name).replace("/", "\\x2f")
    encoded = (name.replace(".", "\\x2e") if name in (".", "..") else name).encode()
    if len(encoded) <= LONGEST:
        return encoded.decode()
    ending = f"-{hashlib.sha256(encoded).hexdigest()[:12]}"
    return encoded[: LONGEST - len(ending)].decode("utf-8", "ignore") + ending


def inside(folder: str | pathlib.Path, name: str, flag: str) -> pathlib.Path:
    """The path of a file or folder that bears a given name below a folder, there or not.

    Raises:
        UserError: the name, or a link that it goes by, leads out of the folder.
    """
    parts = pathlib.PurePath(name).parts
    if not parts or ".." in parts or pathlib.PurePath(name).is_absolute() or "\0" in name:
        raise UserError(f"{flag} must be a name in the folder {folder}, which it can't leave. Received: {name!r}")
    home = pathlib.Path(folder).expanduser()
    there = (home / name).resolve()
    if not there.is_relative_to(home.resolve()):
        raise UserError(f"{flag}={name} is a link that leads out of {home}, to {there}: choose another name or folder")
    return home / name


def opened(path: str | pathlib.Path) -> BinaryIO:
    """A file to read bytes from, as every file from elsewhere is opened here.

    Raises:
        OSError: it can't be read, or is no regular file: a pipe or a device may wait or go on for ever.
    """
    # Without waiting for who writes into a pipe; what was opened is looked at, not what may have come in its place.
    number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        mode = os.fstat(number).st_mode
        if stat.S_ISDIR(mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "Not a regular file", str(path))
        return os.fdopen(number, "rb")
    except BaseException:
        os.close(number)
        raise


def checksum(path: str | pathlib.Path, start: int = 0) -> int:
    """The CRC-32 of a file's bytes from one on, of which some are in memory at a time. Half a second a gigabyte."""
    found = 0
    for some in _pieces(path, start):
        found = zlib.crc32(some, found)
    return found


def file_hash(path: str | pathlib.Path) -> str:
    """The `content_hash` of a file's bytes, of which some are in memory at a time."""
    found = hashlib.sha256()
    for some in _pieces(path):
        found.update(some)
    return _short(found)


def _pieces(path: str | pathlib.Path, start: int = 0) -> Iterator[bytes]:
    with opened(path) as file:
        file.seek(start)
        while some := file.read(_SOME):
            yield some


def _short(found: Any) -> str:
    return found.hexdigest()[:32]


def check_file(path: str | pathlib.Path) -> None:
    """Raises OSError where there is no file that `opened` opens, for libraries that open files themselves."""
    opened(path).close()


def read_bytes(path: str | pathlib.Path, limit: int = LARGEST) -> bytes:
    """A file's bytes.

    Raises:
        OSError: as `opened` does, or it has more than `limit` bytes.
    """
    with opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(limit + 1) if size <= limit else b""
    if max(size, len(data)) > limit:
        raise OSError(errno.EFBIG, f"It has {size:,} bytes, and at most {limit:,} are read", str(path))
    return data


@contextlib.contextmanager
def opened_lines(path: str | pathlib.Path, errors: str = "strict") -> Iterator[Iterator[str]]:
    """The lines of a text in UTF-8, with their ends, of a file that may be larger than memory.

    Args:
        path: the file.
        errors: what becomes of bytes that aren't UTF-8, as for `bytes.decode`.

    Of a line that is longer than `LONGEST_LINE` the rest is left out: no reader of records takes one.

    Raises:
        UserError: it can't be read.
    """

    def lines(file: TextIO) -> Iterator[str]:
        while line := file.readline(LONGEST_LINE):
            yield line
            while len(line) == LONGEST_LINE and not line.endswith("\n"):
                line = file.readline(LONGEST_LINE)

    try:
        with io.TextIOWrapper(opened(path), "utf-8-sig", errors, newline="") as file:
            yield lines(file)
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}") from None


def read_text(path: str | pathlib.Path, what: str = "", limit: int = LARGEST, errors: str = "strict") -> str:
    """A file's text in UTF-8, with or without a mark at its begin.

    Args:
        path: the file.
        what: what messages call it, before its path.
        limit: bytes that it may have.
        errors: as for `opened_lines`.

    Raises:
        UserError: it can't be read, is too large, or is no such text.
    """
    named = f"{what} {path}".strip()
    try:
        return read_bytes(path, limit).decode("utf-8-sig", errors)
    except UnicodeDecodeError:
        raise UserError(f"{named} is not text in UTF-8: save it in that encoding") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name.
        raise UserError(f"{named} can't be read: {getattr(error, 'strerror', None) or error}") from None


def visible_files(folder: str | pathlib.Path, recursive: bool = True) -> list[str]:
    """All files in a folder, linked ones too, but hidden ones and those in hidden folders; sorted.

    A folder that links lead to as well is looked into once: a link to a folder above would have no end.

    Args:
        folder: where; it is looked into even where it is hidden itself.
        recursive: whether in the folders below it as well.

    Returns:
        Their paths, relative to the folder.
    """
    found: list[str] = []
    seen: set[tuple[int, int]] = set()
    waiting = [""]  # Then folders behind links, so that what is reached without one bears its own name.
    for start in waiting:
        for place, folders, names in os.walk(os.path.join(folder, start)):
            status = os.stat(place)
            if (status.st_dev, status.st_ino) in seen:
                folders.clear()
                continue
            seen.add((status.st_dev, status.st_ino))
            folders[:] = sorted(name for name in folders if recursive and not name.startswith("."))
            inside = os.path.relpath(place, folder)
            waiting += [os.path.join(inside, name) for name in folders if os.path.islink(os.path.join(place, name))]
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


def read_json(path: str | pathlib.Path, kind: Any = dict) -> Any:
    """Reads a JSON file.

    Args:
        path: the file.
        kind: what it must hold, as `shapes.check_shape` takes it.

    Raises:
        UserError: it is missing, not JSON, or holds something else; the message names the file and the field.
    """
    text = read_text(path, limit=LARGEST_JSON)
    try:
        value = json.loads(text)
        check_shape(value, kind)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON: {error}") from None
    return value


def write_csv(path: str | pathlib.Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Writes a table in UTF-8 under a line of column names, whole or not at all; texts as `csv_cell` gives them."""
    with replacing(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([csv_cell(cell) for cell in row] for row in itertools.chain([columns], rows))


def csv_cell(value: Any) -> Any:
    """A value as it is written to a CSV: a text is `printable`, and no formula."""
    return formulas.quoted(printable(value)) if isinstance(value, str) else value


def read_csv(path: str | pathlib.Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a table that `write_csv` wrote, by column.

    Raises:
        UserError: it can't be read, lacks a column, or a row has more or fewer cells than columns.
    """
    return parse_csv(path, read_text(path), columns)


def parse_csv(path: str | pathlib.Path, text: str, columns: Sequence[str]) -> list[dict[str, str]]:
    """The same of the text of a file; `path` is for messages."""
    if not text.endswith("\n"):
        raise UserError(f"{path} is damaged: {'its end is missing' if text else 'it is empty'}")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        names = [formulas.unquoted(name) for name in next(reader, [])]
        for column in columns:
            if column not in names:
                raise UserError(f"{path} is damaged: it has no column {column!r}")
        found = []
        for row in reader:
            if len(row) != len(names):
                raise UserError(
                    f"{path} is damaged: line {reader.line_num} has {len(row)} cells, expected {len(names)}"
                )
            found.append(dict(zip(names, map(formulas.unquoted, row), strict=True)))
        return found
    except csv.Error as error:
        raise UserError(f"{path} is damaged: line {reader.line_num} is not a CSV ({error})") from None
