"""What surrounds the face, and what light and camera make of it."""

from __future__ import annotations

import functools
from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from keras_mtl.data.drawing.face import Scene


def paint_background(scene: Scene, size: int, rng: Random) -> Image.Image:
    """A new canvas of size x size: a gradient between four corners' colours, with blobs or stripes on it."""
    corners = Image.new("RGB", (2, 2))
    corners.putdata([tuple(int(part) for part in colour) for colour in scene.palette])
    canvas = corners.resize((size, size), Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(canvas, "RGBA")
    if scene.background == "blobs":
        for _ in range(rng.randint(3, 9)):
            x, y, r = rng.random() * size, rng.random() * size, rng.uniform(0.05, 0.3) * size
            colour = tuple(int(rng.random() * 255) for _ in range(3))
            draw.ellipse((x - r, y - r, x + r, y + r), fill=(*colour, rng.randint(70, 220)))
    elif scene.background == "stripes":
        lean, count = rng.uniform(-1.0, 1.0), rng.randint(3, 9)
        step = 2.0 * size / count
        colour = (*(int(rng.random() * 255) for _ in range(3)), rng.randint(60, 220))
        for number in range(-1, count + 1):
            x = (number - 0.5 * count) * step + size / 2
            tip = x + lean * size
            draw.polygon((x, 0, x + step / 2, 0, tip + step / 2, size, tip, size), fill=colour)
    return canvas


def photograph(scene: Scene, picture: Image.Image, mask: Image.Image, rng: Random) -> Image.Image:
    """Light from one side, blur, contrast, colour cast and noise.

    Args:
        scene: how strong each is.
        picture: RGB, as drawn.
        mask: "L", of the same size; 255 where the face is.
        rng: seeds the noise.
    """
    size = picture.width
    if scene.blur > 0.15:
        picture = picture.filter(ImageFilter.GaussianBlur(scene.blur * size / 64))
    pixels: np.ndarray = np.asarray(picture, np.float32)
    across, down = _grid(size)
    middle_x, middle_y = scene.shift_x, scene.shift_y
    nearness = ((across - middle_x) * scene.light_x + (down - middle_y) * scene.light_y) / scene.scale
    rim = ((across - middle_x) ** 2 + (down - middle_y) ** 2) / scene.scale**2
    inside = np.asarray(mask, np.float32) * (1.0 / 255.0)
    lit = 1.0 + scene.light * (0.4 * nearness + inside * (0.5 * nearness - 0.35 * rim))
    pixels = pixels * np.clip(lit, 0.25, 1.6)[..., None]
    if scene.grey:
        pixels = np.repeat(pixels @ np.array([[0.299], [0.587], [0.114]], np.float32), 3, axis=2)
    else:
        pixels = pixels * np.array([1.0 + scene.warmth, 1.0, 1.0 - scene.warmth], np.float32)
    pixels = (pixels - 118.0) * scene.contrast + (118.0 + scene.brightness)
    if scene.noise > 0.5:
        noise = np.random.Generator(np.random.PCG64(rng.getrandbits(64))).standard_normal(
            (size, size, 1 if scene.grey else 3), np.float32
        )
        pixels = pixels + scene.noise * noise
    return Image.fromarray(np.clip(pixels + 0.5, 0, 255).astype(np.uint8))


@functools.lru_cache(maxsize=4)
def _grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    """x [1, size] and y [size, 1] of the pixels' middles, from -1 to 1."""
    line = ((np.arange(size, dtype=np.float32) + 0.5) * 2.0 / size - 1.0).astype(np.float32)
    return line[None, :], line[:, None]
