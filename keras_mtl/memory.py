"""Memory that nothing uses any more."""

from __future__ import annotations

import contextlib
import ctypes
import gc

_M_MMAP_THRESHOLD = -3
_LARGE = 12 << 20
"""Bytes: below Pillow's blocks of 16 MiB, above what most of a net's layers give."""


def return_large_blocks() -> None:
    """Has glibc give back large blocks, as a photo's, once they are freed; by itself it keeps those up to 32 MiB.

    For the whole process: meant for one that does nothing but serve.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)


def give_back_memory() -> None:
    """Gives the memory of models that are gone back to the system, where the C library can (glibc's malloc_trim).

    By itself it keeps what each thread freed: several times a model's size after some reloads.
    """
    gc.collect()  # TensorFlow's functions refer to each other.
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
