"""What is predicted: the `Task` declaration, the built-in tasks and those a user declares in a file."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from keras_mtl.errors import UserError
from keras_mtl.files import read_text, shortened
from keras_mtl.kinds import KINDS, kind_of
from keras_mtl.names import LONGEST, check_names, is_name
from keras_mtl.values import MISSING, is_number, plain, read_number

LARGEST_FILE = 128 << 10
"""Bytes of a task file: a thousand classes take a tenth of it."""
DEEPEST = 50
"""Brackets inside each other in it."""
LARGEST_NUMBER = 100_000
"""Values in it."""


@dataclasses.dataclass(frozen=True)
class Task:
    """One thing to predict from an image.

    Args:
        name: the task's name; the model's output, the label column and every metric bear it.
        kind: a name in `keras_mtl.kinds.KINDS`: "binary", "multiclass", "ordinal" (classes in a meaningful order) or
            "regression".
        classes: class names in label order; not for regression.
        low, high: the range of a regression label, both included.
        unit: what a regression label is counted in, for instance "years".
        head: how it is predicted, a name in `keras_mtl.heads.HEADS`; empty chooses the kind's default.
        options: the head's own settings, as (name, value) pairs or a dict.

    Raises:
        UserError: the declaration is incomplete or contradicts itself.

    Example:
        >>> Task("emotion", "multiclass", classes=("angry", "happy", "neutral")).parse("happy")
        1.0
    """

    name: str
    kind: str
    classes: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    unit: str = ""
    head: str = ""
    options: tuple[tuple[str, float], ...] = ()

    def __post_init__(self):
        if not isinstance(self.name, str) or not is_name(self.name):
            raise UserError(
                f"A task's name must be a word of letters from a to z, digits and _, with a letter in it and of "
                f"{LONGEST} at most: TensorFlow takes no others. Received: name={self.name!r}"
            )
        if not isinstance(self.kind, str) or self.kind not in KINDS:
            raise self.wrong("kind", f"one of {', '.join(KINDS)}")
        for field in ("unit", "head"):
            if not isinstance(getattr(self, field), str):
                raise self.wrong(field, "text")
        self._check_classes()
        self._check_options()
        for field in ("low", "high"):
            object.__setattr__(self, field, plain(getattr(self, field)))
            if getattr(self, field) is not None and not is_number(getattr(self, field)):
                raise self.wrong(field, "a finite number")
        kind_of(self).check()

    def _check_classes(self):
        if isinstance(self.classes, str) or not isinstance(self.classes, Sequence):
            raise self.wrong("classes", "a list of names")
        for name in self.classes:
            if not isinstance(name, (str, int, float)) or isinstance(name, bool):
                raise self.wrong("classes", f"a list of names, and {name!r} is none: write it in quotes")
        object.__setattr__(self, "classes", tuple(str(name) for name in self.classes))

    def _check_options(self):
        if isinstance(self.options, str) or not isinstance(self.options, (Mapping, Sequence)):
            raise self.wrong("options", "a mapping of settings to numbers")
        pairs = tuple(self.options.items()) if isinstance(self.options, Mapping) else tuple(self.options)
        if not all(isinstance(pair, Sequence) and len(pair) == 2 and is_number(pair[1]) for pair in pairs):
            raise self.wrong("options", "a mapping of settings to numbers")
        object.__setattr__(self, "options", tuple((str(name), value) for name, value in pairs))

    def wrong(self, field: str, expected: str) -> UserError:
        """The error for a field that is not what it must be."""
        return UserError(f"Task {self.name!r}: {field} must be {expected}. Received: {getattr(self, field)!r}")

    @property
    def bounds(self) -> tuple[float, float]:
        """The smallest and the largest label: the range of a regression, else the first and the last class's index."""
        return kind_of(self).bounds

    @property
    def decimals(self) -> int:
        """With how many decimals a value is told to about a thousandth of the range: one for ages."""
        low, high = self.bounds
        return max(0, round(3 - math.log10(high - low)))

    def round_part(self, parts: float) -> float:
        """A round number (1, 2 or 5 times a power of ten) near the range divided by `parts`: 10 for ages and 12."""
        low, high = self.bounds
        rough = (high - low) / parts
        power = 10.0 ** math.floor(math.log10(rough))
        return min((1.0, 2.0, 5.0, 10.0), key=lambda factor: abs(math.log(factor * power / rough))) * power

    def parse(self, value: object) -> float:
        """The label as a number: a class's index, or a value in the task's unit.

        The same label is read in every kind of table: "1", 1 and 1.0 alike.

        Args:
            value: a class name, a class index (only where no class's name is a number), True or False, or a number, as
                found in a file.

        Returns:
            The label as a float; NaN for a missing one: None, NaN, an empty text, or one of `values.MISSING` that
            names no class.

        Raises:
            UserError: no such class, more than one that could be meant, not a number, or out of range.
        """
        found = plain(value)
        is_missing = found is None or (isinstance(found, str) and found.lower() in MISSING)
        if is_missing and found not in self.classes:
            return math.nan
        return kind_of(self).parse(value, found)

    def to_dict(self) -> dict:
        """The declaration as plain data, the form in which `--task_file` is written."""
        plain = {name: value for name, value in dataclasses.asdict(self).items() if value not in (None, "", ())}
        if self.classes:
            plain["classes"] = list(self.classes)
        if self.options:
            plain["options"] = dict(self.options)
        return plain

    @classmethod
    def from_dict(cls, plain: dict) -> Task:
        """The task that `to_dict` described. Raises UserError for an unknown or a missing field."""
        known = {field.name for field in dataclasses.fields(cls)}
        if set(plain) - known or not {"name", "kind"} <= set(plain):
            raise UserError(
                f"A task needs name and kind, and may have {', '.join(sorted(known - {'name', 'kind'}))}. "
                f"Received: {', '.join(map(str, plain)) or 'nothing'}"
            )
        return cls(**plain)


