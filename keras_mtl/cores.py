"""How many cores this process may use."""

import os


def count_cores() -> int:
    """The cores that this process may run on, where the system tells; else all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
