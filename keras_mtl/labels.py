"""How a class label is read: which class a value stands for, the same in every kind of table."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from decimal import Decimal

from keras_mtl.values import number_of

_SWITCHES = {"true": True, "false": False}
_WORDS = {**_SWITCHES, "yes": True, "no": False, "on": True, "off": False}


def possible_classes(value: object, classes: Sequence[str], *, is_binary: bool) -> list[int]:
    """The classes that a value may stand for, as indices: none, one, or several where it is not clear.

    A class's name wins. Where names are numbers, a number is the class of that number however it is written: 1, 1.0
    and "1.0" are the class "1". Only where no name is a number it is an index. True and False, in words too, are the
    class that says so (True, yes, on or 1; False, no, off or 0), else the second and the first of two classes.

    Args:
        value: from `values.plain`, not missing.
        classes: their names.
        is_binary: whether the task is binary.

    Example:
        >>> possible_classes(1.0, ("1", "2", "3"), is_binary=False)
        [0]
        >>> possible_classes(1, ("yes", "no"), is_binary=True)  # the first says so, the second has the index
        [0, 1]
    """
    if isinstance(value, (str, int)) and str(value) in classes:
        return [classes.index(str(value))]
    numbers, told = _read(tuple(classes))
    has_numbers = any(number is not None for number in numbers)
    switch = _SWITCHES.get(value.lower()) if isinstance(value, str) else value if isinstance(value, bool) else None
    if switch is not None:
        if any(one is not None for one in told):
            return [index for index, one in enumerate(told) if one == switch]
        return [int(switch)] if is_binary and not has_numbers else []
    number = number_of(value)
    if number is None:
        return []
    if has_numbers:
        return [index for index, one in enumerate(numbers) if one == number]
    found = set()
    if 0 <= number < len(classes) and number == int(number):
        found.add(int(number))
    if number in (0, 1):
        found |= {index for index, one in enumerate(told) if one == bool(number)}
    return sorted(found)


@functools.lru_cache
def _read(classes: tuple[str, ...]) -> tuple[list[Decimal | None], list[bool | None]]:
    """By class the number that its name is, and whether it says True or False; None where it is none and neither."""
    numbers = [number_of(name) for name in classes]
    if set(numbers) == {0, 1}:
        return numbers, [bool(number) for number in numbers]
    return numbers, [_WORDS.get(name.lower()) for name in classes]
