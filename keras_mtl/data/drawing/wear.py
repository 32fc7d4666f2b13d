"""Clothes, glasses and hats."""

from __future__ import annotations

import numpy as np

from keras_mtl.data.drawing.face import Face
from keras_mtl.data.drawing.pen import ACROSS, BOW, CIRCLE, Pen, curve, shade


def paint_clothes(pen: Pen, face: Face) -> None:
    """Shoulders and a collar."""
    wear, neck, wide = face.wear, face.head.neck, face.head.shoulders
    x = wide * np.array([-1.0, -0.95, -0.55, 0.55, 0.95, 1.0])
    y = np.array([3.0, 1.62, 1.28, 1.28, 1.62, 3.0])
    x[2:4] = (-neck * 1.1, neck * 1.1)
    y[2:4] = 1.12 if wear.collar == "high" else 1.22
    pen.fill(curve(x, y), wear.clothes)
    if wear.collar == "round":
        pen.dot(0.0, 1.2, neck * 1.08, 0.16, shade(face.head.skin, 0.84))
    elif wear.collar == "shirt":
        pen.fill(np.array([(-neck * 1.1, 1.1), (neck * 1.1, 1.1), (0.0, 1.55)]), shade(face.head.skin, 0.84))
        for side in (-1.0, 1.0):
            flap = np.array([(neck * 1.15, 1.08), (neck * 1.35, 1.3), (0.16, 1.62), (0.0, 1.5)])
            pen.fill(flap * (side, 1.0), shade(wear.clothes, 1.25))


def paint_glasses(pen: Pen, face: Face) -> None:
    """Two rims, a bridge and the temples; dark glasses hide the eyes."""
    kind, eyes = face.wear.glasses, face.eyes
    if not kind:
        return
    colour = face.wear.glasses_colour
    width = 0.065 if kind == "thick" else 0.036
    rx, ry = eyes.x * 0.80, 0.21
    loop = np.concatenate([CIRCLE, CIRCLE[:1]])
    for side in (-1.0, 1.0):
        middle = (side * eyes.x, eyes.y + 0.02)
        if kind == "dark":
            pen.dot(*middle, rx, ry, (24, 24, 30), 0.93)
        pen.stroke(loop * (rx, ry) + middle, width, colour, 0.95, taper=0.0)
        reach = np.linspace(eyes.x + rx, face.head.width, 3)
        pen.stroke(curve(side * reach, eyes.y - 0.02), width, colour, 0.95, taper=0.0)
    inner = eyes.x - rx
    pen.stroke(curve(inner * ACROSS, eyes.y - 0.03 * BOW), width, colour, 0.95, taper=0.0)


def paint_hat(pen: Pen, face: Face) -> None:
    """A cap, a beanie or a hat with a brim."""
    kind, colour = face.wear.hat, face.wear.hat_colour
    if not kind:
        return
    wide = face.head.width + 0.10
    brow = min(-0.38, face.eyes.y - 0.42)
    crown = curve(wide * ACROSS, brow - (0.85 + brow * 0.2) * BOW**0.5)
    pen.fill(crown, colour)
    if kind == "beanie":
        band = np.concatenate(
            [curve(wide * 1.03 * ACROSS, brow - 0.12), curve(wide * 1.03 * ACROSS, brow + 0.06)[::-1]]
        )
        pen.fill(band, shade(colour, 0.75))
    else:
        brim = wide * (1.05 if kind == "cap" else 1.5)
        points = np.concatenate([curve(brim * ACROSS, brow - 0.03), curve(brim * ACROSS, brow + 0.12 * BOW)[::-1]])
        pen.fill(points, shade(colour, 0.7))
