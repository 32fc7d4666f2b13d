"""Predictions as JSON lines, CSV or a table, on stdout or in a file that can be gone on with."""

from __future__ import annotations

import csv
import io
import json
import os
import pathlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO, TypedDict

from keras_mtl import formulas
from keras_mtl.errors import UserError
from keras_mtl.files import csv_cell, json_text, read_bytes, read_json, write_json
from keras_mtl.kinds import Kind
from keras_mtl.shapes import check_shape
from keras_mtl.table import aligned
from keras_mtl.values import read_number

FORMATS = ("auto", "table", "json", "csv")
Key = tuple[str, float | None]


class Writer:
    """Takes the entries of one shot after the other.

    Args:
        kinds: the tasks' kinds by name.
        file: where to.
    """

    def __init__(self, kinds: Mapping[str, Kind], file: TextIO):
        self.kinds, self.file = kinds, file

    def begin(self) -> None:
        """Writes what stands above the first entry."""

    def write(self, entries: Sequence[dict]) -> None:
        """Takes the entries of a shot."""
        raise NotImplementedError

    def end(self) -> None:
        """Writes what is kept for the end."""


class JsonLines(Writer):
    """One object a line, written at once."""

    def write(self, entries: Sequence[dict]) -> None:
        self.file.write("".join(f"{json_text(entry, ensure_ascii=False)}\n" for entry in entries))
        self.file.flush()


class Csv(Writer):
    """A row an entry under fixed columns: those of all tasks, whatever an entry has."""

    def begin(self) -> None:
        csv.writer(self.file, lineterminator="\n").writerow(map(csv_cell, self.columns))

    @property
    def columns(self) -> list[str]:
        names = ["image", "seconds", "face", "faces", "box_left", "box_top", "box_right", "box_bottom"]
        for name, kind in self.kinds.items():
            names += [name, *kind.named(*kind.endings)]
        return [*names, "error"]

    def write(self, entries: Sequence[dict]) -> None:
        rows = csv.DictWriter(self.file, self.columns, lineterminator="\n", extrasaction="ignore")
        rows.writerows(self._flat(entry) for entry in entries)
        self.file.flush()

    def _flat(self, entry: dict) -> dict[str, Any]:
        flat = dict(entry)
        for side, value in zip(("left", "top", "right", "bottom"), entry.get("box", ()), strict=False):
            flat[f"box_{side}"] = value
        for kind in self.kinds.values():
            flat.update(kind.flat(entry))
        return {name: csv_cell(value) for name, value in flat.items()}


class Table(Writer):
    """An aligned table, printed when all is there."""

    def __init__(self, kinds: Mapping[str, Kind], file: TextIO):
        super().__init__(kinds, file)
        self._entries: list[dict] = []

    def write(self, entries: Sequence[dict]) -> None:
        self._entries += entries

    def end(self) -> None:
        rows = [("image", *self.kinds)]
        for entry in self._entries:
            if "error" in entry:
                rows.append((place(entry), entry["error"], *[""] * (len(self.kinds) - 1)))
            else:
                rows.append((place(entry), *(kind.brief(entry) for kind in self.kinds.values())))
        print(aligned(rows), file=self.file)


WRITERS: dict[str, type[Writer]] = {"json": JsonLines, "csv": Csv, "table": Table}


def place(entry: dict) -> str:
    """Where an entry is from: the file, the second of a video, the face of several."""
    words = [entry["image"]]
    if "seconds" in entry:
        words.append(f"{entry['seconds']:g} s")
    if entry.get("faces", 1) > 1:
        words.append(f"face {entry['face']}")
    return ", ".join(words)


class _Image(TypedDict):
    image: str


class _Entry(_Image, total=False):
    """What of an entry tells it from all others."""

    seconds: float | None


class _MadeBy(TypedDict):
    backend: str


def _side(path: pathlib.Path) -> pathlib.Path:
    return path.with_name(f"{path.name}.made_by.json")


def begun_by(path: str) -> str | None:
    """The backend that a file of predictions was begun by; None where there is none yet.

    It goes on with that one, whichever is the fastest today: numbers of another differ in their last digits.
    """
    side = _side(pathlib.Path(path))
    return read_json(side, _MadeBy)["backend"] if os.path.exists(path) and side.exists() else None


