"""What owners' lists of labels have in common: their rows, their mistakes, their MATLAB files.

A malformed row is not left out: its labels say what is wrong with it, so that `Task.parse` refuses them and the
record is quarantined with that reason.
"""

from __future__ import annotations

import csv
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from keras_mtl.errors import UserError
from keras_mtl.files import check_file, opened_lines, printable, visible_files


def read_rows(
    path: pathlib.Path, names: Sequence[str], labels: Sequence[str], delimiter: str = ","
) -> Iterator[dict[str, str]]:
    """Rows of a table in UTF-8 whose first line names its columns.

    Args:
        path: the table.
        names: the columns that say which image a row is about.
        labels: the other wanted columns.
        delimiter: what parts the columns.

    Yields:
        By column its text, stripped. In a row with too few fields or too many each label is a sentence that says so.

    Raises:
        UserError: the first line lacks a wanted column, or it is no such table.
    """
    # A byte that isn't UTF-8 spoils one name, not the whole list.
    with opened_lines(path, "replace") as lines:
        try:
            yield from _rows(csv.reader(lines, delimiter=delimiter), path, names, labels)
        except csv.Error as error:
            raise UserError(f"{path} is not the owner's list of labels: {error}") from None


def by_image(rows: Iterable[tuple[str, dict[str, str]]]) -> dict[str, dict[str, str]]:
    """The labels of each image. One that is listed twice counts once; labels that differ say so instead."""
    found: dict[str, dict[str, str]] = {}
    for image, labels in rows:
        known = found.setdefault(image, labels)
        if known != labels:
            found[image] = {
                name: text if text == labels[name] else f"listed twice: {text!r} and {labels[name]!r}"
                for name, text in known.items()
            }
    return found


def image_files(manual: pathlib.Path, folder: str) -> Iterator[tuple[str, pathlib.Path]]:
    """The `visible_files` of a folder in the manual folder: the name below the latter, the path."""
    for path in (manual / folder / name for name in visible_files(manual / folder)):
        if path.is_file():
            # Zip files from elsewhere leave names that aren't UTF-8, which TFDS can't write.
            yield printable(path.relative_to(manual).as_posix()), path


def read_struct(path: pathlib.Path, name: str, fields: Sequence[str]) -> dict[str, np.ndarray]:
    """Fields of a MATLAB structure whose every field is a row or a column of the same N values.

    Returns:
        By field's name N values: numbers as they are, cells of text as `str`, empty ones as "".

    Raises:
        UserError: not a MATLAB file up to version 7, or it has no such structure or field.
    """
    import scipy.io

    try:
        check_file(path)
        struct = scipy.io.loadmat(path, variable_names=[name])[name][0, 0]
        columns = {field: np.ravel(struct[field]) for field in fields}
    except Exception as error:  # SciPy has many for a damaged file.
        raise UserError(f"{path} holds no structure {name} with {', '.join(fields)}: {error}") from None
    return {field: _texts(values) if values.dtype == object else values for field, values in columns.items()}


def _rows(lines: Any, path: pathlib.Path, names: Sequence[str], labels: Sequence[str]) -> Iterator[dict[str, str]]:
    header = [name.strip() for name in next(lines, [])]
    missing = [name for name in (*names, *labels) if name not in header]
    if missing:
        raise UserError(
            f"{path} is not the owner's list of labels: no column {', '.join(missing)} "
            f"in its first line {','.join(header)[:120]!r}"
        )
    for fields in filter(None, lines):
        row = {name: text.strip() for name, text in zip(header, fields, strict=False)}
        if len(fields) != len(header):
            wrong = f"line {lines.line_num} of {path.name} has {len(fields)} fields, expected {len(header)}"
            row = {**{name: row.get(name, wrong) for name in names}, **dict.fromkeys(labels, wrong)}
        yield {name: row[name] for name in (*names, *labels)}


def _texts(cells: np.ndarray) -> np.ndarray:
    return np.array([_text(cell) for cell in cells], object)


def _text(cell: Any) -> str:
    return str(np.ravel(cell)[0]).strip() if np.size(cell) else ""
