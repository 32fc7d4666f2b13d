"""CSV files: a column `image`, one column for each task, and who is pictured where that is known."""

from __future__ import annotations

import contextlib
import csv
import pathlib
from collections.abc import Iterator
from typing import TextIO

from keras_mtl.data.source import SPLITS, Records, Source
from keras_mtl.errors import UserError
from keras_mtl.tasks import Task

MISSING = ("", "na", "n/a", "nan", "null")
IDENTITY = "identity"
_SURPLUS = "<surplus>"


class CsvSource(Source):
    """A CSV for each split (`{split}` in its path), or one with a column `split`, else all train. `csv:PATH`.

    Images are named relative to the data folder where one is given and the CSV lies in it, else to the CSV's own
    folder. An empty label (or NA, NaN, null) is a missing one. A column `identity`, where there is one and it is no
    task's, names who is pictured, or a group of near-duplicates; empty for unknown.

    Args:
        name, tasks, path, base: as for `Source`.

    Raises:
        UserError: no such file, an unreadable or an empty one, no column `image`, or none for a wanted task.
    """

    description = "pictures and labels listed in a CSV"

    def __init__(self, name: str, tasks: dict[str, Task], path: str = "", *, base: pathlib.Path | None = None):
        super().__init__(name, tasks, path, base=base)
        self.tables = {split: self.root / table for split, table in self.split_paths("file").items()}
        columns = {split: self._columns(table) for split, table in self.tables.items()}
        table = next(iter(self.tables.values())).resolve()
        if base is None or not table.is_relative_to(self.root):
            self.root = table.parent
        self.by_column = "{split}" not in path and "split" in columns["train"]
        self._identified = {split for split in columns if IDENTITY in columns[split] and IDENTITY not in self.tasks}
        self._splits = tuple(self.tables)
        if self.by_column:
            used = {self._split(row, line) for line, row in self._rows(self.tables["train"])}
            self._splits = tuple(split for split in SPLITS if split in used)

    def splits(self) -> tuple[str, ...]:
        return self._splits

    def records(self, split: str) -> Records:
        records = self.collect(split, self._entries(split))
        if self._file(split) in self._identified:
            rows = self._rows(self.tables[self._file(split)])
            known = {(row["image"] or "").strip(): (row[IDENTITY] or "").strip() for _, row in rows}
            records.identities = [known[image] or None for image in records.images]
        return records

    def _entries(self, split: str) -> Iterator[tuple[str, dict[str, object] | str]]:
        for line, row in self._rows(self.tables[self._file(split)]):
            if self.by_column and self._split(row, line) != split:
                continue
            image = (row["image"] or "").strip()
            if not image:
                yield f"(line {line})", "no image is named"
            elif _SURPLUS in row:
                yield image, f"line {line} has more fields than the first line"
            else:
                yield image, {task: _label(row[task]) for task in self.tasks}

    def _file(self, split: str) -> str:
        """Of which of `tables` a split's rows are."""
        return "train" if self.by_column else split

    def _split(self, row: dict[str, str], line: int) -> str:
        value = (row["split"] or "").strip()
        if value not in SPLITS:
            raise UserError(
                f"{self.tables['train']}, line {line}: split must be {', '.join(SPLITS)}. Received: {value!r}"
            )
        return value

    def _columns(self, table: pathlib.Path) -> list[str]:
        with _opened(table) as lines:
            columns = next(csv.reader(lines), [])
        if not any(columns):
            raise UserError(f"{table} is empty, expected a line of column names: image, {', '.join(self.tasks)}")
        for wanted in ("image", *self.tasks):
            if columns.count(wanted) != 1:
                number = "no column" if wanted not in columns else "more than one column"
                raise UserError(f"{table} has {number} {wanted!r}; its columns are: {', '.join(columns)}")
        return columns

    def _rows(self, table: pathlib.Path) -> Iterator[tuple[int, dict[str, str]]]:
        with _opened(table) as lines:
            reader = csv.DictReader(lines, restkey=_SURPLUS)
            for row in reader:
                yield reader.line_num, row


@contextlib.contextmanager
def _opened(path: pathlib.Path) -> Iterator[TextIO]:
    """A text file; what goes wrong while it is read becomes one clear line that names it."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} is not a CSV in UTF-8: {error}") from None


def _label(text: str | None) -> str | None:
    return None if text is None or text.strip().lower() in MISSING else text.strip()
