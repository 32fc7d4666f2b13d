"""A face brought to a fixed place in a square crop by its five points."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import PIL.Image

TEMPLATE = np.array([[0.295, 0.29], [0.685, 0.29], [0.49, 0.515], [0.32, 0.685], [0.665, 0.69]])
"""Where eyes, nose and corners of the mouth lie in a crop without margin, as (x, y) in shares of its side.

Medians over 149 faces of UTKFace, as its authors aligned and cropped them, found by MTCNN: so faces out of photos
lie as those of a set that nets are trained on.
"""

_BORDER = 4  # Pixels around the region that is used, which resampling may look at.


def places(size: int, margin: float, template: np.ndarray = TEMPLATE) -> np.ndarray:
    """Where the five points lie in a crop of `size` pixels, [5, 2], with a margin as for `align`."""
    return (template + margin) / (1 + 2 * margin) * size


def similarity(points: Sequence[tuple[float, float]], targets: np.ndarray) -> tuple[complex, complex]:
    """The similarity transform (turn, scale, shift; no mirroring) that is nearest in least squares.

    With a point (x, y) as the complex number z = x + iy, it is z -> a z + b, a straight line through the points.

    Args:
        points: n points (x, y).
        targets: [n, 2], where they should be.

    Returns:
        a, whose absolute value is the scale and whose angle is the turn, and b, the shift.

    Raises:
        ValueError: the points are all at one place, or nearly, so that they give no scale.
    """
    start, end = np.asarray(points, np.float64) @ (1, 1j), np.asarray(targets, np.float64) @ (1, 1j)
    if not np.isfinite(start).all() or np.std(start) < 0.5:
        raise ValueError("the face's five points are all at one place")
    a, b = np.polyfit(start, end, 1)
    return complex(a), complex(b)


def align(
    photo: PIL.Image.Image,
    points: Sequence[tuple[float, float]],
    size: int,
    margin: float,
    template: np.ndarray = TEMPLATE,
) -> PIL.Image.Image:
    """The face turned, scaled and shifted so that its points come to `places(size, margin)`; black off the photo.

    Args:
        photo: RGB.
        points: five (x, y) in pixels of the photo, in the order of `TEMPLATE`.
        size: height and width of the crop in pixels.
        margin: what is added on each side, as a share of the side of a crop without margin, 0 to 2 say.
        template: where whoever found the points sees them in a crop without margin, as `Detector.template`.

    Returns:
        RGB, `size` x `size`.

    Raises:
        ValueError: the points give no scale.
    """
    a, b = similarity(points, places(size, margin, template))
    back, shift = 1 / a, -b / a  # From the crop to the photo.
    corners = [back * complex(x, y) + shift for x in (0, size) for y in (0, size)]
    border = _BORDER * max(1.0, abs(back))
    left = max(0, math.floor(min(corner.real for corner in corners) - border))
    top = max(0, math.floor(min(corner.imag for corner in corners) - border))
    right = min(photo.width, math.ceil(max(corner.real for corner in corners) + border))
    bottom = min(photo.height, math.ceil(max(corner.imag for corner in corners) + border))
    if right <= left or bottom <= top:
        raise ValueError("the face lies outside of the photo")
    region = photo.crop((left, top, right, bottom))
    if abs(a) < 1:
        # An affine transform reads single pixels only: what is to be shrunk has to be smoothed before.
        smaller = max(1, round(region.width * abs(a))), max(1, round(region.height * abs(a)))
        region = region.resize(smaller, PIL.Image.Resampling.LANCZOS)
    across, down = region.width / (right - left), region.height / (bottom - top)
    x, y = (shift.real - left) * across, (shift.imag - top) * down
    matrix = back.real * across, -back.imag * across, x, back.imag * down, back.real * down, y
    return region.transform((size, size), PIL.Image.Transform.AFFINE, matrix, PIL.Image.Resampling.BICUBIC)
