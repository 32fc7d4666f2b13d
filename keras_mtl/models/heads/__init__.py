"""The heads by name: how a task's labels are turned into a loss, and logits into what a person reads."""

from __future__ import annotations

import dataclasses

from keras_mtl.errors import UserError
from keras_mtl.models.heads.base import BinsHead, Head
from keras_mtl.models.heads.corn import Corn
from keras_mtl.models.heads.dex import Dex
from keras_mtl.models.heads.dldl import Dldl
from keras_mtl.models.heads.l1 import L1
from keras_mtl.models.heads.logistic import Logistic
from keras_mtl.models.heads.softmax import Softmax
from keras_mtl.tasks import Task

HEADS: dict[str, type[Head]] = {head.name: head for head in (Dldl, Dex, L1, Logistic, Softmax, Corn)}
DEFAULTS = {"regression": "dldl", "binary": "logistic", "multiclass": "softmax", "ordinal": "corn"}


def head_of(task: Task) -> Head:
    """The head that a task names, or its kind's default, with the task's options.

    Raises:
        UserError: an unknown head or option, or a head that can't serve the task's kind.
    """
    name = task.head or DEFAULTS[task.kind]
    if name not in HEADS:
        raise UserError(f"Task {task.name!r}: unknown head {name!r}; known heads: {', '.join(HEADS)}")
    options = dict(task.options)
    unknown = sorted(set(options) - set(HEADS[name].option_names()))
    if unknown:
        known = ", ".join(HEADS[name].option_names()) or "none"
        raise UserError(f"Head {name!r} of task {task.name!r} has no option {unknown[0]!r}; its options: {known}")
    return HEADS[name](task, **options)


def settled(task: Task, step: float | None = None) -> Task:
    """The task with its bins' distance among its options where that isn't 1, for a model to keep.

    Args:
        task: any task; one without bins, or whose options say `step`, stays as it is.
        step: the distance; by default the head's.
    """
    head = head_of(task)
    if not isinstance(head, BinsHead) or "step" in dict(task.options):
        return task
    step = step or head.step
    return task if head.step == step == 1 else dataclasses.replace(task, options=(*task.options, ("step", step)))
