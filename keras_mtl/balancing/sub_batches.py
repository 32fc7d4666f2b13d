"""Sub-batches: the consecutive rows of a batch that come from one source and are labelled for the same tasks."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from keras_mtl.errors import UserError


@dataclasses.dataclass(frozen=True)
class SubBatch:
    """Rows of a batch.

    Attributes:
        tasks: those that the rows may be labelled for.
        start, stop: the first row and the one behind the last; None for the whole batch.
    """

    tasks: tuple[str, ...]
    start: int | None = None
    stop: int | None = None

    def __len__(self) -> int:
        if self.start is None or self.stop is None:
            raise TypeError("the whole batch has no set number of rows")
        return self.stop - self.start

    def of(self, tensor):
        """The rows of a tensor whose first dimension is that of the batch."""
        return tensor[self.start : self.stop]

    def halves(self) -> tuple[SubBatch, SubBatch]:
        """The first and the second half of the rows."""
        if self.start is None or self.stop is None:
            raise UserError("Double sampling needs sub_batches, of which it takes halves")
        if self.stop - self.start < 2:
            raise UserError(
                f"Double sampling needs 2 images of each source in a batch. Received: {len(self)} for "
                f"{', '.join(self.tasks)}; take a larger --batch_size, or another --mix"
            )
        middle = (self.start + self.stop + 1) // 2
        return dataclasses.replace(self, stop=middle), dataclasses.replace(self, start=middle)


def halved(parts: Iterable[SubBatch]) -> list[list[SubBatch]]:
    """The first halves of sub-batches, and the second ones.

    Raises:
        UserError: a sub-batch without a number of rows, or of one row.
    """
    return [list(half) for half in zip(*(part.halves() for part in parts), strict=True)]


def cut_batch(
    sizes: Sequence[tuple[int, Iterable[str]]] | None, tasks: Sequence[str], outputs: Sequence[str] = ()
) -> list[SubBatch]:
    """The sub-batches of a batch.

    Args:
        sizes: for each source, in the order of its rows, the number of rows and its tasks; None for one
            sub-batch of all rows and tasks.
        tasks: the model's tasks that have a loss.
        outputs: those without one too.

    Raises:
        UserError: a task of no sub-batch, or one that the model lacks; no row, or none of a task.
    """
    if sizes is None:
        return [SubBatch(tuple(tasks))]
    parts, start = [], 0
    for size, names in sizes:
        own = tuple(name for name in tasks if name in names)
        if set(names) - {*tasks, *outputs} or size < 1:
            raise UserError(
                f"A sub-batch takes (rows, tasks) with 1 row or more and tasks of {', '.join(tasks)}. "
                f"Received: {(size, tuple(names))}"
            )
        if not own:
            raise UserError(f"A sub-batch needs a task that has a loss. Received: {(size, tuple(names))}")
        parts.append(SubBatch(own, start, start + size))
        start += size
    missing = [task for task in tasks if not any(task in part.tasks for part in parts)]
    if missing:
        raise UserError(f"No sub-batch is labelled for {missing[0]!r}")
    return parts
