"""A pen that draws in face coordinates, and the few colour functions that painting needs."""

from __future__ import annotations

import functools
import math

import numpy as np
from PIL import Image, ImageDraw

from keras_mtl.data.drawing.face import Colour

# From the left end of a feature to its right end, and the bow over it: 0 at the ends, 1 in the middle.
ACROSS = np.linspace(-1.0, 1.0, 11)
BOW = 1.0 - ACROSS**2
_TURN = np.linspace(0.0, 2.0 * math.pi, 19)[:-1]
CIRCLE = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)
_LEFT = np.array([-0.5, 0.5])
_DEPTH = np.array([1.6, 0.9])


class Pen:
    """Draws filled shapes on an RGB picture, in face coordinates (see `face`).

    Args:
        image: the picture, drawn on in place.
        centre: the pixel (x, y) of the face's origin.
        scale: pixels in a unit.
        roll: rotation in the picture, radians.
        yaw, pitch: turn of the head; shifts what lies in front of the head's rim, most in the middle.
    """

    def __init__(self, image: Image.Image, centre, scale: float, roll: float, yaw: float = 0.0, pitch: float = 0.0):
        self.image = image
        self.draw = ImageDraw.Draw(image, "RGBA" if image.mode == "RGB" else None)
        self.centre = np.asarray(centre, np.float64)
        self.scale = scale
        self.roll = roll
        self.turn = np.array([yaw, pitch])
        self.flat = not yaw and not pitch
        c, s = math.cos(roll) * scale, math.sin(roll) * scale
        self.matrix = np.array([[c, s], [-s, c]])

    def turned(self, yaw: float, pitch: float) -> Pen:
        """The same pen for what lies on the face, whose middle is nearer to the camera than its rim."""
        return Pen(self.image, self.centre, self.scale, self.roll, yaw, pitch)

    def project(self, points: np.ndarray) -> list[float]:
        """Face coordinates [n, 2] as pixels x0, y0, x1, y1, …"""
        if not self.flat:
            depth = np.sqrt(np.maximum(0.0, 1.0 - (points * points) @ _DEPTH))
            points = points + depth[:, None] * self.turn
        return (points @ self.matrix + self.centre).ravel().tolist()

    def fill(self, points: np.ndarray, colour: Colour | int, alpha: float = 1.0) -> None:
        """A polygon with corners `points` [n, 2]."""
        if alpha > 0.01:
            self.draw.polygon(self.project(points), fill=_ink(colour, alpha))

    def dot(self, x: float, y: float, rx: float, ry: float, colour: Colour, alpha: float = 1.0) -> None:
        """An ellipse around (x, y)."""
        self.fill(CIRCLE * (rx, ry) + (x, y), colour, alpha)

    def stroke(self, points: np.ndarray, width: float, colour: Colour, alpha: float = 1.0, taper: float = 1.0) -> None:
        """A brush stroke along `points` [n, 2]; `taper` 1 ends in points, 0 has the full width throughout."""
        if alpha <= 0.01:
            return
        across = np.empty_like(points)
        along = across[:, ::-1]
        along[1:-1] = points[2:] - points[:-2]
        along[0], along[-1] = points[1] - points[0], points[-1] - points[-2]
        across *= _LEFT * width / np.sqrt(np.einsum("ij,ij->i", across, across) + 1e-12)[:, None]
        if taper:
            across *= 1.0 - taper * _ends(len(points))
        self.fill(np.concatenate([points + across, (points - across)[::-1]]), colour, alpha)


def curve(x, y) -> np.ndarray:
    """Points [n, 2] out of two arrays or numbers that broadcast."""
    points = np.empty((np.size(x) if np.ndim(x) else np.size(y), 2))
    points[:, 0], points[:, 1] = x, y
    return points


@functools.lru_cache(maxsize=64)
def _ends(count: int) -> np.ndarray:
    """0 in the middle of a stroke, 1 at its ends, [count, 1]."""
    return np.linspace(-1.0, 1.0, count)[:, None] ** 2


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """The colour on the way from `first` to `second`."""
    return tuple(a + (b - a) * share for a, b in zip(first, second, strict=True))  # type: ignore[return-value]


def shade(colour: Colour, factor: float) -> Colour:
    """Darker for a factor under 1, lighter over 1."""
    return tuple(min(255.0, part * factor) for part in colour)  # type: ignore[return-value]


def crease(skin: Colour) -> Colour:
    """The colour of a fold in the skin, reddish and as far from a dark skin as from a light one."""
    red, green, blue = skin
    return max(0.0, red * 0.55 - 12), max(0.0, green * 0.42 - 14), max(0.0, blue * 0.40 - 14)


def _ink(colour: Colour | int, alpha: float):
    if isinstance(colour, int):
        return colour
    red, green, blue = colour
    return int(red), int(green), int(blue), int(255 * min(1.0, alpha))
