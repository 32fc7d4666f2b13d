"""The mouth, from a frown to a laugh."""

from __future__ import annotations

import numpy as np

from keras_mtl.data.drawing.face import Face
from keras_mtl.data.drawing.pen import ACROSS, BOW, Pen, crease, curve, shade

_HOLE, _TEETH, _TONGUE = (62, 18, 22), (246, 242, 232), (186, 84, 88)
# The upper lip's edge has a dip in the middle, Cupid's bow.
_CUPID = BOW**0.8 * (1.0 - 0.35 * np.exp(-((ACROSS / 0.22) ** 2)))


def paint_mouth(pen: Pen, face: Face) -> None:
    """Lips around a closed mouth or an open one, with or without teeth."""
    mouth, fold = face.mouth, crease(face.head.skin)
    x = mouth.width * ACROSS
    line = mouth.y + mouth.curve * (BOW - 1.0)
    gap = mouth.opening * BOW**0.75
    below = line + gap
    pen.fill(np.concatenate([curve(x, line - mouth.upper * _CUPID), curve(x, below)[::-1]]), shade(mouth.lips, 0.9))
    pen.fill(np.concatenate([curve(x, line), curve(x, below + mouth.lower * BOW)[::-1]]), mouth.lips)
    pen.stroke(curve(0.5 * x, below + 0.45 * mouth.lower * BOW), 0.03, shade(mouth.lips, 1.25), 0.5)
    if mouth.opening > 0:
        _paint_inside(pen, face, x, line, gap)
    else:
        pen.stroke(curve(x, line), 0.036, shade(fold, 0.6), 0.9, taper=0.5)
    shadow = curve(0.45 * x, below + mouth.lower + 0.05 - 0.02 * BOW)
    pen.stroke(shadow, 0.05, fold, 0.35)
    for side, end in ((-1.0, 0), (1.0, -1)):
        pen.dot(x[end] + side * 0.01, line[end], 0.022, 0.026, fold, 0.45)


def _paint_inside(pen: Pen, face: Face, x: np.ndarray, line: np.ndarray, gap: np.ndarray) -> None:
    inner = 0.94 * x
    pen.fill(np.concatenate([curve(inner, line), curve(inner, line + gap)[::-1]]), _HOLE)
    if face.mouth.opening > 0.09:
        tongue = np.concatenate([curve(0.6 * x, line + gap * 0.65), curve(0.6 * x, line + gap)[::-1]])
        pen.fill(tongue, _TONGUE)
    if face.mouth.teeth:
        depth = np.minimum(gap, 0.075)
        pen.fill(np.concatenate([curve(inner, line), curve(inner, line + depth * 0.9)[::-1]]), _TEETH)
