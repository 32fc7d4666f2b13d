"""What plain data from a file must look like, said by a type: a TypedDict, `dict[str, list[float]]`, …"""

from __future__ import annotations

import reprlib
import types
import typing
from typing import Any

from keras_mtl.errors import UserError
from keras_mtl.values import is_number

_WORDS = {dict: "an object", list: "a list", str: "a text", bool: "true or false", int: "a whole number"}
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60


def check_shape(value: Any, kind: Any, field: str = "") -> None:
    """Checks plain data, as JSON gives it, against a type.

    Args:
        value: the data.
        kind: `Any`, None, bool, int, float (a number, NaN too), str, `Literal`, `A | B`, `list[T]`, `dict[str, T]`, or
            a TypedDict: an object with its fields, and maybe with others.
        field: where it stands, for the message.

    Raises:
        UserError: it is of another type, or lacks a field; the message names the field and goes on from "file: ".

    Example:
        >>> check_shape({"loss": [1, "x"]}, dict[str, list[float]])
        Traceback (most recent call last):
        keras_mtl.errors.UserError: loss[1] must be a number. Received: 'x'
    """
    origin, parts = typing.get_origin(kind) or kind, typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if not any(_fits(value, part) for part in parts):
            wanted = next(part for part in parts if part is not type(None))
            check_shape(value, wanted, field)
    elif not _is_one(value, kind, origin, parts):
        where = field or "it"
        raise UserError(f"{where} must be {_words(kind, origin, parts)}. Received: {_SHORT.repr(value)}")
    elif origin is dict and parts:
        for name, part in value.items():
            check_shape(part, parts[1], _below(field, name))
    elif origin is list and parts:
        for place, part in enumerate(value):
            check_shape(part, parts[0], f"{field}[{place}]")
    elif typing.is_typeddict(kind):
        for name, hint in typing.get_type_hints(kind).items():
            if name in value:
                check_shape(value[name], hint, _below(field, name))
            elif name in kind.__required_keys__:
                raise UserError(f"{_below(field, name)} is missing")


def _below(field: str, name: str) -> str:
    return f"{field}.{name}" if field else str(name)


def _fits(value: Any, kind: Any) -> bool:
    try:
        check_shape(value, kind)
    except UserError:
        return False
    return True


def _is_one(value: Any, kind: Any, origin: Any, parts: tuple[Any, ...]) -> bool:
    if origin is Any:
        return True
    if origin is typing.Literal:
        return value in parts if isinstance(value, (str, int)) else False
    if kind is None or kind is type(None):
        return value is None
    if origin is float:
        return isinstance(value, float) or is_number(value)
    if origin is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, dict if typing.is_typeddict(kind) else origin)


def _words(kind: Any, origin: Any, parts: tuple[Any, ...]) -> str:
    if origin is typing.Literal:
        return f"one of {', '.join(map(repr, parts))}"
    if origin is float:
        return "a number"
    return _WORDS.get(dict if typing.is_typeddict(kind) else origin, "null")
