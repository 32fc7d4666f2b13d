"""The head: neck, outline, skin, nose, and the lines of age."""

from __future__ import annotations

import functools
from random import Random

import numpy as np

from keras_mtl.data.drawing.face import Face, Head
from keras_mtl.data.drawing.pen import ACROSS, BOW, Pen, crease, curve, mix, shade

_TURN = np.linspace(0.0, 2.0 * np.pi, 41)[:-1]
_COS, _SIN = np.cos(_TURN), np.sin(_TURN)
_BOTH = (-1.0, 1.0)


@functools.lru_cache(maxsize=4)
def outline(head: Head) -> np.ndarray:
    """The head's outline, [40, 2]: a half ellipse above, a superellipse with jowls below."""
    below = _SIN > 0
    power = np.where(below, 2.0 / head.jaw, 0.92)
    x = head.width * np.sign(_COS) * np.abs(_COS) ** power
    y = np.where(below, head.chin, 1.0) * np.sign(_SIN) * np.abs(_SIN) ** power
    x *= 1.0 + head.jowl * np.exp(-(((y - 0.58) / 0.2) ** 2))
    points = np.stack([x, y], axis=1)
    points.flags.writeable = False
    return points


def paint_body(pen: Pen, face: Face) -> None:
    """Neck, ears and earrings."""
    head, skin = face.head, face.head.skin
    dark = shade(skin, 0.80)
    neck = head.neck
    pen.fill(np.array([(-neck, 0.3), (neck, 0.3), (neck * 1.15, 1.7), (-neck * 1.15, 1.7)]), dark)
    for side in _BOTH:
        x, y = side * (head.width + 0.02), face.eyes.y + 0.14
        pen.dot(x, y, 0.09, head.ear, shade(skin, 0.93))
        pen.dot(x + side * 0.01, y, 0.045, head.ear * 0.6, shade(skin, 0.75))
        if head.earrings:
            pen.dot(x, y + head.ear + 0.04, 0.045, 0.06, (238, 212, 120))


def paint_neck_lines(pen: Pen, face: Face) -> None:
    """Two folds across the neck, of which a high collar hides one."""
    for y in (1.05,) if face.wear.collar == "high" else (1.05, 1.15):
        across = curve(0.85 * face.head.neck * ACROSS, y + 0.05 * BOW)
        pen.stroke(across, 0.04, crease(face.head.skin), 0.75 * face.marks.neck)


def paint_head(pen: Pen, face: Face) -> None:
    """The head's outline, with the shadow it throws on the neck."""
    head = face.head
    edge = outline(head)
    pen.fill(edge + (0.0, 0.06), shade(head.skin, 0.62), 0.7)
    pen.fill(edge, shade(head.skin, 0.86))
    pen.fill(edge * 0.95 + (0.0, -0.02), head.skin)


def paint_skin(pen: Pen, face: Face, rng: Random) -> None:
    """Blush, unevenness, spots and freckles."""
    head, eyes, marks, skin = face.head, face.eyes, face.marks, face.head.skin
    red = mix(skin, (226, 70, 66), 0.55)
    for side in _BOTH:
        pen.dot(side * head.width * 0.56, head.nose_y + 0.06, 0.19, 0.14, red, head.blush)
    fold = crease(skin)
    for _ in range(int(7 * marks.patches)):
        x, y = rng.uniform(-0.5, 0.5), rng.uniform(-0.7, 0.75)
        tone = fold if rng.random() < 0.6 else shade(skin, 1.2)
        pen.dot(x, y, rng.uniform(0.05, 0.14), rng.uniform(0.04, 0.1), tone, 0.13 * marks.patches)
    for _ in range(marks.spots):
        x, y, r = rng.uniform(-0.55, 0.55), rng.uniform(-0.75, 0.6), rng.uniform(0.018, 0.042)
        pen.dot(x, y, r * 1.2, r, fold, rng.uniform(0.35, 0.75))
    for _ in range(marks.freckles):
        x, y = rng.gauss(0.0, 0.26), eyes.y + 0.26 + rng.gauss(0.0, 0.06)
        pen.dot(x, y, 0.016, 0.016, (150, 84, 50), 0.6)
    for side in _BOTH:
        pen.dot(side * eyes.x, eyes.y - 0.02, eyes.size * 1.35, eyes.size * 1.0, fold, 0.13)


def paint_nose(pen: Pen, face: Face) -> None:
    """A shadow along the bridge, the wings and the nostrils."""
    head, skin = face.head, face.head.skin
    fold, y, half = crease(skin), head.nose_y, head.nose
    side = 1.0 if face.scene.light_x < 0 else -1.0
    top = y - head.nose_length
    bridge = np.array([(0.05, top), (0.065, y - 0.12), (half, y - 0.01), (half * 0.3, y + 0.03), (0.02, top + 0.05)])
    pen.fill(bridge * (side, 1.0), fold, 0.26)
    pen.stroke(curve(-side * 0.015, np.linspace(top + 0.06, y - 0.05, 4)), 0.05, shade(skin, 1.22), 0.5)
    pen.stroke(curve(half * ACROSS, y - 0.015 + 0.045 * BOW), 0.034, fold, 0.55)
    for x in (-half * 0.5, half * 0.5):
        pen.dot(x, y + 0.008, half * 0.23, 0.02, shade(fold, 0.6), 0.8)


def paint_lines(pen: Pen, face: Face) -> None:
    """Wrinkles: forehead, between the brows, beside the eyes, from nose and mouth downwards; raised cheeks."""
    eyes, mouth, marks, head = face.eyes, face.mouth, face.marks, face.head
    fold = crease(head.skin)
    brow = eyes.y - eyes.size * eyes.opening - eyes.brow_gap
    for number, width in enumerate((0.30, 0.36, 0.28)):
        y = brow - 0.10 - 0.10 * number
        strength = marks.forehead * (1.0 - 0.15 * number)
        pen.stroke(curve(width * ACROSS, y - 0.03 * np.cos(ACROSS * 4.0)), 0.032, fold, 0.75 * strength)
    length = np.linspace(0.0, 1.0, 5)
    corner_x, corner_y = mouth.width * 1.0, mouth.y - mouth.curve
    for side in _BOTH:
        pen.stroke(curve(side * (0.045 + 0.01 * length), brow + 0.14 * length - 0.05), 0.03, fold, 0.7 * marks.frown)
        outer = eyes.x + eyes.size * 1.12
        for rise in (-0.09, 0.0, 0.09):
            along = curve(side * (outer + 0.14 * length), eyes.y + eyes.droop + rise * (0.3 + length))
            pen.stroke(along, 0.024, fold, 0.8 * marks.crows_feet)
        start_x, start_y = head.nose + 0.03, head.nose_y - 0.03
        out = start_x + (corner_x + 0.07 - start_x) * length**0.7
        drop = start_y + (corner_y + 0.03 - start_y) * length
        pen.stroke(curve(side * out, drop), 0.040, fold, 0.85 * marks.nasolabial)
        down = curve(side * (corner_x + 0.02 + 0.03 * length), corner_y + 0.05 + 0.17 * length)
        pen.stroke(down, 0.036, fold, 0.75 * marks.marionette)
        lifted = eyes.y + eyes.size * 0.75 + 0.10 - 0.05 * mouth.cheeks
        apple = curve(side * eyes.x * 1.02 + 0.15 * ACROSS, lifted + 0.05 * BOW)
        pen.stroke(apple, 0.04, fold, 0.42 * mouth.cheeks)
