"""How a worker takes its turns: one JSON request a line on stdin, one JSON answer a line on stdout."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable


def throughput(step: Callable[[], object], images: int, seconds: float) -> float:
    """Images a second of `step`, which takes `images` of them, over `seconds` or two steps, whichever is longer.

    The first call is not counted: after the other worker's turn the caches hold nothing of this one.
    """
    step()
    started, steps = time.perf_counter(), 0
    while steps < 2 or time.perf_counter() - started < seconds:
        step()
        steps += 1
    return images * steps / (time.perf_counter() - started)


def serve(answer: Callable[[dict], object]) -> None:
    """Answers requests until stdin ends. What else is printed goes to stderr."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), file=answers, flush=True)
