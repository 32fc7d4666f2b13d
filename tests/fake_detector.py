"""A detector that needs no network: it finds red squares, in photos that these tests paint."""

from __future__ import annotations

import os
import pathlib
import signal
import time

import numpy as np
import PIL.Image
from scipy import ndimage

from keras_mtl.data.faces.align import TEMPLATE
from keras_mtl.data.faces.detect import Face

RED = (250, 20, 30)


def load():
    return find_red


def load_failing():
    raise RuntimeError("no weights")


def load_deadly():
    """As `load`, but the process dies of the first photo."""
    return lambda photo: os.kill(os.getpid(), signal.SIGKILL)


def load_slow():
    def detect(photo: PIL.Image.Image) -> list[Face]:
        time.sleep(0.1)
        return find_red(photo)

    return detect


def load_never():
    """For photos that should all be done already, or can't even be read."""

    def detect(photo: PIL.Image.Image) -> list[Face]:
        raise AssertionError("a photo is done again")

    return detect


def find_red(photo: PIL.Image.Image) -> list[Face]:
    marked = (np.asarray(photo) == RED).all(-1)
    faces = []
    for down, across in ndimage.find_objects(ndimage.label(marked)[0]):
        box = (float(across.start), float(down.start), float(across.stop), float(down.stop))
        points = TEMPLATE * (box[2] - box[0], box[3] - box[1]) + box[:2]
        faces.append(Face(box, tuple(map(tuple, points.tolist())), 1.0))
    return sorted(faces, key=lambda face: (-face.area, face.box))


def paint(path: pathlib.Path, *sides: int, exif: PIL.Image.Exif | None = None) -> PIL.Image.Image:
    """A photo of 120x80 pixels with a red square for each side; the path's suffix should be lossless."""
    pixels = np.full((80, 120, 3), 90, np.uint8)
    for i, side in enumerate(sides):
        pixels[5 : 5 + side, 5 + 40 * i : 5 + 40 * i + side] = RED
    photo = PIL.Image.fromarray(pixels)
    path.parent.mkdir(parents=True, exist_ok=True)
    photo.save(path, **({"exif": exif} if exif else {}))
    return photo
