"""What is predicted: the `Task` declaration, the built-in tasks and those a user declares in a file."""

from __future__ import annotations

import dataclasses
import json
import math
import pathlib

from keras_mtl.errors import UserError

KINDS = ("binary", "multiclass", "ordinal", "regression")


@dataclasses.dataclass(frozen=True)
class Task:
    """One thing to predict from an image.

    Args:
        name: the task's name; the model's output, the label column and every metric bear it.
        kind: "binary", "multiclass", "ordinal" (classes in a meaningful order) or "regression".
        classes: class names in label order; not for regression.
        low, high: the range of a regression label, both included.
        unit: what a regression label is counted in, for instance "years".
        head: how it is predicted, a name in `keras_mtl.models.heads.HEADS`; empty chooses the kind's default.
        options: the head's own settings, as (name, value) pairs or a dict.

    Raises:
        ValueError: the declaration is incomplete or contradicts itself.

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
        if not self.name.isidentifier():
            raise UserError(f"A task's name must be a word of letters, digits and _. Received: name={self.name!r}")
        if self.kind not in KINDS:
            raise UserError(f"Task {self.name!r}: kind must be one of {', '.join(KINDS)}. Received: {self.kind!r}")
        object.__setattr__(self, "classes", tuple(str(name) for name in self.classes))
        options = self.options.items() if isinstance(self.options, dict) else self.options
        object.__setattr__(self, "options", tuple((str(name), value) for name, value in options))
        if self.kind == "regression":
            if self.low is None or self.high is None or not self.low < self.high:
                raise UserError(
                    f"Task {self.name!r}: regression needs low < high. Received: low={self.low}, high={self.high}"
                )
        elif len(set(self.classes)) != len(self.classes) or len(self.classes) < 2:
            raise UserError(
                f"Task {self.name!r}: {self.kind} needs two or more different classes. Received: {self.classes}"
            )
        elif self.kind == "binary" and len(self.classes) != 2:
            raise UserError(f"Task {self.name!r}: binary needs exactly two classes. Received: {self.classes}")

    @property
    def bounds(self) -> tuple[float, float]:
        """The smallest and the largest label: the range of a regression, else the first and the last class's index."""
        if self.classes:
            return 0.0, len(self.classes) - 1.0
        assert self.low is not None and self.high is not None  # as __post_init__ has made sure
        return float(self.low), float(self.high)

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

    def parse(self, text: object) -> float:
        """The label as a number: a class's index, or a value in the task's unit.

        Args:
            text: a class name, a class index or a number, as found in a file.

        Returns:
            The label as a float; NaN for a missing one (None, NaN or an empty text).

        Raises:
            ValueError: no such class, not a number, or out of range.
        """
        if text is None or text == "" or (isinstance(text, float) and math.isnan(text)):
            return math.nan
        if self.classes:
            name = str(text).strip()
            if name in self.classes:
                return float(self.classes.index(name))
            known = f"one of {', '.join(self.classes)} or an index from 0 to {len(self.classes) - 1}"
        else:
            known = f"a number from {self.low:g} to {self.high:g}"
        try:
            value = float(text)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            raise UserError(f"{self.name} label {text!r} is not {known}") from None
        low, high = self.bounds
        if not low <= value <= high or (self.classes and not value.is_integer()):
            raise UserError(f"{self.name} label {text!r} is not {known}")
        return value

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
        """The task that `to_dict` described. Raises ValueError for an unknown or a missing field."""
        known = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(set(plain) - known)
        if unknown or not {"name", "kind"} <= set(plain):
            raise UserError(
                f"A task needs name and kind, and may have {', '.join(sorted(known - {'name', 'kind'}))}. "
                f"Received: {', '.join(plain) or 'nothing'}"
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

    Raises:
        ValueError: the file is missing, can't be parsed, or declares a task wrongly.
    """
    path = pathlib.Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"Task file {path} can't be read: {error.strerror}") from None
    try:
        if path.suffix == ".json":
            plain = json.loads(text)
        else:
            import yaml

            plain = yaml.safe_load(text)
    except ValueError as error:
        raise UserError(f"Task file {path} is not valid JSON: {error}") from None
    except yaml.YAMLError as error:
        raise UserError(f"Task file {path} is not valid YAML: {' '.join(str(error).split())}") from None
    entries = plain if isinstance(plain, list) else [plain]
    if not entries or not all(isinstance(entry, dict) for entry in entries):
        raise UserError(f"Task file {path} must hold a list of tasks, each with name and kind.")
    tasks = [Task.from_dict(entry) for entry in entries]
    return {task.name: task for task in tasks}


def select_tasks(names: list[str] | tuple[str, ...], declared: dict[str, Task] | None = None) -> dict[str, Task]:
    """The named tasks, in the order given; declared ones come before built-in ones of the same name.

    Raises:
        ValueError: a name that is unknown or given twice, or no name at all.
    """
    known = {**BUILT_IN, **(declared or {})}
    if not names:
        raise UserError(f"No task given; known tasks: {', '.join(known)}")
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UserError(f"Unknown task {unknown[0]!r}; known tasks: {', '.join(known)} (declare more with --task_file)")
    if len(set(names)) != len(names):
        raise UserError(f"A task is named twice: {', '.join(names)}")
    return {name: known[name] for name in names}
