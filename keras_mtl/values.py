"""Values as users write them, in tables, task files and flags: one grammar of numbers, and what counts as missing."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from keras_mtl.errors import UserError

MISSING = ("", "na", "n/a", "nan", "null")
"""What stands for a missing value in a table, in upper or lower case."""

SEEDS = 2**32
"""Seeds are below it: NumPy's and Keras' generators take no larger ones."""

LARGEST = 3.4028235e38
"""What is above it is infinite in float32, in which nets compute."""

# Python's own float() and int() also read "3_9", "infinity" and digits of every script.
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_WHOLE = re.compile(r"[+-]?[0-9]+")


def read_number(text: str) -> float:
    """A number such as 3, -0.5 or 1e-3; blanks around it are left out.

    Raises:
        ValueError: it is none, or too large.
    """
    if not _NUMBER.fullmatch(text.strip()) or math.isinf(value := float(text)):
        raise ValueError(f"{text!r} is not a number such as 3, 0.5 or 1e-3")
    return value


def is_whole(text: str) -> bool:
    """Whether a text is a whole number such as 3 or -12, with or without blanks around it."""
    return _WHOLE.fullmatch(text.strip()) is not None


def read_whole(text: str) -> int:
    """The whole number that a text is. Raises ValueError where it is none."""
    if not is_whole(text):
        raise ValueError(f"{text!r} is not a whole number such as 3")
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
    """Whether a value is a finite number of Python's own."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def check_number(
    what: str, value: object, *, low: float | None = None, high: float | None = None, whole: bool = False
) -> None:
    """Refuses a setting that no computation can use, whoever gives it.

    Args:
        what: the setting's name, to begin the message with.
        value: what was given, NumPy's scalars among it.
        low, high: the least and the largest that it may be.
        whole: whether it has to be a whole number.

    Raises:
        UserError: it is no number, NaN, infinite (in float32 too), or out of its limits.
    """
    number = plain(value)
    right = is_number(number) and (isinstance(number, int) if whole else abs(number) <= LARGEST)
    if not right or not (low is None or number >= low) or not (high is None or number <= high):
        ends = [f"{word} {end:g}" for word, end in (("from", low), ("to", high)) if end is not None]
        expected = " ".join(["a whole number" if whole else "a finite number", *ends])
        raise UserError(f"{what} must be {expected}. Received: {value!r}")


def rank(score: float | None) -> float:
    """What scores are compared by, the larger the better: none, NaN and infinite ones come last, and win nowhere."""
    return score if is_number(plain(score)) else -math.inf  # type: ignore[return-value]


def check_finite(outputs: Mapping[str, Any], of: str) -> None:
    """Refuses what a model gives where it is of no use.

    Args:
        outputs: arrays or tensors of numbers by task or output; others are left out.
        of: what gave them, to begin the message with.

    Raises:
        UserError: NaN or infinity is among them.
    """
    import numpy as np  # Here, since flags need this module.

    for name, values in outputs.items():
        numbers = np.atleast_1d(np.asarray(values))
        if numbers.dtype.kind == "f" and not (right := np.isfinite(numbers)).all():
            bad = int((~right.reshape(len(right), -1).all(1)).sum())
            raise UserError(
                f"{of} has values of {name} that are not finite for {bad:,} of {len(numbers):,} images, as if a "
                "training had diverged: train it again with a lower --learning_rate, or take another model"
            )


def without_nan(value: Any) -> Any:
    """Plain data with None for each number that isn't finite, as JSON has it; keys of mappings as text."""
    if isinstance(value, Mapping):
        return {str(key): without_nan(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


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
