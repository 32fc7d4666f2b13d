"""Command lines out of dataclasses: each field is a flag, with its help and its group in the field's metadata."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import re
import sys
import textwrap
import types
import typing
from collections.abc import Callable, Sequence

from absl import flags

from keras_mtl import ending
from keras_mtl.backend import check_backend
from keras_mtl.errors import UserError
from keras_mtl.files import json_text, read_text
from keras_mtl.quiet import import_tensorflow
from keras_mtl.values import check_number, read_number, read_whole

LARGEST_FILE = 1 << 20
"""Bytes of a flagfile."""
MOST_FILES = 100
"""Flagfiles that a command reads: one may name others."""
HELP = ("--help", "-h", "-help", "--helpfull", "--helpshort")

_FLAGFILE = re.compile(r"--?flagfile(?:=(.*))?", re.DOTALL)
# An element of a list: text in double quotes, "" in it being a quote, or what stands up to the next comma.
_ELEMENT = re.compile(r'\s*(?:"((?:[^"]|"")*)"\s*|([^",\s][^,]*)?)(,|\Z)')


def flag(default, help: str, group: str, **limits):
    """A dataclass field that is a flag.

    Args:
        default: its default; a tuple makes a comma-separated list.
        help: what it does, worded for a newcomer.
        group: the heading in `--help` that it stands under.
        **limits: `choices`, or `low` and `high` (both included); `path=True` where the value names a file or a folder,
            in which ~ is the home folder.
    """
    return dataclasses.field(default=default, metadata={"help": help, "group": group, **limits})


class Settings:
    """Base of the dataclasses whose fields are flags: limits and choices hold for Python callers, too."""

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self))
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value, kind = getattr(self, field.name), _plain_type(hints[field.name])
            if value is None and field.default is None:
                continue
            if "choices" in field.metadata and value not in field.metadata["choices"]:
                raise UserError(
                    f"--{field.name} must be one of {', '.join(field.metadata['choices'])}. Received: {value!r}"
                )
            if kind in (int, float):
                limits = {end: field.metadata.get(end) for end in ("low", "high")}
                check_number(f"--{field.name}", value, whole=kind is int, **limits)


def define(config_class: type) -> flags.FlagValues:
    """The flags of a dataclass, in a set of their own."""
    values = flags.FlagValues()
    values.set_gnu_getopt(True)
    hints = typing.get_type_hints(config_class)
    for field in dataclasses.fields(config_class):
        kind = _plain_type(hints[field.name])
        given: dict[str, typing.Any] = {"name": field.name, "help": field.metadata["help"], "flag_values": values}
        given["default"] = field.default
        if "choices" in field.metadata:
            flags.DEFINE_enum(**given, enum_values=list(field.metadata["choices"]))
        elif kind in (int, float):
            parser = _WholeParser if kind is int else _NumberParser
            limits = {"lower_bound": field.metadata.get("low"), "upper_bound": field.metadata.get("high")}
            flags.DEFINE(parser(**limits), **given)
        elif kind is tuple:
            flags.DEFINE(_ListParser(), **given)
        else:
            define_plain = flags.DEFINE_boolean if kind is bool else flags.DEFINE_string
            define_plain(**given)
    return values


def parse(config_class: type, arguments: Sequence[str]) -> tuple[typing.Any, list[str]]:
    """Flags as a config, and the arguments that are no flags.

    Args:
        config_class: a dataclass whose fields were made with `flag`.
        arguments: what stands behind the command's name; `--flagfile=PATH` reads more from a file.

    Raises:
        UserError: an unknown flag, a wrong value, or a flagfile that can't be read.
    """
    values = define(config_class)
    try:
        rest = values(["keras_mtl", *_with_flagfiles(arguments)])[1:]
    except RecursionError:  # absl looks for a known name like it, letter by letter.
        raise UserError("A flag has a name of hundreds of letters, which none has (see --help)") from None
    except flags.Error as error:
        raise UserError(f"{' '.join(str(error).split())} (see --help)") from None
    given = {}
    hints = typing.get_type_hints(config_class)
    for field in dataclasses.fields(config_class):
        value: typing.Any = values[field.name].value
        if _plain_type(hints[field.name]) is tuple:
            (element, *_) = typing.get_args(hints[field.name])
            try:
                value = tuple(read_whole(text) if element is int and isinstance(text, str) else text for text in value)
            except ValueError:
                raise UserError(
                    f"--{field.name} takes {element.__name__} values with commas between. Received: {','.join(value)}"
                ) from None
        if any("\0" in text for text in (value if isinstance(value, tuple) else (value,)) if isinstance(text, str)):
            raise UserError(f"--{field.name} holds a NUL, which no name has")
        if field.metadata.get("path"):
            value = tuple(map(os.path.expanduser, value)) if isinstance(value, tuple) else os.path.expanduser(value)
        given[field.name] = value
    return config_class(**given), rest


def to_arguments(config) -> list[str]:
    """A config as arguments of a command line: `parse` gives an equal config of them."""
    arguments = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if value is None:
            continue
        if isinstance(value, bool):
            arguments.append(f"--{field.name}" if value else f"--no{field.name}")
        else:
            arguments.append(f"--{field.name}={write_list(value) if isinstance(value, tuple) else value}")
    return arguments


def to_flags(config) -> str:
    """A config as the text of a flagfile, one flag a line: reading it gives an equal config."""
    return "".join(f"{_line(argument)}\n" for argument in to_arguments(config))


def read_list(text: str) -> tuple[str, ...]:
    """The elements of a list with commas between; one in double quotes is taken as it stands, else blanks around go.

    Raises:
        ValueError: a quote that isn't closed, or something behind it.

    Example:
        >>> read_list('age, "csv:Smith, John/p.csv"')
        ('age', 'csv:Smith, John/p.csv')
    """
    elements = []
    start = 0
    while text.strip():
        found = _ELEMENT.match(text, start)
        if found is None:
            raise ValueError(f"a quote is not closed, or something is behind it, in {text!r}")
        quoted, bare, end = found.groups()
        elements.append(quoted.replace('""', '"') if quoted is not None else (bare or "").strip())
        if not end:
            break
        start = found.end()
    return tuple(elements)


def write_list(elements: Sequence[object]) -> str:
    """The text that `read_list` reads as these elements."""
    texts = [str(element) for element in elements]
    is_plain = [bool(text) and text == text.strip() and "," not in text and not text.startswith('"') for text in texts]
    quoted = ['"' + text.replace('"', '""') + '"' for text in texts]
    return ",".join(text if plain else other for text, plain, other in zip(texts, is_plain, quoted, strict=True))


def help_text(config_class: type, usage: str) -> str:
    """What `--help` prints: the command's own text, then its flags under their headings.

    A config that inherits flags which mean nothing to its command names the others in `shown_flags`.
    """
    values = define(config_class)
    shown_flags = getattr(config_class, "shown_flags", None)
    groups: dict[str, list[str]] = {}
    for field in dataclasses.fields(config_class):
        if shown_flags is not None and field.name not in shown_flags:
            continue
        default = values[field.name].default
        shown = write_list(default) if isinstance(default, tuple) else default
        choices = f" One of: {', '.join(field.metadata['choices'])}." if "choices" in field.metadata else ""
        is_switch = isinstance(field.default, bool)
        ending = "" if shown in (None, "") else f" [default: {str(shown).lower() if is_switch else shown}]"
        name = f"--[no]{field.name}" if is_switch else f"--{field.name}"
        body = textwrap.fill(
            field.metadata["help"] + choices + ending, 96, initial_indent=" " * 6, subsequent_indent=" " * 6
        )
        groups.setdefault(field.metadata["group"], []).append(f"  {name}\n{body}")
    sections = [f"{title}:\n" + "\n".join(entries) for title, entries in groups.items()]
    more = (
        "Flags can also be kept in a file, one a line: --flagfile=PATH. Later flags win over earlier ones.\n"
        "In a list, a value that has a comma in it stands in double quotes."
    )
    return "\n\n".join([usage.strip(), *sections, more]) + "\n"


def run_command(
    main: Callable, config_class: type, usage: str, *, takes_arguments: bool = False, needs_tensorflow: bool = True
) -> typing.NoReturn:
    """Parses `sys.argv`, runs a command and ends the process.

    Args:
        main: called as `main(config)`, or `main(config, arguments)` with `takes_arguments`; what it returns
            is the exit code, None for 0.
        config_class: a dataclass whose fields were made with `flag`.
        usage: the text above the flags in `--help`, usually the module's docstring.
        takes_arguments: whether arguments that are no flags are allowed.
        needs_tensorflow: whether to import it first, without its lines about the machine.

    It ends as `keras_mtl.ending` says: a `UserError` is printed in one line, with exit code 2.
    """

    def command() -> int | None:
        arguments = sys.argv[1:]
        if any(argument in HELP for argument in arguments):
            print(help_text(config_class, usage))
            return 0
        config, rest = parse(config_class, arguments)
        if rest and not takes_arguments:
            raise UserError(f"Unexpected argument {rest[0]!r}: flags are written --name=value (see --help)")
        if needs_tensorflow:
            check_backend()
            import_tensorflow()
        return main(config, rest) if takes_arguments else main(config)

    ending.run(command)


def _with_flagfiles(arguments: Sequence[str], inside: tuple[str, ...] = (), read: list[str] | None = None) -> list[str]:
    """The arguments, with those of a flagfile in the place of each `--flagfile`.

    absl's own reading of them knows neither quoted lines nor which encoding they are in.

    Args:
        arguments: as they are given, or stand in a file.
        inside: the files that these are read for.
        read: all files that were read so far; files that name others twice could go on for ever.
    """
    read = [] if read is None else read
    found: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            return [*found, argument, *rest]
        match = _FLAGFILE.fullmatch(argument)
        if not match:
            found.append(argument)
            continue
        if match[1] is None and not rest:
            raise UserError("--flagfile needs the name of a file: --flagfile=PATH")
        path = os.path.expanduser(rest.pop(0) if match[1] is None else match[1])
        read.append(path)
        if any(os.path.realpath(path) == os.path.realpath(other) for other in inside):
            raise UserError(f"The flagfile {path} is read by itself: {' reads '.join((*inside, path))}")
        if len(read) > MOST_FILES:
            raise UserError(f"More than {MOST_FILES} flagfiles are read for each other; the last: {path}")
        found += _with_flagfiles(_lines(path), (*inside, path), read)
    return found


def _lines(path: str) -> list[str]:
    """The arguments in a flagfile: a line each, but for empty ones and comments; in quotes where `_line` puts some."""
    lines = [line.strip() for line in io.StringIO(read_text(path, "The flagfile", LARGEST_FILE), newline=None)]
    try:
        return [json.loads(line) if line.startswith('"') else line for line in lines if not _is_comment(line)]
    except ValueError:
        raise UserError(f"The flagfile {path} has a line in quotes that don't close: quote values, not lines") from None


def _is_comment(line: str) -> bool:
    return not line or line.startswith(("#", "//"))


def _line(argument: str) -> str:
    """An argument as a flagfile's line: a JSON text where it would be more than a line, or lose blanks at its end."""
    is_plain = argument == argument.strip() and argument.isprintable()
    return argument if is_plain else json_text(argument)


class _WholeParser(flags.IntegerParser):
    """absl's, by the grammar of `keras_mtl.values`."""

    def convert(self, argument):
        return read_whole(argument) if isinstance(argument, str) else super().convert(argument)


class _NumberParser(flags.FloatParser):
    """absl's, by the grammar of `keras_mtl.values`."""

    def convert(self, argument):
        return read_number(argument) if isinstance(argument, str) else super().convert(argument)


class _ListParser(flags.ArgumentParser):
    """A list as `read_list` reads it."""

    def parse(self, argument):
        return read_list(argument) if isinstance(argument, str) else tuple(argument)

    def flag_type(self):
        return "list"


def _plain_type(hint) -> type:
    """The type under `T | None` and `tuple[T, ...]`."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _plain_type(next(part for part in typing.get_args(hint) if part is not type(None)))
    return origin or hint
