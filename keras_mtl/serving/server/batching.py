"""Images of many requests, predicted together."""

from __future__ import annotations

import asyncio
import collections
import contextlib
from collections.abc import Callable
from concurrent.futures import Executor
from typing import NamedTuple

import numpy as np

Outputs = dict[str, np.ndarray]


class _Waiting(NamedTuple):
    images: np.ndarray
    answer: asyncio.Future[Outputs]


class Batcher:
    """Collects images while a batch is being predicted, and predicts them all at once when it is done.

    So nobody waits while nothing runs, and batches grow with the load by themselves. A waiting request whose client has
    gone is dropped. All methods belong to one event loop.

    Args:
        predict: from uint8 [n, size, size, 3] to outputs with n rows; called in `executor`.
        executor: with one thread, or several batches run side by side.
        max_batch: images at once, at most; a request with more is predicted in parts.
        seconds: how long a batch that isn't full waits for more images.
        observe: told the number of images of each batch.
    """

    def __init__(
        self,
        predict: Callable[[np.ndarray], Outputs],
        executor: Executor,
        *,
        max_batch: int,
        seconds: float = 0.0,
        observe: Callable[[int], None] = lambda images: None,
    ):
        self._predict, self._executor, self._observe = predict, executor, observe
        self._max_batch, self._seconds = max_batch, seconds
        self._waiting: collections.deque[_Waiting] = collections.deque()
        self._full = asyncio.Event()
        self._runner: asyncio.Task | None = None

    async def submit(self, images: np.ndarray) -> Outputs:
        """The outputs for uint8 [n, size, size, 3], n at least 1. Raises what `predict` raises."""
        parts = [images[i : i + self._max_batch] for i in range(0, len(images), self._max_batch)]
        entries = [_Waiting(part, asyncio.get_running_loop().create_future()) for part in parts]
        self._waiting.extend(entries)
        if self._fills_a_batch():
            self._full.set()
        if self._runner is None or self._runner.done():
            self._runner = asyncio.create_task(self._run())
        try:
            each = [await entry.answer for entry in entries]
        finally:
            for entry in entries:
                entry.answer.cancel()  # Does nothing to those that are done.
        return each[0] if len(each) == 1 else {name: np.concatenate([one[name] for one in each]) for name in each[0]}

    async def _run(self) -> None:
        while self._waiting:
            if self._seconds and not self._fills_a_batch():
                self._full.clear()
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._full.wait(), self._seconds)
            batch = self._next()
            if batch:
                await self._answer(batch)

    def _fills_a_batch(self) -> bool:
        return sum(len(entry.images) for entry in self._waiting) >= self._max_batch

    def _next(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        count = 0
        while self._waiting and count + len(self._waiting[0].images) <= self._max_batch:
            entry = self._waiting.popleft()
            if not entry.answer.done():
                batch.append(entry)
                count += len(entry.images)
        return batch

    async def _answer(self, batch: list[_Waiting]) -> None:
        images = batch[0].images if len(batch) == 1 else np.concatenate([entry.images for entry in batch])
        self._observe(len(images))
        try:
            outputs = await asyncio.get_running_loop().run_in_executor(self._executor, self._predict, images)
        except Exception as error:  # Whatever it is, those who wait must hear of it.
            for entry in batch:
                if not entry.answer.done():
                    entry.answer.set_exception(error)
            return
        start = 0
        for entry in batch:
            end = start + len(entry.images)
            if not entry.answer.done():
                entry.answer.set_result({name: values[start:end] for name, values in outputs.items()})
            start = end
