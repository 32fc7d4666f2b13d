"""How much memory all requests together may take."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from keras_mtl.serving.server.refusal import Refusal


class Budget:
    """Bytes that are shared by whoever needs some for a while; safe in threads.

    Args:
        total: bytes. Who needs more than that has them while nobody else has any.
    """

    def __init__(self, total: int):
        self._total, self._taken = total, 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def waited_for(self, amount: int, seconds: float) -> Iterator[None]:
        """Holds bytes, once there are some; for threads. Raises Refusal (503) where that takes too long.

        What is held must not wait for others' bytes in turn, or both wait for ever.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._is_free(amount), max(0.0, seconds)):
                raise Refusal(503, "Too many photos are being decoded: try again", retry_after=1)
            self._taken += amount
        try:
            yield
        finally:
            self.give_back(amount)

    def take(self, amount: int) -> None:
        """Takes bytes at once, to be given back by `give_back`. Raises Refusal (503) where there are too few."""
        with self._changed:
            if not self._is_free(amount):
                raise Refusal(503, "Requests take all the memory that they may: try again", retry_after=1)
            self._taken += amount

    def give_back(self, amount: int) -> None:
        """Gives back what was taken."""
        with self._changed:
            self._taken -= amount
            self._changed.notify_all()

    def _is_free(self, amount: int) -> bool:
        return not self._taken or self._taken + amount <= self._total
