"""Command lines out of dataclasses: each field is a flag, with its help and its group in the field's metadata."""

from __future__ import annotations

import dataclasses
import sys
import textwrap
import types
import typing
from collections.abc import Callable, Sequence

from absl import flags

from keras_mtl.errors import UserError
from keras_mtl.quiet import import_tensorflow

HELP = ("--help", "-h", "-help", "--helpfull", "--helpshort")


def flag(default, help: str, group: str, **limits):
    """A dataclass field that is a flag.

    Args:
        default: its default; a tuple makes a comma-separated list.
        help: what it does, worded for a newcomer.
        group: the heading in `--help` that it stands under.
        **limits: `choices`, or `low` and `high` (both included).
    """
    return dataclasses.field(default=default, metadata={"help": help, "group": group, **limits})


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
            define_number = flags.DEFINE_integer if kind is int else flags.DEFINE_float
            define_number(**given, lower_bound=field.metadata.get("low"), upper_bound=field.metadata.get("high"))
        elif kind is tuple:
            flags.DEFINE_list(**{**given, "default": [str(element) for element in given["default"]]})
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
        rest = values(["keras_mtl", *arguments])[1:]
    except flags.Error as error:
        raise UserError(f"{' '.join(str(error).split())} (see --help)") from None
    given = {}
    hints = typing.get_type_hints(config_class)
    for field in dataclasses.fields(config_class):
        value: typing.Any = values[field.name].value
        if _plain_type(hints[field.name]) is tuple:
            (element, *_) = typing.get_args(hints[field.name])
            try:
                value = tuple(element(text) for text in value)
            except ValueError:
                raise UserError(
                    f"--{field.name} takes {element.__name__} values with commas between. Received: {','.join(value)}"
                ) from None
        given[field.name] = value
    return config_class(**given), rest


def to_flags(config) -> str:
    """A config as the text of a flagfile, one flag a line: reading it gives an equal config."""
    lines = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if value is None:
            continue
        if isinstance(value, bool):
            lines.append(f"--{field.name}" if value else f"--no{field.name}")
        elif isinstance(value, tuple):
            lines.append(f"--{field.name}={','.join(str(element) for element in value)}")
        else:
            lines.append(f"--{field.name}={value}")
    return "\n".join(lines) + "\n"


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
        shown = ",".join(str(element) for element in default) if isinstance(default, list) else default
        choices = f" One of: {', '.join(field.metadata['choices'])}." if "choices" in field.metadata else ""
        is_switch = isinstance(field.default, bool)
        ending = "" if shown in (None, "") else f" [default: {str(shown).lower() if is_switch else shown}]"
        name = f"--[no]{field.name}" if is_switch else f"--{field.name}"
        body = textwrap.fill(
            field.metadata["help"] + choices + ending, 96, initial_indent=" " * 6, subsequent_indent=" " * 6
        )
        groups.setdefault(field.metadata["group"], []).append(f"  {name}\n{body}")
    sections = [f"{title}:\n" + "\n".join(entries) for title, entries in groups.items()]
    more = "Flags can also be kept in a file, one a line: --flagfile=PATH. Later flags win over earlier ones."
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

    A `UserError` is printed in one line and ends with exit code 2.
    """
    arguments = sys.argv[1:]
    if any(argument in HELP for argument in arguments):
        print(help_text(config_class, usage))
        sys.exit(0)
    try:
        config, rest = parse(config_class, arguments)
        if rest and not takes_arguments:
            raise UserError(f"Unexpected argument {rest[0]!r}: flags are written --name=value (see --help)")
        if needs_tensorflow:
            import_tensorflow()
        code = main(config, rest) if takes_arguments else main(config)
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        sys.exit(130)
    sys.exit(code or 0)


def _plain_type(hint) -> type:
    """The type under `T | None` and `tuple[T, ...]`."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _plain_type(next(part for part in typing.get_args(hint) if part is not type(None)))
    return origin or hint
