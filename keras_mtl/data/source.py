"""What a source of labelled images is: records by split, decoded pixels, and a fingerprint of both.

No TensorFlow here: a wrong `--sources` is reported before it is imported.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import os
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from keras_mtl import files
from keras_mtl.errors import UserError
from keras_mtl.kinds import kind_of
from keras_mtl.tasks import Task

SPLITS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class Bad:
    """A quarantined record.

    Args:
        source, split: where it was found.
        image: its name, relative to the source's folder.
        reason: what is wrong with it, in words.
        unlabelled: nothing is wrong but that no wanted task has a label; such a record is left out and
            told, but doesn't count towards the share of bad records that is put up with.
        identity: who is in it, where that is known: another record of the image may not tell.
    """

    source: str
    split: str
    image: str
    reason: str
    unlabelled: bool = False
    identity: str | None = None

    @property
    def name(self) -> str:
        """The image's name as messages tell it."""
        return files.shortened(self.image)


class MissingPath(UserError):
    """A source's file or folder isn't there."""


class Entry(NamedTuple):
    """A record as a source finds it: its labels as they are written there, or what is wrong with it, in words."""

    image: str
    found: Mapping[str, object] | str
    identity: str | None = None
    groups: Mapping[str, str | None] = {}


@dataclasses.dataclass
class Records:
    """The records of one split: `images` N names, `labels` {task: float32 [N], NaN = not labelled}, `bad` the rest.

    An image may have several records, by several annotators or one for each task, and then its name is there several
    times. `identities` tells who is in each of the N images, or which near-duplicates it belongs to, None where that is
    unknown; the whole is None where none is known. Images of one identity are never parted by a cut.
    `groups` tells of each kind of group, a region for instance, which one each of the N images is in.
    """

    images: list[str]
    labels: dict[str, np.ndarray]
    bad: list[Bad]
    identities: list[str | None] | None = None
    groups: dict[str, list[str | None]] = dataclasses.field(default_factory=dict)

    def take(self, rows: Sequence[int], bad: list[Bad]) -> Records:
        """The records of these rows alone, in this order, with other bad ones beside them."""
        return Records(
            [self.images[i] for i in rows],
            {task: values[rows] for task, values in self.labels.items()},
            bad,
            self.identities and [self.identities[i] for i in rows],
            {kind: [names[i] for i in rows] for kind, names in self.groups.items()},
        )


