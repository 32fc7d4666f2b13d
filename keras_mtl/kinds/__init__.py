"""The kinds of task by name: each owns all that is known of its labels and of what is predicted of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras_mtl.kinds.binary import Binary
from keras_mtl.kinds.kind import Kind
from keras_mtl.kinds.multiclass import Multiclass
from keras_mtl.kinds.ordinal import Ordinal
from keras_mtl.kinds.regression import Regression

if TYPE_CHECKING:
    from keras_mtl.tasks import Task

KINDS: dict[str, type[Kind]] = {kind.name: kind for kind in (Binary, Multiclass, Ordinal, Regression)}


def kind_of(task: Task) -> Kind:
    """The kind of a task, made for it."""
    return KINDS[task.kind](task)
