"""Memory that nothing uses any more."""

from __future__ import annotations

import contextlib
import ctypes
import gc


def give_back_memory() -> None:
    """Gives the memory of models that are gone back to the system, where the C library can (glibc's malloc_trim).

    By itself it keeps what each thread freed: several times a model's size after some reloads.
    """
    gc.collect()  # TensorFlow's functions refer to each other.
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
