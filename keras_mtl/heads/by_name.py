"""The heads by name: how a task's labels are turned into a loss, and logits into what a person reads."""

from __future__ import annotations

import dataclasses

from keras_mtl.errors import UserError
from keras_mtl.heads.corn import Corn
from keras_mtl.heads.dex import Dex
from keras_mtl.heads.dldl import Dldl
from keras_mtl.heads.l1 import L1
from keras_mtl.heads.logistic import Logistic
from keras_mtl.heads.softmax import Softmax
from keras_mtl.heads.task_head import Head
from keras_mtl.kinds import kind_of
from keras_mtl.tasks import Task

HEADS: dict[str, type[Head]] = {head.name: head for head in (Dldl, Dex, L1, Logistic, Softmax, Corn)}


def head_of(task: Task) -> Head:
    """The head that a task names, or its kind's default, with the task's options.

    Raises:
        UserError: an unknown head or option, or a head that can't serve the task's kind.
    """
    name = task.head or kind_of(task).head
    if name not in HEADS:
        raise UserError(f"Task {task.name!r}: unknown head {name!r}; known heads: {', '.join(HEADS)}")
    options = dict(task.options)
    unknown = sorted(set(options) - set(HEADS[name].option_names()))
    if unknown:
        known = ", ".join(HEADS[name].option_names()) or "none"
        raise UserError(f"Head {name!r} of task {task.name!r} has no option {unknown[0]!r}; its options: {known}")
    return HEADS[name](task, **options)


def settled(task: Task, step: float | None = None) -> Task:
    """The task with the options that its head has settled, for a model to keep: see `Head.settled`.

    Args:
        task: any task.
        step: as for `Head.settled`.
    """
    options = {name: value for name, value in head_of(task).settled(step).items() if name not in dict(task.options)}
    return dataclasses.replace(task, options=(*task.options, *options.items())) if options else task
