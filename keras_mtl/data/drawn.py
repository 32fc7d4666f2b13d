"""Drawn faces as a source: the embedded default data set."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import numpy as np

from keras_mtl.data import drawing
from keras_mtl.data.source import Records, Source, digest
from keras_mtl.errors import UserError
from keras_mtl.tasks import Task
from keras_mtl.values import read_number, read_whole

# Faces of a split, by the task that they are labelled for.
SIZES = {
    "age": {"train": 3707, "test": 1356},
    "gender": {"train": 4548, "test": 2250},
    "smile": {"train": 4548, "test": 2250},
}
_OPTIONS = "fraction=F (0 < F <= 1000) and seed=N (N >= 0), separated by ':'"


class DrawnFaces(Source):
    """Cartoon faces made in code, of people who don't exist; each source and split has its own.

    An image's name, such as `drawn/age/train/000123`, and the set's seed decide the face and its labels, so
    a larger set begins with the smaller one. Labels are noisy on purpose (see `drawing.noisy_labels`).

    Args:
        name: the source's name, for instance "drawn_age".
        tasks: one of age, gender and smile, or several: then each face is labelled for all of them.
        path: options, separated by ":". `fraction=0.01` draws a hundredth of the usual number, `seed=1`
            another set. Empty for neither.
        base: not used.

    Raises:
        UserError: a task that isn't drawn, or an option that can't be read.

    Example:
        >>> source = DrawnFaces("faces", all_tasks.select_tasks(["age"]), "fraction=0.001")
        >>> records = source.records("train")
        >>> pixels, bad = source.decode(records.images, 32)
        >>> pixels.shape, bad
        ((4, 32, 32, 3), {})
    """

    licence = "Apache-2.0 (made by keras_mtl)"
    description = (
        "drawn faces: cartoons made in code, NOT real people; figures on them say nothing about real faces. "
        "Age, gender and smile show in several weak cues, and labels are noisy on purpose"
    )
    drawn = True

    def __init__(
        self,
        name: str,
        tasks: dict[str, Task],
        path: str = "",
        *,
        base: pathlib.Path = pathlib.Path(),
    ):
        unknown = [task for task in tasks if task not in SIZES]
        if unknown or not tasks:
            received = unknown[0] if unknown else "no task"
            raise UserError(f"Drawn faces are labelled for {', '.join(SIZES)} only. Received: {received}")
        super().__init__(name, tasks, path, base=base)
        self.fraction, self.seed = _read_options(path)

    def splits(self) -> tuple[str, ...]:
        return ("train", "test")

    def records(self, split: str) -> Records:
        if split not in self.splits():
            raise UserError(f"Drawn faces have the splits {', '.join(self.splits())}. Received: {split!r}")
        count = max(1, round(SIZES[self.tasks[0]][split] * self.fraction))
        images = [f"drawn/{'+'.join(self.tasks)}/{split}/{number:06d}" for number in range(count)]
        return self.collect(split, ((image, _texts(image, self.seed)) for image in images))

    def file(self, image: str) -> None:
        return None

    def decode(self, images: Sequence[str], size: int) -> tuple[np.ndarray, dict[int, str]]:
        return drawing.draw_all(images, self.seed, size), {}

    def fingerprint(self, images: Sequence[str], size: int) -> str:
        return digest([f"drawn {drawing.VERSION} {self.seed} {size}", *images])


def _texts(image: str, seed: int) -> dict[str, object]:
    """Labels as a file would have them: class names, so that the order of a declared task's classes is free."""
    labels = drawing.labels_of(image, seed)
    return {
        "age": labels["age"],
        "gender": "female" if labels["gender"] else "male",
        "smile": "smiling" if labels["smile"] else "not smiling",
    }


def _read_options(text: str) -> tuple[float, int]:
    """Fraction and seed. Raises UserError with what is allowed."""
    fraction, seed = 1.0, 0
    for option in filter(None, text.split(":")):
        key, _, value = option.partition("=")
        try:
            if key == "fraction":
                fraction = read_number(value)
            elif key == "seed":
                seed = read_whole(value)
            else:
                raise ValueError
        except ValueError:
            raise UserError(f"Drawn faces' options are {_OPTIONS}. Received: {option!r}") from None
    if not 0 < fraction <= 1000 or seed < 0:
        raise UserError(f"Drawn faces' options are {_OPTIONS}. Received: {text!r}")
    return fraction, seed
