"""Painting a face: from the background forwards, then what the camera makes of it."""

from __future__ import annotations

import math
from random import Random

from PIL import Image

from keras_mtl.data.drawing import eyes, hair, head, mouth, scene, wear
from keras_mtl.data.drawing.face import Face
from keras_mtl.data.drawing.pen import Pen

# Shapes are drawn on a canvas of at least this many pixels and averaged down, so that fine lines become faint
# ones at any size.
_CANVAS = 192


def draw_face(face: Face, size: int = 64) -> Image.Image:
    """The picture of a face.

    Args:
        face: what to draw; the same face always gives the same pixels.
        size: height and width in pixels.

    Returns:
        An RGB picture of size x size.

    Example:
        >>> from random import Random
        >>> from keras_mtl.data.drawing import draw_face, sample_face
        >>> draw_face(sample_face(Random(1)), 48).size
        (48, 48)
    """
    times = max(2, math.ceil(_CANVAS / size))
    rng = Random(face.grain)
    canvas = scene.paint_background(face.scene, size * times, rng)
    flat = _pen(face, canvas)
    raised = flat.turned(face.scene.yaw, face.scene.pitch)
    hair.paint_back(flat, face, rng)
    head.paint_body(flat, face)
    wear.paint_clothes(flat, face)
    head.paint_neck_lines(flat, face)
    head.paint_head(flat, face)
    head.paint_skin(raised, face, rng)
    hair.paint_beard(raised, face, rng)
    eyes.paint_eyes(raised, face)
    head.paint_nose(raised, face)
    mouth.paint_mouth(raised, face)
    head.paint_lines(raised, face)
    hair.paint_front(flat, face, rng)
    eyes.paint_brows(raised, face)
    wear.paint_glasses(raised, face)
    wear.paint_hat(flat, face)
    picture = canvas.reduce(times)
    return scene.photograph(face.scene, picture, _face_mask(face, size), rng)


def _pen(face: Face, image: Image.Image) -> Pen:
    half = image.width / 2
    centre = half * (1.0 + face.scene.shift_x), half * (1.0 + face.scene.shift_y)
    return Pen(image, centre, half * face.scene.scale, face.scene.roll)


def _face_mask(face: Face, size: int) -> Image.Image:
    """Where the face is, 255 inside: light falls on it as on a round body."""
    mask = Image.new("L", (size, size))
    _pen(face, mask).fill(head.outline(face.head), 255)
    return mask
