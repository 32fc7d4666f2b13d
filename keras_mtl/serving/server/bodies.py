"""The bodies of requests, read before anything else is done for them."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import time
from collections.abc import AsyncIterator

from fastapi import Request

from keras_mtl.serving.server.budget import Budget
from keras_mtl.serving.server.refusal import Refusal

GRACE_SECONDS = 10.0
LEAST_RATE = 50_000.0
"""Bytes a second that a client must send on average, after some seconds of grace."""
BY_CLIENT = 0.25
"""The share of all uploads at a time that one address may have."""


class Bodies:
    """Reads bodies; slow, large and many ones keep nobody else out.

    Args:
        limit: bytes of one body, at most.
        budget: of the bytes of all that were read and are not yet answered.
        uploads: bodies that are being read at a time, at most.
    """

    def __init__(self, limit: int, budget: Budget, uploads: int):
        self._limit, self._budget = limit, budget
        self._uploads, self._by_client = uploads, max(1, int(uploads * BY_CLIENT))
        self._running: collections.Counter[str] = collections.Counter()

    @contextlib.asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """A request's body, in memory, until the block ends.

        Raises:
            Refusal: 400 for an empty body, 408 for one that comes too slowly, 413 as soon as it is known to be too
                large, 429 where the client sends too many at a time, 503 where all clients together do.
        """
        held: list[int] = []
        try:
            with self._uploading(request.client.host if request.client else ""):
                body = await self._read(request, held)
            yield body
        finally:
            self._budget.give_back(sum(held))

    @contextlib.contextmanager
    def _uploading(self, client: str):
        if self._running[client] >= self._by_client:
            raise Refusal(429, f"{self._by_client} requests of yours are being read, the most at a time: try again", 1)
        if self._running.total() >= self._uploads:
            raise Refusal(503, f"{self._uploads} requests are being read, the most at a time: try again", 1)
        self._running[client] += 1
        try:
            yield
        finally:
            self._running[client] -= 1
            if not self._running[client]:
                del self._running[client]  # Addresses are as many as somebody likes.

    async def _read(self, request: Request, held: list[int]) -> bytes:
        told = request.headers.get("content-length", "")
        if told.isdecimal() and int(told) > self._limit:
            raise Refusal(413, f"The request has {int(told):,} bytes; at most {self._limit:,} are taken")
        chunks, size, start = [], 0, time.monotonic()
        parts = request.stream().__aiter__()
        while True:
            left = start + GRACE_SECONDS + size / LEAST_RATE - time.monotonic()
            try:
                chunk = await asyncio.wait_for(parts.__anext__(), max(0.0, left))
            except StopAsyncIteration:
                break
            except asyncio.TimeoutError:  # noqa: UP041 - another class before Python 3.11
                raise Refusal(408, f"The request came at less than {LEAST_RATE / 1000:g} kB a second") from None
            size += len(chunk)
            if size > self._limit:
                raise Refusal(413, f"The request has more than {self._limit:,} bytes, which is the most that is taken")
            self._budget.take(len(chunk))
            held.append(len(chunk))
            chunks.append(chunk)
        if not size:
            raise Refusal(400, "The request has no body")
        return b"".join(chunks)
