"""Tables of images and labels in parquet, which may hold the images themselves."""

from __future__ import annotations

import bisect
import itertools
import pathlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from keras_mtl.data.source import digest, stamp
from keras_mtl.data.table import Row, TableFile
from keras_mtl.errors import UserError
from keras_mtl.files import check_file, shortened
from keras_mtl.photos import DECODING
from keras_mtl.tasks import Task


class ParquetSource(TableFile):
    """A parquet file, of which only the columns that are used are read. `parquet:PATH`.

    Columns and options as for `TableFile`. A column of images may hold them as Hugging Face's data sets do, each a
    struct of its encoded `bytes` and its `path`; that one is named `SPLIT/path`, or by its row where it has no path.

    Raises:
        UserError: no such file, an unreadable one, no column `image`, or none for a wanted task.
    """

    description = "pictures and labels listed in a parquet file"

    def __init__(self, name: str, tasks: dict[str, Task], path: str = "", *, base: pathlib.Path | None = None):
        self._held: dict[str, tuple[str, str, int]] = {}
        self._lock = threading.Lock()
        self._group: tuple[str, str, range, Any] | None = None
        super().__init__(name, tasks, path, base=base)

    def read_columns(self, table: pathlib.Path) -> list[str]:
        return _opened(table).schema_arrow.names

    def read_rows(self, table: pathlib.Path, columns: Sequence[str]) -> Iterator[Row]:
        file = _opened(table)
        holding = [column for column in columns if _holds_images(file.schema_arrow.field(column).type)]
        wanted = [f"{column}.path" if column in holding else column for column in columns]
        split = next(split for split, path in self.tables.items() if path == table)
        line = 0
        for values in _read(file, table, wanted):
            line += 1
            if isinstance(values, str):
                yield Row(line, {}, f"line {line} {values}")
                continue
            for column in holding:
                values[column] = self._named(split, column, line - 1, (values[column] or {}).get("path"))
            yield Row(line, values)

    def file(self, image: str) -> pathlib.Path | None:
        return None if image in self._held else super().file(image)

    def decode(self, images: Sequence[str], size: int) -> tuple[np.ndarray, dict[int, str]]:
        if not self._holds(images):
            return super().decode(images, size)
        from keras_mtl.data import images as image_files

        return image_files.decode_bytes(self.encoded(images), size)

    def encoded(self, images: Sequence[str]) -> list[bytes]:
        """The named images as they are kept; empty for one that the table does not hold."""
        if not self._holds(images):
            return super().encoded(images)
        import pyarrow

        try:
            return [self._bytes(*self._held[image]) for image in images]
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            raise UserError(f"Source {self.name}: its images can't be read: {shortened(str(error))}") from None

    def fingerprint(self, images: Sequence[str], size: int) -> str:
        if not self._holds(images):
            return super().fingerprint(images, size)
        return digest(
            [f"parquet {DECODING} {size}", *(f"{path} {stamp(path)}" for path in self.tables.values()), *images]
        )

    def _holds(self, images: Sequence[str]) -> bool:
        """Whether the images are in the tables, which is known of those that `records` has told."""
        return any(image in self._held for image in images)

    def _named(self, split: str, column: str, row: int, path: str | None) -> str:
        name = f"{split}/{path or f'{row:07d}'}".strip()  # As a column's other values are taken.
        if self._held.setdefault(name, (split, column, row)) != (split, column, row):
            name += f"#{row:07d}"  # Nothing keeps two images from bearing one path.
            self._held[name] = (split, column, row)
        return name

    def _bytes(self, split: str, column: str, row: int) -> bytes:
        """An image's bytes. A group of rows is read at once, and kept for the next image."""
        with self._lock:
            if self._group is None or self._group[:2] != (split, column) or row not in self._group[2]:
                self._group = None  # Two groups need not be in memory.
                file = _opened(self.tables[split])
                ends = list(
                    itertools.accumulate(file.metadata.row_group(i).num_rows for i in range(file.num_row_groups))
                )
                number = bisect.bisect_right(ends, row)
                values = file.read_row_group(number, columns=[f"{column}.bytes"])[column]
                self._group = split, column, range(ends[number] - len(values), ends[number]), values
            _, _, rows, values = self._group
            value = values[rows.index(row)].as_py()
        return (value or {}).get("bytes") or b""


def _holds_images(kind: Any) -> bool:
    import pyarrow

    return pyarrow.types.is_struct(kind) and {"bytes", "path"} <= {kind.field(i).name for i in range(kind.num_fields)}


def _read(file: Any, table: pathlib.Path, columns: Sequence[str]) -> Iterator[dict[str, Any] | str]:
    """The rows of a parquet file as Python's own values; of one that has none, why."""
    import pyarrow

    try:
        for batch in file.iter_batches(columns=columns):
            try:
                yield from batch.to_pylist()
            except (ValueError, OverflowError, pyarrow.ArrowException):  # Of a row: text or dates that are none.
                for row in range(len(batch)):
                    try:
                        yield from batch.slice(row, 1).to_pylist()
                    except (ValueError, OverflowError, pyarrow.ArrowException) as error:
                        yield f"can't be read: {shortened(str(error))}"
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{table} is damaged: {shortened(str(error))}") from None


def _opened(table: pathlib.Path) -> Any:
    import pyarrow
    import pyarrow.parquet

    try:
        check_file(table)
        return pyarrow.parquet.ParquetFile(table)
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:
        raise UserError(f"{table} is not a parquet file: {shortened(str(error))}") from None
    except OSError as error:
        raise UserError(f"{table} can't be read: {error.strerror or shortened(str(error))}") from None
