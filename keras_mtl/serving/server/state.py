"""What the routes of one server share."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import weakref
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from fastapi import Request

from keras_mtl.cores import count_cores
from keras_mtl.errors import UserError
from keras_mtl.faces.detect import Detector, choose_detector, load_detector
from keras_mtl.serving.server.access import read_keys
from keras_mtl.serving.server.bodies import Bodies
from keras_mtl.serving.server.budget import Budget
from keras_mtl.serving.server.config import ServeConfig
from keras_mtl.serving.server.metrics import Metrics
from keras_mtl.serving.server.refusal import Refusal
from keras_mtl.serving.server.registry import Registry

T = TypeVar("T")
BATCHES = 2
"""Batches of a model that run side by side: what comes while one is on its way need not wait for its end."""
DETECTIONS = 16
"""Photos that may wait for each one that the face detector looks at: a slow one takes some tenths of a second each."""


class State:
    """Models, threads and limits.

    Attributes:
        config, metrics, registry, bodies: what they are called.
        decoding: memory that decoding takes; `waited_for` in threads.
        holding: memory that decoded images take while they wait for the model.
        ready: whether requests are answered.
        draining: whether they should go elsewhere, as the server is about to stop.
        keys: one of which a request must bring, if there are any.
        admissions: requests that were let in so far.
        idle: whether nothing is being answered.
    """

    def __init__(self, config: ServeConfig):
        self.config, self.metrics = config, Metrics()
        self.ready = self.draining = False
        self.keys = read_keys(config.api_keys) if config.api_keys else ()
        self.admissions = 0
        # A thread for each request: most of them wait, for memory, a detector or their batch.
        self._working = ThreadPoolExecutor(config.queue + BATCHES, "work")
        self._running = self._detections = 0
        self._detector: Detector | None = None
        self._loading, self._looking, self._at_once = asyncio.Lock(), asyncio.Semaphore(0), 0
        memory = int(config.memory_mb * 1e6)
        # One more place than cores: while all predict, what is next is prepared.
        self.decoding, self.holding = Budget(memory // 2, places=count_cores() + 1), Budget(memory // 4)
        self.bodies = Bodies(int(config.max_body_mb * 1e6), Budget(memory // 4), config.uploads)
        self.registry = Registry(
            config.model,
            self._working,
            self.metrics,
            backend=config.backend,
            # All cores by both batches: more threads than cores would hold each other up.
            threads=config.threads or max(1, count_cores() - BATCHES + 1),
            at_once=BATCHES,
            max_batch=config.max_batch,
            seconds=config.batch_milliseconds / 1000,
            keep_all=config.versions == "all",
            keep_removed=config.keep_removed,
            wait=config.wait,
            labels=config.labels,
        )
        if config.detect:
            self._take(load_detector(config.detector))

    @property
    def can_detect(self) -> bool:
        """Whether a face detector is installed."""
        with contextlib.suppress(UserError):
            return bool(choose_detector(self.config.detector))
        return False

    async def decode(self, function: Callable[..., T], *arguments: Any) -> T:
        """Calls a function that decodes, off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._working, functools.partial(function, *arguments))

    async def detect(self, function: Callable[[Detector], T]) -> T:
        """Calls a function with the face detector, off the event loop, once its turn has come.

        Raises Refusal where too many wait (429), or no detector is installed (501).
        """
        async with self._loading:
            if self._detector is None:
                try:
                    self._take(await self.decode(load_detector, self.config.detector))
                except UserError as error:
                    raise Refusal(501, f"This server finds no faces: {error}") from None
        detector = self._detector
        if self._detections >= DETECTIONS * self._at_once:
            raise Refusal(429, "Too many photos wait for the face detector: try again", retry_after=1)
        self._detections += 1
        try:
            async with self._looking:
                return await self.decode(function, detector)
        finally:
            self._detections -= 1

    def _take(self, detector: Detector) -> None:
        self._detector, self._at_once = detector, detector.at_once or count_cores()
        self._looking = asyncio.Semaphore(self._at_once)

    @contextlib.asynccontextmanager
    async def body_for(self, request: Request, find: Callable[[], T]) -> AsyncIterator[tuple[bytes, T]]:
        """A request's body, once it is let in, and the models for it.

        Args:
            request: what came.
            find: finds the models. They are looked for before the body is read, so that what isn't served is refused at
                once, and again after, since nothing is held of them meanwhile.

        Raises:
            Refusal: what `find`, `Bodies.read` and `admitted` raise.
        """
        find()
        async with self.bodies.read(request) as body, self.admitted():
            yield body, find()

    @contextlib.asynccontextmanager
    async def admitted(self) -> AsyncIterator[None]:
        """Around what a request does: raises Refusal where there are too many already, or the server is not ready."""
        if not self.ready:
            raise Refusal(503, "The server is starting or stopping: try again", retry_after=5)
        if self._running >= self.config.queue:
            raise Refusal(429, f"{self._running} requests are being answered, the most at a time: try again", 1)
        self._running += 1
        self.admissions += 1
        self.metrics.running.inc()
        try:
            yield
        finally:
            self._running -= 1
            self.metrics.running.dec()

    async def within_time(self, work: Any) -> Any:
        """Awaits something no longer than a request may take. Raises Refusal (504)."""
        try:
            return await asyncio.wait_for(work, self.config.timeout_seconds)
        except asyncio.TimeoutError:  # noqa: UP041 - another class before Python 3.11
            raise Refusal(504, f"No answer within {self.config.timeout_seconds:g} seconds", retry_after=1) from None

    def hold_images(self, count: int, size: int) -> np.ndarray:
        """Room for images, uint8 [count, size, size, 3], counted for as long as it lives. Raises Refusal (503)."""
        amount = count * size * size * 3
        self.holding.take(amount)
        images = np.empty([count, size, size, 3], np.uint8)
        weakref.finalize(images, self.holding.give_back, amount)
        return images

    @property
    def is_welcoming(self) -> bool:
        """Whether requests should come here: it is ready, has a model, and is not about to stop."""
        return self.ready and not self.draining and not self.registry.is_empty

    @property
    def idle(self) -> bool:
        return not self._running

    def close(self) -> None:
        self._working.shutdown(wait=False, cancel_futures=True)


def state_of(request: Request) -> State:
    """The state of the server that a request came to."""
    return request.app.state.shared
