"""Which names tasks and classes may have, so that nothing of one is named like something of another.

Layers of the model, outputs of an export and columns of the predictions are named after tasks. Checked before a
training, since some of these are first made long after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from keras_mtl.errors import UserError
from keras_mtl.kinds import kind_of

if TYPE_CHECKING:
    from keras_mtl.tasks import Task

LONGEST = 100
"""Characters of a task's name: files are named after it."""
LAYERS = ("pool", "hidden", "dropout", "logits")
"""A task's branch has layers `<task>_<ending>`."""
OUTPUTS = ("class", "distribution", "interval")
"""An export's output `<task>_<ending>` says more about `<task>`."""
COLUMNS = (
    *("source", "image", "cluster", "photo", "seconds", "face", "faces", "error"),
    *("box", "box_left", "box_top", "box_right", "box_bottom"),
)
"""What tables of images, crops and predictions have besides tasks."""

_TRUNK = re.compile(r"images|pixels|pool|stem(_\w+)?|stage[0-9]+(_block[0-9]+_\w+)?")
_FIGURE = re.compile(r"val(_\w*)?")


def is_name(text: str) -> bool:
    """Whether a text can name a task: ASCII letters, digits and _, with a letter among them."""
    return re.fullmatch(r"\w*[A-Za-z]\w*", text, re.ASCII) is not None and len(text) <= LONGEST


def check_names(tasks: Mapping[str, Task]) -> None:
    """Raises UserError where a task or a class can't bear its name beside those of the others."""
    for name in tasks:
        reason = (
            "TensorFlow has no names that begin with _"
            if name.startswith("_")
            else "a layer of the model has that name"
            if _TRUNK.fullmatch(name)
            else "a column of the predictions has that name"
            if name in COLUMNS
            else "figures on validation are named so"
            if _FIGURE.fullmatch(name)
            else ""
        )
        if reason:
            raise UserError(f"A task can't be named {name!r}: {reason}. Choose another name")
    for task in tasks.values():
        for label in task.classes:
            # Labels are stripped, and an export lists classes one a line.
            if not label.strip() or label != label.strip() or len(label.splitlines()) > 1:
                raise UserError(f"Task {task.name!r}: a class's name is one line without blanks around it: {label!r}")
    for what, named in (("layer", _layers), ("output", _outputs), ("column", _columns)):
        owners: dict[str, str] = {}
        for task in tasks.values():
            for name in named(task):
                if name in owners:
                    raise UserError(_two(what, name, owners[name], task))
                owners[name] = task.name


def owner_of(figure: str, tasks: Iterable[str]) -> str | None:
    """The task that a figure such as "age_group_loss" is of: of "age" and "age_group" the longer; None for no task."""
    owners = [task for task in tasks if figure.startswith(f"{task}_")]
    return max(owners, key=len, default=None)


def _layers(task: Task) -> Iterator[str]:
    yield from (task.name, *(f"{task.name}_{ending}" for ending in LAYERS))


def _outputs(task: Task) -> Iterator[str]:
    yield from (task.name, *(f"{task.name}_{ending}" for ending in (*OUTPUTS, "probabilities")))


def _columns(task: Task) -> Iterator[str]:
    yield from (task.name, *(f"{task.name}_{ending}" for ending in ("predicted", *kind_of(task).endings)))


def _two(what: str, name: str, owner: str, task: Task) -> str:
    if owner == task.name:
        return (
            f"Task {owner!r}: the {what} {name!r} would stand for a class and for what is predicted. Rename the class"
        )
    also = ", or a class" if what == "column" else ""
    return f"Tasks {owner!r} and {task.name!r} would both have the {what} {name!r}. Rename one of them{also}"
