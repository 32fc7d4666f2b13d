"""Hair behind, above and on the face."""

from __future__ import annotations

from random import Random

import numpy as np

from keras_mtl.data.drawing.face import Face
from keras_mtl.data.drawing.head import outline
from keras_mtl.data.drawing.pen import ACROSS, BOW, CIRCLE, Pen, crease, curve, mix, shade

_GREY = (222, 222, 226)
_ROUND = {"afro": 0.26, "curly": 0.10}
_WINDING = np.linspace(np.pi, 2.0 * np.pi, 17)


def paint_back(pen: Pen, face: Face, rng: Random) -> None:
    """What hangs or stands behind the head and shoulders."""
    hair, width = face.hair, face.head.width
    if hair.style == "bald":
        return
    dark = shade(hair.colour, 0.72)
    if hair.style == "bun":
        pen.dot(rng.uniform(-0.2, 0.2), -1.12 - hair.volume, 0.30, 0.27, hair.colour)
    if hair.style in _ROUND:
        grown = 1.0 + hair.volume + _ROUND[hair.style]
        cloud = CIRCLE * (width * grown * 1.1, 0.86 * grown) + (0.0, -0.18)
        pen.fill(cloud, dark)
        for x, y in cloud:
            pen.dot(x, y, 0.13 + 0.04 * rng.random(), 0.14, dark)
    if hair.length > 0:
        out = width + hair.volume
        low = hair.length
        side = [(-out, -0.3), (-out * 1.06, low * 0.5), (-out * rng.uniform(0.85, 1.12), low)]
        points = np.array(side + [(-x, y) for x, y in reversed(side)])
        pen.fill(points, dark)
        for _ in range(8):
            x = rng.uniform(-out, out)
            tone = mix(shade(hair.colour, rng.uniform(0.6, 1.2)), _GREY, hair.grey * 0.5 * rng.random())
            pen.stroke(curve(x + 0.04 * BOW, np.linspace(-0.2, low * 0.97, len(BOW))), 0.06, tone, 0.6)


def paint_front(pen: Pen, face: Face, rng: Random) -> None:
    """The cap of hair over the forehead, with fringe, parting, receding temples; strands beside the cheeks."""
    hair, head = face.hair, face.head
    if hair.style == "bald":
        if not face.person.female and rng.random() < 0.6:
            _paint_wreath(pen, face)
        return
    outer = _cap_outline(face)
    inner = _hairline(face)
    flat = hair.style == "buzz"
    pen.fill(np.concatenate([outer, inner]), hair.colour, 0.62 if flat else 1.0)
    if hair.recession > 0.4:
        # A thin crown: the scalp shows through.
        pen.dot(0.0, -0.80, head.width * 0.55, 0.24, head.skin, min(0.85, 1.4 * (hair.recession - 0.35)))
    if not flat:
        _paint_strands(pen, face, rng, outer, inner[::-1])
    if hair.length > 0:
        _paint_sides(pen, face)


def _cap_outline(face: Face) -> np.ndarray:
    """From the left temple over the crown to the right one, [17, 2]."""
    hair, head = face.hair, face.head
    extra = {"buzz": 0.02, "afro": hair.volume + 0.22}.get(hair.style, hair.volume)
    x, y = np.cos(_WINDING), np.sin(_WINDING)
    points = curve((head.width + 0.03 + 0.5 * extra) * x, (0.98 + extra) * np.abs(y) ** 0.9 * -1.0 + 0.02)
    if hair.style == "spiky":
        points[1:-1:2] *= 1.12
    elif hair.style == "curly":
        points[1:-1:2] *= 1.06
    points[0, 1] = points[-1, 1] = 0.12 if hair.style in ("short", "side", "curly", "afro") else 0.0
    return points


