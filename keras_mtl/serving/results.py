"""Predictions as JSON lines, CSV or a table, on stdout or in a file that can be gone on with."""

from __future__ import annotations

import csv
import io
import json
import os
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from keras_mtl.errors import UserError
from keras_mtl.files import json_text, read_json, write_json
from keras_mtl.table import aligned
from keras_mtl.tasks import Task

FORMATS = ("auto", "table", "json", "csv")
Key = tuple[str, float | None]


class Writer:
    """Takes the entries of one shot after the other."""

    def __init__(self, tasks: Mapping[str, dict], file: TextIO):
        self.tasks, self.file = tasks, file

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
        csv.writer(self.file, lineterminator="\n").writerow(self.columns)

    @property
    def columns(self) -> list[str]:
        names = ["image", "seconds", "face", "faces", "box_left", "box_top", "box_right", "box_bottom"]
        for name, task in self.tasks.items():
            names.append(name)
            names += (
                [f"{name}_{label}" for label in task["classes"]]
                if "classes" in task
                else [f"{name}_low", f"{name}_high"]
            )
        return [*names, "error"]

    def write(self, entries: Sequence[dict]) -> None:
        rows = csv.DictWriter(self.file, self.columns, lineterminator="\n", extrasaction="ignore")
        rows.writerows(self._flat(entry) for entry in entries)
        self.file.flush()

    def _flat(self, entry: dict) -> dict[str, Any]:
        flat = dict(entry)
        for side, value in zip(("left", "top", "right", "bottom"), entry.get("box", ()), strict=False):
            flat[f"box_{side}"] = value
        for name in self.tasks:
            for label, share in entry.get(f"{name}_probabilities", {}).items():
                flat[f"{name}_{label}"] = share
            for end, value in zip(("low", "high"), entry.get(f"{name}_interval", ()), strict=False):
                flat[f"{name}_{end}"] = value
        return flat


class Table(Writer):
    """An aligned table, printed when all is there."""

    def __init__(self, tasks: Mapping[str, dict], file: TextIO):
        super().__init__(tasks, file)
        self._entries: list[dict] = []

    def write(self, entries: Sequence[dict]) -> None:
        self._entries += entries

    def end(self) -> None:
        rows = [("image", *self.tasks)]
        for entry in self._entries:
            if "error" in entry:
                rows.append((place(entry), entry["error"], *[""] * (len(self.tasks) - 1)))
            else:
                rows.append((place(entry), *(cell(entry, name, task) for name, task in self.tasks.items())))
        print(aligned(rows), file=self.file)


WRITERS: dict[str, type[Writer]] = {"json": JsonLines, "csv": Csv, "table": Table}


def cell(entry: dict, name: str, task: Mapping[str, Any]) -> str:
    """A prediction in few words: "31.4 years (25.0-38.1)" or "smiling (92%)"."""
    if "classes" in task:
        return f"{entry[name]} ({entry[f'{name}_probabilities'][entry[name]]:.0%})"
    digits = Task.from_dict(dict(task)).decimals
    value = f"{entry[name]:.{digits}f} {task.get('unit', '')}".rstrip()
    if f"{name}_interval" in entry:
        low, high = entry[f"{name}_interval"]
        value += f" ({low:.{digits}f}-{high:.{digits}f})"
    return value


def place(entry: dict) -> str:
    """Where an entry is from: the file, the second of a video, the face of several."""
    words = [entry["image"]]
    if "seconds" in entry:
        words.append(f"{entry['seconds']:g} s")
    if entry.get("faces", 1) > 1:
        words.append(f"face {entry['face']}")
    return ", ".join(words)


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
        self._side = self.path.with_name(f"{self.path.name}.made_by.json")
        self.done: set[Key] = set()
        self.begun = False
        if self.path.exists() and not overwrite:
            if not self._side.is_file() or read_json(self._side) != made_by:
                raise UserError(
                    f"{path} is there already and was made by another model or other flags: name another file, or give "
                    "--overwrite"
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
        data = self.path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1].decode("utf-8", errors="replace")
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
        """The key of each entry, and where each begins in bytes; a CSV's head is before the first."""
        keys: list[Key] = []
        ends = [0]
        if self.kind == "json":
            for line in io.StringIO(text, newline="\n"):
                try:
                    entry = json.loads(line)
                except ValueError:
                    break
                keys.append((entry["image"], entry.get("seconds")))
                ends.append(ends[-1] + len(line.encode()))
            return keys, ends
        lines: list[str] = []

        def taken():
            for line in io.StringIO(text, newline=""):
                lines.append(line)
                yield line

        rows = csv.DictReader(taken())
        if rows.fieldnames is None:
            return keys, ends
        ends = [sum(len(line.encode()) for line in lines)]
        for row in rows:
            keys.append((row["image"], float(row["seconds"]) if row["seconds"] else None))
            ends.append(sum(len(line.encode()) for line in lines))
        return keys, ends


def stdout_kind(asked: str) -> str:
    """The name of the writer for stdout: as asked for, or a table on a terminal and else JSON."""
    return asked if asked != "auto" else ("table" if sys.stdout.isatty() else "json")
