"""Values as users write them, in tables, task files and flags: one grammar of numbers, and what counts as missing."""

from __future__ import annotations

import math
import re
import sys
from decimal import Decimal
from typing import Any

MISSING = ("", "na", "n/a", "nan", "null")
"""What stands for a missing value in a table, in upper or lower case."""

SEEDS = 2**32
"""Seeds are below it: NumPy's and Keras' generators take no larger ones."""

# Python's own float() and int() also read "3_9", "infinity" and digits of every script.
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,300}")  # More would not fit into a float.


def read_number(text: str) -> float:
    """A number such as 3, -0.5 or 1e-3; blanks around it are left out.

    Raises:
        ValueError: it is none, or too large.
    """
    if not _NUMBER.fullmatch(text.strip()) or math.isinf(value := float(text)):
        raise ValueError(f"{text!r} is not a number such as 3, 0.5 or 1e-3")
    return value


def is_whole(text: str) -> bool:
    """Whether a text is a whole number such as 3 or -12, of 300 digits at most, with or without blanks around it."""
    return _WHOLE.fullmatch(text.strip()) is not None


def read_whole(text: str) -> int:
    """The whole number that a text is. Raises ValueError where it is none, or has more than 300 digits."""
    if not is_whole(text):
        raise ValueError(f"{text[:40]!r} is not a whole number such as 3")
    return int(text)


def plain(value: object) -> Any:
    """A value as Python's own: None for a missing one, stripped text, a switch or a number; all else is left as it is.

    Args:
        value: as CSV, JSON, parquet or a data frame have it, NumPy's scalars among them.
    """
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").strip()
    if getattr(value, "ndim", None) == 0:
        value = value.item()  # type: ignore[attr-defined]
    pandas = sys.modules.get("pandas")
    if isinstance(value, (float, Decimal)) and math.isnan(value):
        return None
    if pandas is not None and (value is pandas.NA or value is pandas.NaT):
        return None
    return value


def number_of(value: object) -> Decimal | None:
    """The number that a plain value is, or that stands in its text; None where it is none.

    A float that a column of float32 may hold is taken as written there: 1.1, not 1.100000023841858.
    """
    if isinstance(value, str):
        return Decimal(value) if _NUMBER.fullmatch(value) else None
    if isinstance(value, float) and math.isfinite(value):
        return Decimal(int(value)) if value.is_integer() else Decimal(_shortest(value))
    if isinstance(value, Decimal):
        return value if value.is_finite() else None
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else None


def is_number(value: object) -> bool:
    """Whether a value is a finite number of Python's own, that a float can hold."""
    try:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False


def shown(value: object) -> str:
    """A value as text; empty for a missing one. Whole floats are shown as integers, which a column with gaps held."""
    found = plain(value)
    if found is None or (isinstance(found, str) and found.lower() in MISSING):
        return ""
    if isinstance(found, float) and math.isfinite(found):
        return str(int(found)) if found.is_integer() else _shortest(found)
    return str(found)


def is_seed(value: object) -> bool:
    """Whether a value can seed every generator of random numbers."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < SEEDS


def _shortest(value: float) -> str:
    import numpy as np  # Here, since flags need this module.

    with np.errstate(over="ignore"):
        single = np.float32(value)
    return str(single) if float(single) == value else repr(value)