def _hairline(face: Face) -> np.ndarray:
    """From the right temple along the forehead to the left one, [11, 2]."""
    hair, head = face.hair, face.head
    across = ACROSS[::-1]
    x = head.width * 0.97 * across
    temples = np.exp(-(((np.abs(across) - 0.55) / 0.22) ** 2))
    y = hair.line * (1.0 - across**4) - 0.32 * hair.recession * temples
    y = np.where(np.abs(across) > 0.98, 0.02, np.maximum(y, -0.95))
    if hair.fringe:
        full = face.eyes.y - face.eyes.size - 0.10
        y = np.where(np.abs(across) < 0.85, y + (full - y) * hair.fringe, y)
    elif hair.style in ("side", "bob", "long", "bun"):
        y = y - 0.16 * np.exp(-(((x - hair.parting) / 0.2) ** 2))
    return curve(x, y)


def _paint_strands(pen: Pen, face: Face, rng: Random, outer: np.ndarray, inner: np.ndarray) -> None:
    hair = face.hair
    for _ in range(9):
        place = rng.random()
        start = outer[2 + int(place * (len(outer) - 4))]
        end = inner[1 + int(place * (len(inner) - 2))]
        along = np.linspace(0.08, 0.97, 4)[:, None]
        points = start + (end - start) * along
        if rng.random() < hair.grey * 0.7:
            pen.stroke(points, 0.05, _GREY, 0.7)
        else:
            pen.stroke(points, 0.05, shade(hair.colour, 1.35 if rng.random() < 0.5 else 0.65), 0.55)


def _paint_sides(pen: Pen, face: Face) -> None:
    """Strands in front of the ears."""
    hair, width = face.hair, face.head.width
    low = min(hair.length, 1.05)
    for side in (-1.0, 1.0):
        out, into = width + 0.5 * hair.volume + 0.05, width * 0.86
        points = np.array(
            [(into * 0.98, -0.35), (out, -0.3), (out + 0.03, low), (into + 0.02, low * 0.92), (into, 0.2)]
        )
        pen.fill(points * (side, 1.0), shade(hair.colour, 0.9))


def _paint_wreath(pen: Pen, face: Face) -> None:
    """What is left around a bald head."""
    for side in (-1.0, 1.0):
        x = side * (face.head.width + 0.01)
        pen.dot(x, -0.08, 0.075, 0.20, face.hair.colour, 0.9)


def paint_beard(pen: Pen, face: Face, rng: Random) -> None:
    """Stubble, a moustache, a goatee or a full beard."""
    hair, head, mouth = face.hair, face.head, face.mouth
    if not hair.beard:
        return
    colour, alpha = hair.beard_colour, 0.55 + 0.4 * hair.beard_strength
    lip = mouth.y - mouth.upper - 0.02
    if hair.beard in ("stubble", "full"):
        edge = outline(head)
        jaw = edge[(edge[:, 1] > face.eyes.y + 0.22)]
        jaw = jaw[np.argsort(np.arctan2(jaw[:, 0], jaw[:, 1]))]
        across = jaw[::-1, 0] / np.abs(jaw[:, 0]).max()
        inside = curve(jaw[::-1, 0] * 0.8, np.minimum(jaw[::-1, 1], head.nose_y + 0.14 - 0.16 * across**2))
        if hair.beard == "stubble":
            pen.fill(
                np.concatenate([jaw * 0.97, inside]),
                mix(crease(head.skin), colour, 0.6),
                0.22 * hair.beard_strength + 0.1,
            )
            return
        pen.fill(np.concatenate([jaw * (1.0, 1.0 + 0.12 * hair.beard_strength), inside]), colour, alpha)
    if hair.beard == "goatee":
        pen.dot(0.0, head.chin - 0.10, 0.17, 0.17, colour, alpha)
    width = mouth.width * 0.95
    droop = 0.06 * ACROSS**2 - mouth.curve * 0.6 * ACROSS**2
    thick = 0.045 + 0.03 * hair.beard_strength
    top = lip - thick + droop
    pen.fill(
        np.concatenate([curve(width * ACROSS, top), curve(width * ACROSS, top + 2 * thick * BOW**0.5)[::-1]]),
        colour,
        alpha,
    )
    for _ in range(6):
        x = rng.uniform(-0.4, 0.4)
        y = head.chin - rng.uniform(0.05, 0.3)
        if hair.beard == "full":
            pen.stroke(
                curve(np.full(3, x), y + np.array([-0.08, 0.0, 0.08])), 0.03, shade(colour, rng.uniform(0.7, 1.3)), 0.6
            )
