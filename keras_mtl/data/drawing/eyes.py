"""Eyes, their bags and make-up, and brows."""

from __future__ import annotations

import numpy as np

from keras_mtl.data.drawing.face import Eyes, Face
from keras_mtl.data.drawing.pen import ACROSS, BOW, CIRCLE, Pen, crease, curve, shade

_WHITE = (238, 236, 232)


def paint_eyes(pen: Pen, face: Face) -> None:
    """Both eyes, open as far as age, a smile and chance leave them."""
    for side in (-1.0, 1.0):
        _paint_eye(pen, face.eyes, face.head.skin, side)


def _paint_eye(pen: Pen, eyes: Eyes, skin, side: float) -> None:
    fold = crease(skin)
    x = side * eyes.x + eyes.size * ACROSS
    hang = eyes.droop * side * ACROSS
    half = eyes.size * eyes.opening
    upper, lower = eyes.y + hang - half * BOW, eyes.y + hang + 0.7 * half * BOW
    if eyes.shadow:
        lid = np.concatenate([curve(x, upper - 0.07 * BOW), curve(x, upper)[::-1]])
        pen.fill(lid, eyes.shadow, 0.5)
    pen.stroke(curve(x, upper - 0.055 * BOW - 0.015), 0.026, fold, 0.5)
    _paint_bags(pen, eyes, fold, x, lower)
    pen.fill(np.concatenate([curve(x, upper), curve(x, lower)[::-1]]), _WHITE)
    radius = eyes.size * 0.50
    middle = side * eyes.x + 0.3 * eyes.size * eyes.gaze
    for size, colour in ((radius, eyes.iris), (radius * 0.52, (12, 10, 12))):
        pen.fill(_between_lids(CIRCLE * size + (middle, eyes.y - 0.02), x, upper, lower), colour)
    pen.dot(middle - 0.03, eyes.y - 0.05, 0.024, 0.024, (255, 255, 255), 0.85 if half > 0.06 else 0.0)
    pen.stroke(curve(x, lower), 0.018, fold, 0.45)
    pen.stroke(curve(x, upper), 0.025 + 0.030 * eyes.lashes, (24, 18, 18), 0.9, taper=0.6)
    outer = x[-1] if side > 0 else x[0]
    flick = curve(outer + side * np.linspace(-0.03, 0.07, 4), eyes.y + eyes.droop - np.linspace(0.01, 0.07, 4))
    pen.stroke(flick, 0.035, (24, 18, 18), max(0.0, 1.6 * eyes.lashes - 0.6))


def _paint_bags(pen: Pen, eyes: Eyes, fold, x: np.ndarray, lower: np.ndarray) -> None:
    strength = min(1.0, eyes.bags)
    bag = np.concatenate([curve(x, lower), curve(x, lower + 0.035 + 0.09 * BOW)[::-1]])
    pen.fill(bag, fold, 0.20 * strength)
    pen.stroke(curve(x, lower + 0.035 + 0.09 * BOW), 0.03, fold, 0.6 * strength)


def _between_lids(points: np.ndarray, x: np.ndarray, upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """The part of a disc that the lids leave free."""
    high, low = np.interp(points[:, 0], x, upper), np.interp(points[:, 0], x, lower)
    return curve(np.clip(points[:, 0], x[0], x[-1]), np.clip(points[:, 1], high, low))


def paint_brows(pen: Pen, face: Face) -> None:
    """Both brows, thick at the inner end."""
    eyes = face.eyes
    along = np.linspace(0.0, 1.0, 7)
    base = eyes.y - eyes.size * eyes.opening - eyes.brow_gap + 0.03
    for side in (-1.0, 1.0):
        x = side * (eyes.x - eyes.size * 0.95 + along * eyes.size * 2.15)
        rise = eyes.brow_arch * np.sin(np.pi * along**1.3)
        y = base - rise + eyes.brow_tilt * (along - 0.5) + eyes.droop * along
        thick = 0.5 * eyes.brow_width * np.minimum(1.0, 1.5 * (1.0 - along) + 0.25)
        points = np.concatenate([curve(x, y - thick), curve(x, y + thick)[::-1]])
        pen.fill(points, shade(eyes.brow, 0.95), 0.88)
