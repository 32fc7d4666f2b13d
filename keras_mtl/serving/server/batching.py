"""Images of many requests, predicted together."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, InvalidStateError

import numpy as np

Outputs = dict[str, np.ndarray]


class _Request:
    """Images of one request, which several batches may share, and the future of their outputs."""

    def __init__(self, images: np.ndarray, answer: Future[Outputs]):
        self.images, self.answer = images, answer
        self.taken = 0  # images that are in a batch or predicted
        self._parts: dict[int, Outputs] = {}

    def add(self, start: int, outputs: Outputs) -> None:
        """Keeps the outputs of the images from `start` on, and answers once they are all there."""
        self._parts[start] = outputs
        counts = [len(next(iter(part.values()))) for part in self._parts.values()]
        if sum(counts) == len(self.images):
            parts = [self._parts[start] for start in sorted(self._parts)]
            whole = parts[0] if len(parts) == 1 else {n: np.concatenate([part[n] for part in parts]) for n in parts[0]}
            _settle(self.answer, whole)


class Batcher:
    """Collects images while batches are being predicted, and predicts what has come when one is done.

    So nobody waits while nothing runs, and batches grow with the load by themselves. The thread that has prepared
    images goes on to predict them, and then what has come meanwhile; where `at_once` threads do so already, it leaves
    its images to those. A waiting request whose client has gone is dropped.

    Args:
        predict: from uint8 [n, size, size, 3] to outputs with n rows; called in `executor`.
        executor: threads: `at_once` of them may be predicting, and the others prepare images.
        at_once: batches that run side by side, at most.
        max_batch: images in a batch, at most.
        seconds: how long a batch that isn't full waits for more images.
        observe: told the number of images of each batch.
    """

    def __init__(
        self,
        predict: Callable[[np.ndarray], Outputs],
        executor: Executor,
        *,
        at_once: int,
        max_batch: int,
        seconds: float = 0.0,
        observe: Callable[[int], None] = lambda images: None,
    ):
        self._predict, self._executor, self._observe = predict, executor, observe
        self._at_once, self._max_batch, self._seconds = at_once, max_batch, seconds
        self._waiting: collections.deque[_Request] = collections.deque()
        self._changed = threading.Condition()
        self._running = self._under_way = 0  # batches that run, and images in them

    async def submit(self, prepare: Callable[[], np.ndarray]) -> Outputs:
        """The outputs for images.

        Args:
            prepare: gives the images, uint8 [n, size, size, 3], n at least 1; called in `executor`.

        Raises:
            Exception: what `prepare` or `predict` raises.
        """
        answer: Future[Outputs] = Future()
        self._executor.submit(self._work, prepare, answer)
        return await asyncio.wrap_future(answer)

    def _work(self, prepare: Callable[[], np.ndarray], answer: Future[Outputs]) -> None:
        if answer.done():
            return
        try:
            request = _Request(prepare(), answer)
        except BaseException as error:  # Whatever it is, who waits must hear of it.
            _settle(answer, error)
            return
        with self._changed:
            self._waiting.append(request)
            self._changed.notify_all()
            if self._running >= self._at_once:
                return
            self._running += 1
        self._run()

    def _run(self) -> None:
        count = 0
        while True:
            with self._changed:
                self._under_way -= count
                if self._waiting and self._seconds:
                    self._changed.wait_for(lambda: self._images_waiting() >= self._max_batch, self._seconds)
                batch = self._next()
                if not batch:
                    # Under the lock, so that what comes next finds that nobody runs.
                    self._running -= 1
                    return
                count = sum(end - start for _, start, end in batch)
                self._under_way += count
                if self._waiting and self._running < self._at_once:  # What is left of a large request.
                    self._running += 1
                    self._executor.submit(self._run)
            self._answer(batch)

    def _images_waiting(self) -> int:
        return sum(len(request.images) - request.taken for request in self._waiting)

    def _next(self) -> list[tuple[_Request, int, int]]:
        """Requests with the first and the last of their images, exclusive, that the next batch is made of."""
        self._waiting = collections.deque(request for request in self._waiting if not request.answer.done())
        waiting = self._images_waiting()
        # An equal share: else one batch has all that waits, and cores nothing to do once the other batch is done.
        room = min(waiting, -(-(waiting + self._under_way) // self._at_once), self._max_batch)
        batch = []
        while room:
            request = self._waiting[0]
            start, end = request.taken, min(request.taken + room, len(request.images))
            batch.append((request, start, end))
            room -= end - start
            request.taken = end
            if end == len(request.images):
                self._waiting.popleft()
        return batch

    def _answer(self, batch: list[tuple[_Request, int, int]]) -> None:
        parts = [request.images[start:end] for request, start, end in batch]
        images = parts[0] if len(parts) == 1 else np.concatenate(parts)
        try:
            self._observe(len(images))
            outputs = self._predict(images)
        except Exception as error:
            for request, _, _ in batch:
                _settle(request.answer, error)
            return
        row = 0
        for request, start, end in batch:
            rows = slice(row, row + end - start)
            with self._changed:  # Another batch may hold the rest of it.
                request.add(start, {name: values[rows] for name, values in outputs.items()})
            row = rows.stop


def _settle(answer: Future[Outputs], result: Outputs | BaseException) -> None:
    """Ends a future, if nobody has: who has gone has cancelled it."""
    with contextlib.suppress(InvalidStateError):
        if isinstance(result, BaseException):
            answer.set_exception(result)
        else:
            answer.set_result(result)
