"""Steps of a regression's range, by which the report tells what depends on the true value."""

from __future__ import annotations

import numpy as np

from keras_mtl.comparison.cells import Row
from keras_mtl.comparison.report.context import Context
from keras_mtl.tasks import Task


def bins_of(context: Context, row: Row, name: str, step: float) -> np.ndarray:
    """Which step of the range each labelled image's label is in."""
    # 0.7 belongs to the step that begins with 0.7, though as a number of 32 bits it is a bit less.
    return np.floor(context.labelled(row, name, context.first_seed)[0] / step + 1e-5).astype(int)


def range_title(task: Task, start: float, step: float) -> str:
    """What a step is called, such as "20–29"."""
    whole = float(step).is_integer()
    return f"{start:g}–{start + step - 1:g}" if whole else f"{start:g}–{start + step:g}"
