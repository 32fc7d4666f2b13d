"""A detector that needs no network: it finds red squares, in photos that these tests paint."""

from __future__ import annotations

import os
import pathlib
import signal
import time

import numpy as np
import PIL.Image
from scipy import ndimage

from keras_mtl.faces.align import TEMPLATE
from keras_mtl.faces.detect import Detector

RED = (250, 20, 30)


def load(name: str = ""):
    return find_red


def load_failing():
    raise RuntimeError("no weights")


def load_deadly():
    """As `load`, but the process dies of the first photo."""
    return Detector(lambda pixels: os.kill(os.getpid(), signal.SIGKILL), TEMPLATE)


def load_slow():
    def rows(pixels: np.ndarray) -> np.ndarray:
        time.sleep(0.1)
        return _red(pixels)

    return Detector(rows, TEMPLATE)


def load_never():
    """For photos that should all be done already, or can't even be read."""

    def rows(pixels: np.ndarray) -> np.ndarray:
        raise AssertionError("a photo is done again")

    return Detector(rows, TEMPLATE)


def _red(pixels: np.ndarray) -> np.ndarray:
    marked = (pixels == RED).all(-1)
    rows = []
    for down, across in ndimage.find_objects(ndimage.label(marked)[0]):
        box = (across.start, down.start, across.stop, down.stop)
        points = TEMPLATE * (box[2] - box[0], box[3] - box[1]) + box[:2]
        rows.append([*box, 1.0, *points[:, 0], *points[:, 1]])
    return np.array(rows).reshape(-1, 15)


find_red = Detector(_red, TEMPLATE)


def paint(path: pathlib.Path, *sides: int, exif: PIL.Image.Exif | None = None) -> PIL.Image.Image:
    """A photo of 120x80 pixels with a red square for each side; the path's suffix should be lossless."""
    pixels = np.full((80, 120, 3), 90, np.uint8)
    for i, side in enumerate(sides):
        pixels[5 : 5 + side, 5 + 40 * i : 5 + 40 * i + side] = RED
    photo = PIL.Image.fromarray(pixels)
    path.parent.mkdir(parents=True, exist_ok=True)
    photo.save(path, **({"exif": exif} if exif else {}))
    return photo
