"""What is made sure of, and measured, before another format is published."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_mtl.errors import UserError
from keras_mtl.kinds import kind_of
from keras_mtl.serving.backends import BACKENDS
from keras_mtl.serving.backends.base import Backend
from keras_mtl.serving.formats.base import FOLDER, Format
from keras_mtl.serving.formats.litert import READOUT
from keras_mtl.tasks import Task
from keras_mtl.values import check_finite

_CALLS = 50


def verify_format(
    one: Format,
    folder: pathlib.Path,
    reference: Mapping[str, np.ndarray],
    images: np.ndarray,
    tasks: Mapping[str, Task],
) -> tuple[Backend, dict[str, Any]]:
    """Runs a format's file and compares what it gives.

    Args:
        one: the format.
        folder: the version's folder, which holds the file.
        reference: the SavedModel's outputs for `images`.
        images: uint8 [n, size, size, 3].
        tasks: the model's.

    Returns:
        What runs it, and "file", "bytes" (with what belongs to it), "mean_difference" and "largest_difference" by task,
        in the task's unit or as a probability.

    Raises:
        UserError: the outputs differ by more than the format's `limit` in the mean, or are not finite.
    """
    backend = BACKENDS[one.name](folder, one.name)
    outputs = backend.predict(images)
    check_finite(outputs, f"Format {one.name!r} is not published: it")
    means, largest = {}, {}
    for name, task in tasks.items():
        difference = np.abs(outputs[name].astype(np.float64) - reference[name])
        means[name], largest[name] = float(difference.mean()), float(difference.max())
        allowed = one.limit * kind_of(task).range
        if not means[name] <= allowed:
            raise UserError(
                f"Format {one.name!r} is not published: {name} differs by {means[name]:.3g} in the mean from the "
                f"SavedModel's, where {allowed:.3g} is allowed. Leave it out of --formats"
            )
    facts = {
        "file": one.file,
        "bytes": sum(path.stat().st_size for path in _files_of(one, folder)),
        "mean_difference": means,
        "largest_difference": largest,
    }
    return backend, facts


def measure_latency(backend: Backend, size: int) -> dict[str, float]:
    """The time of one image at a time here, in milliseconds: "p50" and "p95" over 50 calls."""
    image = np.zeros([1, size, size, 3], np.uint8)
    backend.predict(image)
    taken = []
    for _ in range(_CALLS):
        start = time.perf_counter()
        backend.predict(image)
        taken.append(1000 * (time.perf_counter() - start))
    return {f"p{share}": round(float(np.percentile(taken, share)), 3) for share in (50, 95)}


class AsModel:
    """A backend in the place of a `MultiTaskModel`, as far as evaluation asks: tasks, predict, decode.

    Attributes:
        intervals: by task, [n, 2] for all images predicted so far, of those tasks that have intervals.
    """

    def __init__(self, backend: Backend, tasks: Mapping[str, Task]):
        self._backend, self.tasks = backend, dict(tasks)
        self.intervals: dict[str, np.ndarray] = {}

    def predict(self, batches, verbose: int = 0) -> dict[str, np.ndarray]:
        """The outputs by task, of a tf.data.Dataset whose elements begin with images."""
        each = [self._backend.predict(np.asarray(batch[0] if isinstance(batch, tuple) else batch)) for batch in batches]
        for name in self.tasks:
            if f"{name}_interval" in each[0]:
                before = [self.intervals[name]] if name in self.intervals else []
                self.intervals[name] = np.concatenate([*before, *(outputs[f"{name}_interval"] for outputs in each)])
        return {name: np.concatenate([outputs[name] for outputs in each]) for name in self.tasks}

    def decode(self, outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs, which are decoded already."""
        return outputs


def _files_of(one: Format, folder: pathlib.Path) -> list[pathlib.Path]:
    """The format's file, and those that belong to it: weights, or a second part."""
    return [path for path in (folder / FOLDER).iterdir() if path.stem == one.name or path.name == one.name + READOUT]
