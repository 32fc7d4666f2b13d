"""Faces by key: one, or many at once in child processes.

The children are plain `python -c` commands and not a multiprocessing pool: a pool's children import the
caller's main module again, which breaks scripts without an `if __name__ == "__main__"` line, and would often
import TensorFlow only to draw; forked ones aren't safe beside TensorFlow's threads.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from random import Random

import numpy as np

from keras_mtl.cores import count_cores
from keras_mtl.data.drawing.face import Face
from keras_mtl.data.drawing.paint import draw_face
from keras_mtl.data.drawing.sample import noisy_labels, sample_face, sample_person
from keras_mtl.files import json_text

# Under this many faces a child's start takes longer than it saves.
_WORTH_A_CHILD = 150
# What one child draws at most before it hands over: bounds the memory, 50 MB at 64 pixels.
_MOST_AT_ONCE = 4096

_CHILD = "from keras_mtl.data.drawing.parallel import _draw_for_parent; _draw_for_parent()"


def face_of(key: str, seed: int) -> Face:
    """The face that a key stands for; what else is drawn, and where, has no influence."""
    return sample_face(Random(f"{seed}/{key}"))


def labels_of(key: str, seed: int) -> dict[str, float]:
    """The labels of `face_of(key, seed)`, noise included; see `noisy_labels`."""
    return noisy_labels(sample_person(Random(f"{seed}/{key}")), Random(f"{seed}/{key}/labels"))


def draw_all(keys: Sequence[str], seed: int, size: int, workers: int | None = None) -> np.ndarray:
    """Pictures of many faces.

    Args:
        keys: N keys, any texts.
        seed: with the key, decides the face.
        size: height and width in pixels.
        workers: child processes to use; by default one a core, or none for few faces.

    Returns:
        uint8 [N, size, size, 3], in the order of the keys and the same however many workers drew them.

    Raises:
        RuntimeError: a child process failed; the message ends with its last line.
    """
    keys = list(keys)
    if workers is None:
        workers = min(count_cores(), len(keys) // _WORTH_A_CHILD) if sys.executable else 0
    if workers < 2:
        return _draw(keys, seed, size)
    pictures = np.empty((len(keys), size, size, 3), np.uint8)
    step = min(_MOST_AT_ONCE, -(-len(keys) // workers))

    def fill(start: int) -> None:
        pictures[start : start + step] = _draw_in_child(keys[start : start + step], seed, size)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(fill, range(0, len(keys), step)))
    return pictures


def _draw(keys: Sequence[str], seed: int, size: int) -> np.ndarray:
    pictures = np.empty((len(keys), size, size, 3), np.uint8)
    for picture, key in zip(pictures, keys, strict=True):
        picture[...] = np.asarray(draw_face(face_of(key, seed), size))
    return pictures


def _draw_in_child(keys: Sequence[str], seed: int, size: int) -> np.ndarray:
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    child = subprocess.run(
        [sys.executable, "-c", _CHILD],
        input=json_text({"keys": list(keys), "seed": seed, "size": size}).encode(),
        capture_output=True,
        env={**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )
    if child.returncode:
        last = child.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
        raise RuntimeError(f"Drawing faces failed in a child process (exit code {child.returncode}): {last[0]}")
    return np.frombuffer(child.stdout, np.uint8).reshape(len(keys), size, size, 3)


def _draw_for_parent() -> None:
    """What a child does: keys in on stdin, pixels out on stdout."""
    order = json.loads(sys.stdin.buffer.read())
    sys.stdout.buffer.write(_draw(order["keys"], order["seed"], order["size"]).tobytes())