class Source:
    """A data set: its splits, the tasks it labels, how a label is read, how pixels are made, its licence.

    A new kind of source is one subclass with `splits`, `records` (usually through `collect`) and one line in
    `keras_mtl.data.sources.KINDS`; one whose images aren't files of their own overrides `file`,
    `decode`, `encoded` and `fingerprint` too.

    Args:
        name: unique among the sources of a run.
        tasks: the tasks wanted from it, by name.
        path: the entry's text after `KIND:`; may be empty where a kind allows it.
        base: the folder that a relative `path` starts from; None for the working directory.

    Raises:
        UserError: there is nothing usable at `path`; MissingPath where there is nothing at all.
    """

    licence = "unknown"
    description = ""
    drawn = False
    offers: tuple[str, ...] = ()
    """The only tasks that this kind of source has labels for; empty where that is up to its files."""

    def __init__(self, name: str, tasks: dict[str, Task], path: str = "", *, base: pathlib.Path | None = None):
        self.name = name
        self.declared = dict(tasks)
        self.path = path
        self.root = pathlib.Path(base or "").resolve()

    @property
    def tasks(self) -> tuple[str, ...]:
        """The names of the tasks wanted from this source, in order."""
        return tuple(self.declared)

    def splits(self) -> tuple[str, ...]:
        """The splits it has itself, in the order of `SPLITS`."""
        raise NotImplementedError

    def records(self, split: str) -> Records:
        """The records of one of its splits; bad ones are in `.bad`, never raised."""
        raise NotImplementedError

    def file(self, image: str) -> pathlib.Path | None:
        """The image's own file, there or not; None where the source keeps its images otherwise."""
        return self.root / image

    def decode(self, images: Sequence[str], size: int) -> tuple[np.ndarray, dict[int, str]]:
        """Pixels of the named images.

        Returns:
            uint8 [n, size, size, 3], the n good ones in the order of `images`; and why the others failed,
            by their position in `images`.
        """
        from keras_mtl.data import images as image_files

        return image_files.decode_files([str(self.root / image) for image in images], size)

    def encoded(self, images: Sequence[str]) -> list[bytes]:
        """The named images as they are kept: files' bytes.

        Raises:
            OSError: one of them can't be read.
        """
        return [files.read_bytes(self.root / image) for image in images]

    def fingerprint(self, images: Sequence[str], size: int) -> str:
        """A hash, in hexadecimal, over all that decides what `decode(images, size)` returns.

        For files that is each one's name, length and time of change: reading every byte would cost as much
        as decoding does.
        """
        from keras_mtl.photos import DECODING

        return digest(
            [f"files {DECODING} {self.root} {size}", *(f"{stamp(self.root / image)} {image}" for image in images)]
        )

    def split_paths(self, what: str) -> dict[str, str]:
        """The paths of the splits, relative to `root`: one for each name that `{split}` can stand for, else all train.

        Raises:
            MissingPath: none of them exists; `what` says what was looked for.
        """
        if "{split}" in self.path:
            found = {split: self.path.replace("{split}", split) for split in SPLITS}
        else:
            found = {"train": self.path}
        found = {split: path for split, path in found.items() if os.path.exists(self.root / path)}
        if not found:
            names = f" ({{split}} is {', '.join(SPLITS)})" if "{split}" in self.path else ""
            raise MissingPath(f"Source {self.name}: no {what} {self.path!r}{names}")
        return found

    def collect(self, split: str, entries: Iterable[Entry | tuple[str, Mapping[str, object] | str]]) -> Records:
        """Records out of entries, or their first parts.

        Labels go through `Task.parse`. An image with a label that can't be read is bad as a whole: the file
        it came from is in doubt.
        """
        kept: list[Entry] = []
        rows: list[list[float]] = []
        bad: list[Bad] = []
        for entry in entries:
            one = Entry(*entry)
            row = self._parsed(one)
            if isinstance(row, str):
                bad.append(Bad(self.name, split, one.image, row, identity=one.identity))
            elif all(math.isnan(value) for value in row):
                reason = f"no label for {' or '.join(self.tasks)}"
                bad.append(Bad(self.name, split, one.image, reason, unlabelled=True, identity=one.identity))
            else:
                kept.append(one)
                rows.append(row)
        table = np.asarray(rows, np.float32).reshape(len(rows), len(self.declared))
        return Records(
            [one.image for one in kept],
            {name: table[:, i].copy() for i, name in enumerate(self.declared)},
            bad,
            [one.identity for one in kept] if any(one.identity for one in kept) else None,
            {
                kind: [one.groups.get(kind) for one in kept]
                for kind in dict.fromkeys(kind for one in kept for kind in one.groups)
            },
        )

    def _parsed(self, entry: Entry) -> list[float] | str:
        """The labels, or why the record is bad."""
        if isinstance(entry.found, str):
            return files.shortened(entry.found)
        if "\0" in entry.image or not _encodes(entry.image, os.fsencode):
            return "no file can have this name"
        if not all(_encodes(text, str.encode) for text in (entry.identity, *entry.groups.values()) if text):
            return "its identity or group is not in UTF-8"
        try:
            return [task.parse(entry.found.get(name)) for name, task in self.declared.items()]
        except (ValueError, OverflowError) as error:
            return files.shortened(str(error))


def digest(lines: Iterable[str]) -> str:
    """SHA-256 over the lines, the first 32 hexadecimal digits."""
    total = hashlib.sha256()
    for line in lines:
        total.update(encoded_name(line) + b"\n")
    return total.hexdigest()[:32]


def encoded_name(name: str) -> bytes:
    """A name as it is hashed: UTF-8, with whatever else Python's text can hold."""
    return name.encode("utf-8", "surrogatepass")


def label_text(task: Task, value: float) -> str:
    """A label as `Task.parse` reads it: a class's name or a number; empty for a missing one."""
    if np.isnan(value):
        return ""
    return kind_of(task).text(value)


def stamp(path: pathlib.Path) -> str:
    """The length and time of change of a file, "missing" where there is none."""
    try:
        status = path.stat()
    except OSError:
        return "missing"
    return f"{status.st_size} {status.st_mtime_ns}"


def _encodes(text: str, encode: Callable[[str], bytes]) -> bool:
    if text.isascii():
        return True
    try:
        encode(text)
    except UnicodeEncodeError:
        return False
    return True