class Kept:
    """A file of predictions that a stopped run is gone on with.

    Beside it `<name>.made_by.json` says by what it is made, so that no file holds the predictions of two models. What a
    stopped run wrote last may be cut in the middle of a shot: that shot is done again.

    Args:
        path: the file, .jsonl or .csv.
        made_by: what its predictions depend on, as plain data.
        overwrite: whether to begin anew whatever is there.

    Attributes:
        done: the shots that it has.
        begun: whether it has anything, be it only the head of a table.

    Raises:
        UserError: the suffix is another, or the file was made by something else.
    """

    def __init__(self, path: str, made_by: dict, overwrite: bool = False):
        self.path = pathlib.Path(path)
        if self.path.suffix not in (".jsonl", ".csv"):
            raise UserError(f"--out must end with .jsonl or .csv. Received: {path}")
        self._side = _side(self.path)
        self.done: set[Key] = set()
        self.begun = False
        if self.path.exists() and not overwrite:
            there = read_json(self._side) if self._side.exists() else {}
            if other := [name for name in {**there, **made_by} if there.get(name) != made_by.get(name)]:
                raise UserError(
                    f"{path} is there already and was made by another model or other flags ({', '.join(other)} was "
                    "another): name another file, or give --overwrite"
                )
            self._take_up()
        else:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.unlink(missing_ok=True)
            write_json(self._side, made_by)

    @property
    def kind(self) -> str:
        """The name of its writer."""
        return "csv" if self.path.suffix == ".csv" else "json"

    def open(self) -> TextIO:
        """The file, to go on with."""
        return self.path.open("a", encoding="utf-8", newline="")

    def _take_up(self) -> None:
        """Finds what is whole, and cuts off the rest."""
        try:
            data = read_bytes(self.path)
            whole = data[: data.rfind(b"\n") + 1].decode("utf-8")
        except OSError as error:
            raise UserError(f"--out={self.path} can't be read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise self._damaged(data.count(b"\n", 0, error.start) + 1, "it is not in UTF-8") from None
        keys, ends = self._entries(whole)
        if keys:
            # The last shot may have had more entries.
            last = keys.index(keys[-1])
            keys, kept = keys[:last], ends[last]
        else:
            kept = ends[0] if ends else 0
        with self.path.open("r+b") as file:
            file.truncate(kept)
            file.flush()
            os.fsync(file.fileno())
        self.done, self.begun = set(keys), kept > 0

    def _entries(self, text: str) -> tuple[list[Key], list[int]]:
        """The key of each entry, and where each begins in bytes; a CSV's head is before the first.

        Raises:
            UserError: a whole line is no entry: it was not left so by a run that was stopped.
        """
        keys: list[Key] = []
        ends = [0]
        if self.kind == "json":
            for number, line in enumerate(io.StringIO(text, newline="\n"), 1):
                try:
                    entry = json.loads(line)
                    check_shape(entry, _Entry)
                except UserError as error:
                    raise self._damaged(number, str(error)) from None
                except (ValueError, RecursionError):
                    raise self._damaged(number, "it is not JSON") from None
                keys.append((entry["image"], entry.get("seconds")))
                ends.append(ends[-1] + len(line.encode()))
            return keys, ends
        size = 0

        def taken() -> Iterator[str]:
            nonlocal size
            for line in io.StringIO(text, newline=""):
                size += len(line.encode())
                yield line

        rows = csv.reader(taken(), strict=True)
        try:
            columns = next(rows, None)
            if columns is None:
                return keys, ends
            for name in ("image", "seconds"):
                if name not in columns:
                    raise ValueError(f"there is no column {name!r}")
            ends = [size]
            for row in rows:
                if len(row) != len(columns):
                    raise ValueError(f"it has {len(row)} cells, expected {len(columns)}")
                entry = dict(zip(columns, row, strict=True))
                seconds = read_number(entry["seconds"]) if entry["seconds"] else None
                keys.append((formulas.unquoted(entry["image"]), seconds))
                ends.append(size)
        except (csv.Error, ValueError) as error:
            raise self._damaged(rows.line_num, str(error)) from None
        return keys, ends

    def _damaged(self, line: int, what: str) -> UserError:
        return UserError(
            f"--out={self.path} is damaged: line {line}: {what}. Mend or remove that line, name another file, or give "
            "--overwrite"
        )


def stdout_kind(asked: str) -> str:
    """The name of the writer for stdout: as asked for, or a table on a terminal and else JSON."""
    return asked if asked != "auto" else ("table" if sys.stdout.isatty() else "json")
