"""What tables of images and labels have in common, whatever they are kept in."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from keras_mtl.data.columns import Columns, Options, fields_of, read_options
from keras_mtl.data.source import SPLITS, Entry, Records, Source
from keras_mtl.errors import UserError
from keras_mtl.tasks import Task
from keras_mtl.values import shown


@dataclasses.dataclass(frozen=True)
class Row:
    """A record of a table: where it stands, its values by column, and what is wrong with it, if anything."""

    line: int
    values: Mapping[str, Any]
    problem: str = ""


class TableSource(Source):
    """A table for each split, or one with a column for the split, else all of it is train.

    An empty label (or NA, NaN, null) is a missing one. The identity names who is pictured, or a group of
    near-duplicates; groups are what results are told by, a region or a camera for instance. A missing one of either
    is unknown.

    A kind of table is a subclass with `read_columns` and `read_rows`.

    Args:
        name, tasks, base: as for `Source`.
        tables: by split, what `read_columns` and `read_rows` take.
        options: which columns hold what, as from `read_options`.

    Raises:
        UserError: a column that isn't there, or a split that isn't one.
    """

    description = "pictures and labels listed in a table"

    def __init__(
        self,
        name: str,
        tasks: dict[str, Task],
        path: str,
        tables: Mapping[str, Any],
        options: Options,
        *,
        base: pathlib.Path | None = None,
    ):
        super().__init__(name, tasks, path, base=base)
        self.tables = dict(tables)
        found = {split: self.read_columns(table) for split, table in self.tables.items()}
        self.columns = {
            split: Columns.choose(options, self.tasks, found[split], self.title(table))
            for split, table in self.tables.items()
        }
        self._used = {split: columns.used(found[split]) for split, columns in self.columns.items()}
        by_file = "{split}" in path
        if by_file and "split" in options:
            raise UserError(f"Source {name}: a table for each split needs no option 'split'. Received: {path!r}")
        self.by_column = not by_file and bool(self.columns["train"].split)
        self._splits = tuple(self.tables)
        if self.by_column:
            used = {self._split(row) for row in self._rows("train") if not row.problem or row.values}
            self._splits = tuple(split for split in SPLITS if split in used)

    def read_columns(self, table: Any) -> list[str]:
        """The names of a table's columns, in order. Raises UserError where it can't be read."""
        raise NotImplementedError

    def read_rows(self, table: Any, columns: Sequence[str]) -> Iterator[Row]:
        """A table's records, of which only these columns are needed. Raises UserError where it can't be read."""
        raise NotImplementedError

    def title(self, table: Any) -> str:
        """What messages call a table."""
        return str(table)

    def splits(self) -> tuple[str, ...]:
        return self._splits

    def records(self, split: str) -> Records:
        return self.collect(split, self._entries(split))

    def _entries(self, split: str) -> Iterator[Entry]:
        columns = self.columns[self._table(split)]
        for row in self._rows(self._table(split)):
            if self.by_column and self._split(row) != split:
                continue
            try:
                for column in fields_of(columns.image, list(row.values)):
                    if isinstance(value := row.values.get(column), (bytes, dict, list)):
                        kind = type(value).__name__
                        raise ValueError(f"no image is named: {column!r} holds {kind}, expected a file's name")
                image = columns.name_image(row.values, split)
            except ValueError as error:
                yield Entry(f"(line {row.line})", row.problem or str(error))
                continue
            yield Entry(
                image,
                row.problem or {task: row.values.get(name) for task, name in columns.labels.items()},
                shown(row.values.get(columns.identity)) or None,
                {group: shown(row.values.get(group)) or None for group in columns.groups},
            )

    def _table(self, split: str) -> str:
        """Under which split's name the table is that has the rows of `split`."""
        return "train" if self.by_column else split

    def _rows(self, name: str) -> Iterator[Row]:
        return self.read_rows(self.tables[name], self._used[name])

    def _split(self, row: Row) -> str:
        if row.problem and not row.values:
            return self._splits[0]
        value = shown(row.values.get(self.columns["train"].split))
        if value not in SPLITS:
            raise UserError(
                f"{self.title(self.tables['train'])}, line {row.line}: split must be {', '.join(SPLITS)}. "
                f"Received: {value!r}"
            )
        return value


class TableFile(TableSource):
    """A table in a file, or one for each split where its path holds `{split}`. `KIND:PATH?image=TEMPLATE&age=COLUMN&…`.

    Images are named relative to the data folder where one is given and the table lies in it, else to the table's own
    folder. Options name the columns: `image` (or a template such as `photos/{user}/{url.name}`, where `.name` is the
    last part of a path or an address, `.stem` and `.suffix` its halves), each task, `split`, `identity` and `group`.
    `group` may be given several times.
    """

    def __init__(self, name: str, tasks: dict[str, Task], path: str = "", *, base: pathlib.Path | None = None):
        path, options = read_options(path)
        Source.__init__(self, name, tasks, path, base=base)
        tables = {split: self.root / table for split, table in self.split_paths("file").items()}
        super().__init__(name, tasks, path, tables, options, base=base)
        first = next(iter(tables.values())).resolve()
        if base is None or not first.is_relative_to(self.root):
            self.root = first.parent
