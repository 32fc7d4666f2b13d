"""Faces in a photo, with five points each, by MTCNN.

Kaipeng Zhang et al., "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks", 2016,
arXiv:1604.02878. The package `mtcnn` (https://github.com/ipazc/mtcnn) brings the weights in its wheel.
"""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Callable

import numpy as np
import PIL.Image

from keras_mtl.errors import UserError
from keras_mtl.quiet import import_tensorflow

LONGEST_SIDE = 800
"""A larger photo is shrunk to this many pixels for detection, whose time goes with their number."""


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


Detector = Callable[[PIL.Image.Image], list[Face]]
"""From an upright RGB photo to its faces, the largest first."""


def check_installed() -> None:
    """Raises UserError where the package `mtcnn` isn't there; nothing is imported to find that out."""
    if importlib.util.find_spec("mtcnn") is None:
        raise UserError("--detect needs the package mtcnn, which is not installed: pip install 'keras_mtl[faces]'")


def load_detector() -> Detector:
    """MTCNN with its weights. It finds faces from about 20 pixels, of a photo's longest side taken as 800.

    Raises:
        UserError: the package `mtcnn` isn't installed.
    """
    check_installed()
    import_tensorflow()
    from mtcnn import MTCNN

    network = MTCNN()

    def detect(pixels: np.ndarray) -> np.ndarray:
        # As arrays, since as JSON it rounds to whole pixels.
        return network.detect_faces(pixels, output_type="numpy", box_format="xyxy")

    return lambda photo: find_faces(photo, detect)


def find_faces(photo: PIL.Image.Image, detect: Callable[[np.ndarray], np.ndarray]) -> list[Face]:
    """The faces of a photo of any size, the largest first.

    Args:
        photo: RGB, upright.
        detect: from uint8 [height, width, 3] to [n, 16]: the image's number, left, top, right, bottom, confidence,
            the five points' x and then their y; as `mtcnn` 1.0 gives them (its own docstring has them in pairs).
    """
    scale = min(1.0, LONGEST_SIDE / max(photo.size))
    small = photo
    if scale < 1:
        size = [max(1, round(side * scale)) for side in photo.size]
        small = photo.resize((size[0], size[1]), PIL.Image.Resampling.BILINEAR, reducing_gap=3.0)
    across, down = photo.width / small.width, photo.height / small.height
    rows = np.asarray(detect(np.asarray(small)), np.float64)
    # Where nothing is found, mtcnn's array may have fewer columns.
    faces = [_face(row, across, down) for row in rows if rows.shape[1] == 16]
    return sorted(faces, key=lambda face: (-face.area, face.box))


def _face(row: np.ndarray, across: float, down: float) -> Face:
    # Rounded, since another number of threads gives sums that differ in their last digits.
    left, top, right, bottom = np.round(row[1:5] * (across, down, across, down), 1).tolist()
    points = np.round(row[6:16].reshape(2, 5).T * (across, down), 1).tolist()
    return Face((left, top, right, bottom), tuple((x, y) for x, y in points), round(float(row[5]), 4))
