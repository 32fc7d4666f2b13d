"""What was found in each photo, kept while photos are worked on, so that a killed run goes on where it stopped.

`faces.jsonl` has a JSON object for each photo: its name, a stamp that changes with its file, its faces (box, points,
confidence, in pixels of the upright photo), whether a crop was made, and what is wrong with it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
from collections.abc import Callable, Iterable, Iterator
from typing import TypedDict

from keras_mtl.faces.detect import Face
from keras_mtl.files import json_text, opened_lines, replacing
from keras_mtl.shapes import check_shape


@dataclasses.dataclass(frozen=True)
class Found:
    """What was found in a photo.

    Args:
        photo: its name in its source.
        stamp: changes when the photo does.
        faces: the largest first.
        cropped: whether a crop was made.
        problem: why the photo can't be used, empty where it can.
    """

    photo: str
    stamp: str
    faces: tuple[Face, ...] = ()
    cropped: bool = False
    problem: str = ""


class _Face(TypedDict):
    box: list[float]
    points: list[list[float]]
    confidence: float


class _Line(TypedDict):
    photo: str
    stamp: str
    faces: list[_Face]
    cropped: bool
    problem: str


class Journal:
    """The file of what was found, in its folder.

    Attributes:
        found: {photo: what was found in it}.
    """

    def __init__(self, path: pathlib.Path):
        self.path = path
        self.found = {one.photo: one for one in _read(path)}

    @contextlib.contextmanager
    def adding(self) -> Iterator[Callable[[Found], None]]:
        """A function that takes down one photo at once."""
        # First without a line that was cut off, which the next would be glued to.
        self.rewrite(list(self.found))
        with self.path.open("a", encoding="utf-8") as file:

            def add(one: Found) -> None:
                self.found[one.photo] = one
                file.write(_line(one))
                file.flush()

            yield add

    def rewrite(self, photos: Iterable[str]) -> None:
        """Leaves only these photos in the file, in this order."""
        self.found = {photo: self.found[photo] for photo in photos}
        with replacing(self.path) as beside:
            beside.write_text("".join(map(_line, self.found.values())), encoding="utf-8")


def _line(one: Found) -> str:
    return json_text(dataclasses.asdict(one), ensure_ascii=True) + "\n"


def _read(path: pathlib.Path) -> Iterator[Found]:
    if not path.exists():
        return
    with opened_lines(path, "replace") as lines:
        for line in lines:
            try:
                plain = json.loads(line)
                check_shape(plain, _Line)
                faces = tuple(
                    Face(tuple(face["box"]), tuple(map(tuple, face["points"])), face["confidence"])
                    for face in plain.pop("faces")
                )
                yield Found(**plain, faces=faces)
            except (ValueError, TypeError, RecursionError):
                continue  # Cut off when the run was killed: that photo is done again.
