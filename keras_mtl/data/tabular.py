"""Tables of images and labels: CSV, JSON lines, and data frames from Python."""

from __future__ import annotations

import contextlib
import csv
import itertools
import json
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from keras_mtl import formulas
from keras_mtl.data.columns import check_options
from keras_mtl.data.table import Row, TableFile, TableSource
from keras_mtl.errors import UserError
from keras_mtl.files import opened_lines
from keras_mtl.tasks import Task

if TYPE_CHECKING:
    import pandas as pd


class CsvSource(TableFile):
    """A CSV in UTF-8 with a first line of column names. `csv:PATH`; columns and options as for `TableFile`.

    A ' before a cell that would be a formula in a spreadsheet is no part of it: see `keras_mtl.formulas`.

    Raises:
        UserError: no such file, an unreadable or an empty one, no column `image`, or none for a wanted task.
    """

    description = "pictures and labels listed in a CSV"

    def read_columns(self, table: pathlib.Path) -> list[str]:
        with _opened(table) as lines:
            try:
                columns = _names(next(csv.reader(lines), []))
                " ".join(columns).encode()
            except (UnicodeEncodeError, csv.Error) as error:
                raise UserError(f"{table} is not a CSV in UTF-8: {error}") from None
        if not any(columns):
            raise UserError(f"{table} is empty, expected a line of column names: image, {', '.join(self.tasks)}")
        return columns

    def read_rows(self, table: pathlib.Path, columns: Sequence[str]) -> Iterator[Row]:
        with _opened(table) as lines:
            reader = csv.reader(lines, strict=True)
            names = _names(next(reader))
            while True:
                first = reader.line_num + 1
                try:
                    fields = next(reader)
                except StopIteration:
                    break
                except csv.Error as error:
                    if reader.line_num > first:
                        raise UserError(
                            f"{table}, lines {first} to {reader.line_num}: not a CSV ({error}); "
                            f"is a quotation mark opened and not closed there?"
                        ) from None
                    yield Row(first, {}, f"line {first} is not a CSV: {error}")
                    continue
                if not fields:
                    continue
                line, surplus = reader.line_num, len(fields) > len(names)
                problem = f"line {line} has more fields than the first line" if surplus else ""
                values = map(formulas.unquoted, fields[: len(names)])
                yield Row(line, dict(itertools.zip_longest(names, values)), problem)


def _names(fields: Sequence[str]) -> list[str]:
    return [formulas.unquoted(field) for field in fields]


class JsonLinesSource(TableFile):
    """A JSON object in each line, whose keys are the columns (https://jsonlines.org). `jsonl:PATH`.

    A record may lack keys: what it lacks is missing. Columns and options as for `TableFile`.

    Raises:
        UserError: no such file, an unreadable one, one without an object, or a column that no object has.
    """

    description = "pictures and labels listed in JSON lines"

    def read_columns(self, table: pathlib.Path) -> list[str]:
        columns: dict[str, None] = {}
        for row in self.read_rows(table, ()):
            columns.update(dict.fromkeys(row.values))
        if not columns:
            raise UserError(f"{table} has no JSON object, expected one in each line: image, {', '.join(self.tasks)}")
        return list(columns)

    def read_rows(self, table: pathlib.Path, columns: Sequence[str]) -> Iterator[Row]:
        with _opened(table) as lines:
            for number, text in enumerate(lines, 1):
                if not text.strip():
                    continue
                try:
                    values = json.loads(text, object_pairs_hook=_object)
                except _Twice as error:
                    yield Row(number, {}, f"line {number} names {error} twice")
                    continue
                except (ValueError, RecursionError):
                    values = None
                if isinstance(values, dict):
                    yield Row(number, values)
                else:
                    yield Row(number, {}, f"line {number} is not a JSON object")


class DataFrameSource(TableSource):
    """A pandas data frame: a row for each image.

    Args:
        name: unique among the sources of a run.
        tasks: the tasks wanted from it, by name.
        frame: its rows; a column `split`, where there is one, names each row's split, else all are train.
        columns: which columns hold what, where they aren't named `image`, as the tasks, `split`, `identity` and
            `group`: {"image": "photos/{user}.jpg", "age": "years", "group": ["region", "camera"]}.
        base: the folder that images are relative to; None for the working directory.

    Raises:
        UserError: a column that isn't there, or a split that isn't one.

    Example:
        >>> import pandas as pd
        >>> from keras_mtl import tasks
        >>> frame = pd.DataFrame({"file": ["a.jpg", "b.jpg"], "age": [30, None]})
        >>> source = DataFrameSource("mine", tasks.select_tasks(["age"]), frame, columns={"image": "file"})
        >>> records = source.records("train")
        >>> records.images, [bad.image for bad in records.bad]
        (['a.jpg'], ['b.jpg'])
    """

    description = "pictures and labels listed in a data frame"

    def __init__(
        self,
        name: str,
        tasks: dict[str, Task],
        frame: pd.DataFrame,
        *,
        columns: Mapping[str, str | Sequence[str]] | None = None,
        base: str | pathlib.Path | None = None,
    ):
        options = {key: [value] if isinstance(value, str) else list(value) for key, value in (columns or {}).items()}
        check_options(options, list(tasks))
        super().__init__(
            name, tasks, "", {"train": frame}, options, base=pathlib.Path(base).expanduser() if base else None
        )

    def read_columns(self, table: pd.DataFrame) -> list[str]:
        return [str(column) for column in table.columns]

    def read_rows(self, table: pd.DataFrame, columns: Sequence[str]) -> Iterator[Row]:
        used = table.loc[:, [str(column) in columns for column in table.columns]].astype(object)
        used = used.where(used.notna(), None)
        names = [str(column) for column in used.columns]
        for line, values in enumerate(used.itertuples(index=False, name=None), 1):
            yield Row(line, dict(zip(names, values, strict=True)))

    def title(self, table: pd.DataFrame) -> str:
        return f"The data frame of the source {self.name}"


def _opened(path: pathlib.Path) -> contextlib.AbstractContextManager[Iterator[str]]:
    """The lines of a file, in which a byte that isn't UTF-8 stays as in the names of files, and spoils no other."""
    return opened_lines(path, "surrogateescape")


class _Twice(Exception):
    """A key that an object has twice: which of its values counts?"""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Twice(repr(next(name for name in names if names.count(name) > 1))[:80])
    return found
