"""How fast a backend is here."""

from __future__ import annotations

import math
import time

import numpy as np

from keras_mtl.serving.backends.base import Backend

_BATCHES = (1, 16)
_SECONDS = 0.25


def measure_speed(backend: Backend, size: int) -> float:
    """Images a second: the geometric mean of one image at a time and 16 at once, each for a quarter of a second."""
    speeds = []
    for batch in _BATCHES:
        images = np.zeros([batch, size, size, 3], np.uint8)
        backend.predict(images)  # The first call of a size prepares it.
        start, calls = time.perf_counter(), 0
        while (taken := time.perf_counter() - start) < _SECONDS or not calls:
            backend.predict(images)
            calls += 1
        speeds.append(calls * batch / taken)
    return math.prod(speeds) ** (1 / len(speeds))