BUILT_IN = {
    task.name: task
    for task in (
        Task("age", "regression", low=0, high=120, unit="years"),
        Task("gender", "binary", classes=("male", "female")),
        Task("smile", "binary", classes=("not smiling", "smiling")),
        Task("age_group", "ordinal", classes=("0-2", "4-6", "8-13", "15-20", "25-32", "38-43", "48-53", "60+")),
        Task(
            "age_decade",
            "ordinal",
            classes=("0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70+"),
        ),
    )
}


def read_task_file(path: str | pathlib.Path) -> dict[str, Task]:
    """Tasks declared in a YAML or JSON file: a list of `Task` fields, or one such mapping.

    Names of classes are taken as they are written: `no`, `null`, `010` and `1.10` too.

    Raises:
        UserError: the file is missing, can't be parsed, or declares a task wrongly.
    """
    path = pathlib.Path(path).expanduser()
    text = read_text(path, "Task file", LARGEST_FILE)
    try:
        plain_data = _parsed(text, is_json=path.suffix == ".json")
        entries = plain_data if isinstance(plain_data, list) else [plain_data]
        if not entries or not all(isinstance(entry, dict) for entry in entries):
            raise UserError("it must hold a list of tasks, each with name and kind")
        tasks = [Task.from_dict(_with_numbers(entry)) for entry in entries]
        names = [task.name for task in tasks]
        if len(set(names)) != len(names):
            raise UserError(f"a task is declared twice: {', '.join(names)}")
    except UserError as error:
        raise UserError(f"Task file {path}: {shortened(str(error), 1000)}") from None
    return dict(zip(names, tasks, strict=True))


def _parsed(text: str, *, is_json: bool) -> Any:
    """YAML or JSON as plain data whose words and numbers are texts, as they are written."""
    if is_json:
        try:
            return json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
        except RecursionError:
            raise UserError("it is nested too deeply") from None
        except ValueError as error:
            raise UserError(f"not valid JSON: {error}") from None
    import yaml

    # PyYAML takes seconds to find that out.
    if max(itertools.accumulate((letter in "[{") - (letter in "]}") for letter in text), default=0) > DEEPEST:
        raise UserError("it is nested too deeply")

    class Loader(yaml.SafeLoader):
        # YAML would read [no, 010] as False and 8. Of what it resolves only << is left, which merges mappings.
        yaml_implicit_resolvers = {"<": [("tag:yaml.org,2002:merge", re.compile("^<<$"))]}

        def get_single_node(self):
            node = super().get_single_node()
            _check_size(node, {})
            return node

    try:
        return yaml.load(text, Loader)
    except RecursionError:
        raise UserError("it is nested too deeply") from None
    except UserError:
        raise
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, KeyError) as error:  # PyYAML has them all.
        raise UserError(f"not valid YAML: {' '.join(str(error).split())}") from None


def _check_size(node: Any, known: dict[int, int]) -> int:
    """How many values a YAML node is, each alias counted as what it stands for: a few lines can be billions.

    Args:
        node: as PyYAML composes it, before anything is made of it.
        known: the sizes of those that were counted; 0 while one is counted.

    Raises:
        UserError: there are more than `LARGEST_NUMBER`, or a value is inside itself.
    """
    if node is None or isinstance(node.value, str):
        return 1
    size = known.get(id(node))
    if size == 0:
        raise UserError("a value is inside itself")
    if size is None:
        known[id(node)] = 0
        parts = [part for pair in node.value for part in (pair if isinstance(pair, tuple) else (pair,))]
        size = known[id(node)] = 1 + sum(_check_size(part, known) for part in parts)
    if size > LARGEST_NUMBER:
        raise UserError(f"with what its aliases (*) stand for it holds more than {LARGEST_NUMBER:,} values")
    return size


def _with_numbers(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry of a task file with numbers in the fields that want some."""

    def number(field: str, text: object) -> object:
        try:
            return read_number(text) if isinstance(text, str) else text
        except ValueError as error:
            raise UserError(f"task {entry.get('name')!r}: {field} must be a number, but {error}") from None

    found = {field: number(field, value) if field in ("low", "high") else value for field, value in entry.items()}
    if isinstance(options := found.get("options"), dict):
        found["options"] = {name: number(f"options {name}", text) for name, text in options.items()}
    return found


def select_tasks(names: list[str] | tuple[str, ...], declared: dict[str, Task] | None = None) -> dict[str, Task]:
    """The named tasks, in the order given; declared ones come before built-in ones of the same name.

    Raises:
        UserError: a name that is unknown, given twice or can't be borne beside the others, or no name at all.
    """
    known = {**BUILT_IN, **(declared or {})}
    if not names:
        raise UserError(f"No task given; known tasks: {', '.join(known)}")
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UserError(f"Unknown task {unknown[0]!r}; known tasks: {', '.join(known)} (declare more with --task_file)")
    if len(set(names)) != len(names):
        raise UserError(f"A task is named twice: {', '.join(names)}")
    tasks = {name: known[name] for name in names}
    check_names(tasks)
    return tasks
