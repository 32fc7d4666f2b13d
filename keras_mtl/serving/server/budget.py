"""How much memory all requests together may take, and how many of them work at a time."""

from __future__ import annotations

import collections
import contextlib
import math
import threading
from collections.abc import Iterator

from keras_mtl.serving.server.refusal import Refusal


class Budget:
    """Bytes that are shared by whoever needs some for a while; safe in threads.

    Args:
        total: bytes. Who takes more than that has them while nobody else has any; who waits for more has them too, and
            leaves an eighth, so that who needs little need not wait for the largest.
        places: who may hold bytes that were waited for, at a time. Threads that wait for memory keep no core from
            others, so that there can be many of them; those that have it do.
    """

    def __init__(self, total: int, places: float = math.inf):
        self._total, self._taken, self._places = total, 0, places
        self._lock = threading.Lock()
        self._waiting: collections.deque[_Turn] = collections.deque()

    @contextlib.contextmanager
    def waited_for(self, amount: int, seconds: float) -> Iterator[None]:
        """Holds bytes and a place, once there are some; for threads. Who needs less may come before who came first.

        What is held must not wait for others' bytes in turn, or both wait for ever.

        Raises:
            Refusal: 503 where that takes too long.
        """
        amount = min(amount, self._total - self._total // 8)
        turn = _Turn(amount)
        with self._lock:
            self._waiting.append(turn)
            self._call()
        if not turn.come.wait(max(0.0, seconds)):
            with self._lock:
                if not turn.come.is_set():
                    self._waiting.remove(turn)
                    raise Refusal(503, "Too many photos are being decoded: try again", retry_after=1)
        try:
            yield
        finally:
            self._release(amount, places=1)

    def take(self, amount: int) -> None:
        """Takes bytes at once, to be given back by `give_back`. Raises Refusal (503) where there are too few."""
        with self._lock:
            if not self._is_free(amount):
                raise Refusal(503, "Requests take all the memory that they may: try again", retry_after=1)
            self._taken += amount

    def give_back(self, amount: int) -> None:
        """Gives back what was taken."""
        self._release(amount, places=0)

    def _release(self, amount: int, places: int) -> None:
        with self._lock:
            self._taken -= amount
            self._places += places
            self._call()

    def _call(self) -> None:
        """Tells those whose turn has come, and them alone: each of many threads that wake takes time from others."""
        for turn in tuple(self._waiting) if self._places else ():
            if self._places and self._is_free(turn.amount):
                self._waiting.remove(turn)
                self._taken += turn.amount
                self._places -= 1
                turn.come.set()

    def _is_free(self, amount: int) -> bool:
        return not self._taken or self._taken + amount <= self._total


class _Turn:
    """Who waits for bytes, and whether they are there."""

    def __init__(self, amount: int):
        self.amount, self.come = amount, threading.Event()
