"""Files written whole or not at all, beside the target first and then renamed onto it; and those in a folder."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import os
import pathlib
import shutil
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from keras_mtl.errors import UserError

LONGEST = 160
"""Bytes that `short_name` leaves: file systems take 255, and suffixes and `replacing` want some of them."""


@contextlib.contextmanager
def replacing(path: str | pathlib.Path) -> Iterator[pathlib.Path]:
    """A path beside `path` to write a file or a folder to; it takes `path`'s place when the block ends well.

    The temporary name keeps `path`'s suffix, since some writers choose a format by it. After an
    exception nothing is left behind and `path` is as it was.

    Example:
        >>> with replacing("runs/a/metrics.json") as beside:  # doctest: +SKIP
        ...     beside.write_text("{}")
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".writing-{os.getpid()}-{path.name}")
    try:
        yield beside
        if beside.is_dir() and path.is_dir():
            shutil.rmtree(path)
        beside.replace(path)
    finally:
        if beside.is_dir():
            shutil.rmtree(beside)
        else:
            beside.unlink(missing_ok=True)


def short_name(name: str) -> str:
    """A name for a file or folder: one that is too long is cut, and ends in a hash of the whole."""
    encoded = name.encode("utf-8", "surrogateescape")
    if len(encoded) <= LONGEST:
        return name
    ending = f"-{hashlib.sha256(encoded).hexdigest()[:12]}"
    return encoded[: LONGEST - len(ending)].decode("utf-8", "ignore") + ending


def visible_files(folder: str | pathlib.Path) -> list[str]:
    """All files in a folder and those below it, linked ones too, but hidden ones and those in hidden folders; sorted.

    Returns:
        Their paths, relative to the folder.
    """
    found = []
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inside = os.path.relpath(place, folder)
        found += [os.path.normpath(os.path.join(inside, name)) for name in names if not name.startswith(".")]
    return sorted(found)


def write_json(path: str | pathlib.Path, value: object) -> None:
    """Writes `value` as indented JSON, whole or not at all."""
    with replacing(path) as beside:
        beside.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def read_json(path: str | pathlib.Path):
    """Reads a JSON file. Raises ValueError, naming the file, where it is missing or not JSON."""
    try:
        return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON: {error}") from None


def write_csv(path: str | pathlib.Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Writes a table in UTF-8 under a line of column names, whole or not at all."""
    with replacing(path) as beside, beside.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
