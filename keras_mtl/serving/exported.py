"""An exported model as Python calls it: photos in, readable predictions out; needs no training code."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import numpy as np
import PIL.Image

from keras_mtl.kinds import kind_of
from keras_mtl.photos import decode_photo, square_pixels
from keras_mtl.serving.backends import AUTO, load_backend
from keras_mtl.serving.description import read_description
from keras_mtl.serving.versions import resolve
from keras_mtl.tasks import Task
from keras_mtl.values import check_finite

DISTRIBUTION_LEVEL = 0.8
"""What `<task>_interval` holds of a distribution where no interval was fitted."""


class ExportedModel:
    """An exported model and what its outputs mean. It may be called from several threads at once.

    Args:
        path: the version's folder.
        backend: what runs it, a name in `keras_mtl.serving.backends.BACKENDS`, or "auto" for the fastest.
        threads: how many cores one call may use; 0 for all.

    Attributes:
        path: the version's folder; `name` and `version` are read off it.
        description: what `assets.extra/tasks.json` says.
        tasks: its "tasks" by name, as plain data.
        kinds: the same as `Kind`s.
        size: height and width of the images that it takes, in pixels.
        backend: the `Backend`.
    """

    def __init__(self, path: pathlib.Path, backend: str = AUTO, threads: int = 0):
        self.path = path
        self.description = read_description(path)
        self.tasks: dict[str, dict] = {task["name"]: task for task in self.description["tasks"]}
        self.kinds = {name: kind_of(Task.from_dict(task)) for name, task in self.tasks.items()}
        self.size: int = self.description["image_size"]
        self.backend = load_backend(path, self.size, backend, threads)

    @property
    def name(self) -> str:
        return self.path.absolute().parent.name

    @property
    def intervals(self) -> dict[str, float]:
        """The level of each regression's `<task>_interval`, 0 to 1: the fitted one, or the distribution's 80 %."""
        middle = dict.fromkeys(self.description["distributions"], DISTRIBUTION_LEVEL)
        fitted = self.description.get("calibration", {})  # Exports of before have none.
        return {**middle, **{name: entry["level"] for name, entry in fitted.items() if "level" in entry}}

    @property
    def version(self) -> str:
        return self.path.name

    def predict_bytes(self, photos: Sequence[bytes]) -> list[dict]:
        """Predicts encoded photos, all at once: what `readable` gives for each.

        Raises:
            OSError, ValueError: one of them is damaged, no image, or would take too much memory.
        """
        return self.predict_images([decode_photo(photo) for photo in photos])

    def predict_images(self, images: Sequence[PIL.Image.Image]) -> list[dict]:
        """Predicts RGB images of any size, all at once: what `readable` gives for each."""
        pixels = [square_pixels(image, self.size) for image in images]
        return self.readable(self.backend.predict(np.stack(pixels))) if pixels else []

    def readable(self, outputs: dict[str, np.ndarray], *, distributions: bool = False) -> list[dict]:
        """A backend's outputs as plain data.

        Args:
            outputs: as `Backend.predict` gives them.
            distributions: whether to add `<task>_distribution`.

        Returns:
            One dict an image. For a regression `<task>`: a value in the task's unit; `<task>_interval`, [low, high],
            of the level that `intervals` tells, if it does; and where its head learns a distribution
            `<task>_distribution`, the probability of each of `description["distributions"][task]`. For classes
            `<task>`: the likeliest class's name, and `<task>_probabilities`: {class name: 0 to 1}.

        Raises:
            UserError: an output is not finite.
        """
        self.check(outputs)
        if not distributions:
            left_out = {f"{name}_distribution" for name in self.tasks}
            outputs = {name: values for name, values in outputs.items() if name not in left_out}
        kinds, count = self.kinds.values(), len(outputs[next(iter(self.tasks))])
        return [{name: value for kind in kinds for name, value in kind.entry(outputs, i).items()} for i in range(count)]

    def output_types(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """For each of `columns` its type, "FP32" or "BYTES" for texts, and an image's shape."""
        types: dict[str, tuple[str, tuple[int, ...]]] = {}
        for name, kind in self.kinds.items():
            bins = self.description["distributions"].get(name, ())
            sizes = {"distribution": len(bins), "interval": 2 * (name in self.intervals)}
            types.update(kind.types({ending: size for ending, size in sizes.items() if size}))
        return types

    def columns(self, outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """A backend's outputs and `<task>_class`, the likeliest class's name [n, str], as the SavedModel has them."""
        named = {f"{name}_class": kind.class_names(outputs[name]) for name, kind in self.kinds.items()}
        return {**outputs, **{name: values for name, values in named.items() if values is not None}}

    def check(self, outputs: dict[str, np.ndarray]) -> None:
        """Raises UserError where an output is not finite: no answer is better than NaN."""
        check_finite(outputs, f"Model {self.name}, version {self.version},")


def load_exported(path: str | pathlib.Path, backend: str = AUTO, threads: int = 0) -> ExportedModel:
    """Loads an exported model: a version's folder, or a model's folder, whose newest version is taken.

    Raises:
        UserError: there is no SavedModel, or it is none of this package's, or the backend can't be had.

    Example:
        >>> model = load_exported("saved_models/faces")  # doctest: +SKIP
        >>> model.predict_bytes([open("me.jpg", "rb").read()])  # doctest: +SKIP
        [{'age': 31.4, 'age_interval': [25.0, 38.1], 'smile': 'smiling', 'smile_probabilities': {...}}]
    """
    return ExportedModel(resolve(path), backend, threads)
