"""Rows of text as an aligned table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[object]], right: Sequence[int] = ()) -> str:
    """The rows as text, each column as wide as its widest cell, two blanks between; the first row is the heading.

    Args:
        rows: cells of equal number per row.
        right: the indices of the columns to align right, numbers for instance.

    Example:
        >>> print(aligned([("task", "images"), ("age", 7)], right=[1]))
        task  images
        age        7
    """
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        padded = [
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)
