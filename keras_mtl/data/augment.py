"""Random changes to training images, a whole batch at a time, as a pure function of a seed."""

from __future__ import annotations

import dataclasses
import math

import tensorflow as tf

from keras_mtl.errors import UserError
from keras_mtl.values import check_number

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as PIL and OpenCV make grey


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Which random changes an image gets, each drawn for every image on its own.

    Args:
        flip: probability of a mirror image.
        shift: the most that it moves, either way, as a share of its side.
        scale: the most that it grows or shrinks; 0.1 is from 1/1.1 to 1.1 times, even on a log scale.
        rotation: the most that it turns, either way, in degrees.
        brightness: the most that is added or taken away, as a share of the range 0-255.
        contrast: the most that distances from the image's mean grow or shrink, on a log scale as `scale`.
        colour: the most that saturation, and the gain of each channel by half as much, grow or shrink.
        grey: probability of losing all colour.
        cutout: probability that a rectangle is painted over with the image's mean colour
            (DeVries and Taylor 2017, arXiv:1708.04552).
        cutout_size: the longest side of that rectangle, as a share of the image's; the shortest is half of it.

    Raises:
        UserError: a negative amount, or a probability or share over 1.

    Example:
        >>> augment = Augmentation(flip=0.5, rotation=10)
        >>> augment(tf.zeros([2, 32, 32, 3], tf.uint8), tf.constant([0, 1])).shape
        TensorShape([2, 32, 32, 3])
    """

    flip: float = 0.0
    shift: float = 0.0
    scale: float = 0.0
    rotation: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    colour: float = 0.0
    grey: float = 0.0
    cutout: float = 0.0
    cutout_size: float = 0.4

    def __post_init__(self):
        for field in dataclasses.fields(self):
            most = None if field.name in ("scale", "rotation", "contrast", "colour") else 1.0
            check_number(f"Augmentation {field.name}", getattr(self, field.name), low=0.0, high=most)

    @staticmethod
    def named(name: str) -> Augmentation | None:
        """The augmentation of this name in `NAMED`, None for "none". Raises UserError for another name."""
        if name not in NAMED:
            raise UserError(f"Unknown augmentation {name!r}; known: {', '.join(NAMED)}")
        return NAMED[name]

    def __call__(self, images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """The changed images.

        Args:
            images: uint8 [batch, height, width, 3].
            seed: int32 [2]; the same seed gives the same result for the same images, bit for bit.

        Returns:
            uint8 [batch, height, width, 3].
        """
        batch = tf.shape(images)[0]
        draws = _Draws(batch, tf.random.stateless_uniform([_Draws.columns, batch], seed))
        changed = tf.cast(images, tf.float32)
        if self.flip or self.shift or self.scale or self.rotation:
            changed = self._move(changed, draws)
        if self.brightness or self.contrast or self.colour or self.grey:
            changed = self._tint(changed, draws)
        if self.cutout:
            changed = self._cut_out(changed, draws)
        changed = tf.saturate_cast(tf.round(changed), tf.uint8)
        return tf.ensure_shape(changed, images.shape)

    def _move(self, images: tf.Tensor, draws: _Draws) -> tf.Tensor:
        """Mirrors, turns, scales and shifts about the centre, in one resampling; edges are reflected."""
        height, width = tf.unstack(tf.cast(tf.shape(images)[1:3], tf.float32))
        angle = math.radians(self.rotation) * draws.either_way("rotation")
        inverse_scale = draws.factor("scale", self.scale)
        mirror = draws.sign("flip", self.flip)
        cos, sin = tf.cos(angle) * inverse_scale, tf.sin(angle) * inverse_scale
        middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
        from_x = middle_x + self.shift * width * draws.either_way("shift_x")
        from_y = middle_y + self.shift * height * draws.either_way("shift_y")
        # Each output pixel (x, y) is read from (a x + b y + c, d x + e y + f).
        a, b, d, e = mirror * cos, -mirror * sin, sin, cos
        c = from_x - a * middle_x - b * middle_y
        f = from_y - d * middle_x - e * middle_y
        zero = tf.zeros_like(a)
        return tf.raw_ops.ImageProjectiveTransformV3(
            images=images,
            transforms=tf.stack([a, b, c, d, e, f, zero, zero], axis=1),
            output_shape=tf.shape(images)[1:3],
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="REFLECT",
        )

    def _tint(self, images: tf.Tensor, draws: _Draws) -> tf.Tensor:
        """Brightness, contrast, saturation, channel gains and grey: for each image one 3x3 matrix and one offset."""
        luma = tf.constant(_LUMA)
        keep = draws.factor("saturation", self.colour) * (1 - draws.chance("grey", self.grey))
        gains = tf.stack([draws.factor(f"gain_{i}", self.colour / 2) for i in range(3)], axis=1)
        gains = tf.where(keep[:, None] > 0, gains, 1.0)
        to_grey = tf.tile(luma[:, None], [1, 3])
        matrix = keep[:, None, None] * tf.eye(3) + (1 - keep)[:, None, None] * to_grey
        matrix *= gains[:, None, :] * draws.factor("contrast", self.contrast)[:, None, None]
        mean = tf.reduce_mean(images, axis=[1, 2])
        # The mean colour stays where the colour change alone would put it; contrast moves the rest about it.
        new_mean = tf.linalg.matvec(matrix, mean, transpose_a=True)
        level = tf.reduce_sum(mean * luma, axis=1) + 255 * self.brightness * draws.either_way("brightness")
        offset = level[:, None] - tf.reduce_sum(new_mean * luma, axis=1)[:, None]
        shape = tf.shape(images)
        flat = tf.reshape(images, [shape[0], shape[1] * shape[2], 3])
        return tf.reshape(tf.matmul(flat, matrix) + offset[:, None, :], shape)

    def _cut_out(self, images: tf.Tensor, draws: _Draws) -> tf.Tensor:
        """Paints a rectangle, anywhere in the image, with the image's mean colour."""

        def inside(length: tf.Tensor, centre: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
            place = (tf.range(tf.cast(length, tf.float32)) + 0.5) / tf.cast(length, tf.float32)
            return tf.cast(tf.abs(place[None, :] - centre[:, None]) < size[:, None] / 2, tf.float32)

        shape = tf.shape(images)
        sizes = [self.cutout_size * (1 + draws[name]) / 2 for name in ("cutout_height", "cutout_width")]
        sizes[0] *= draws.chance("cutout", self.cutout)
        rows = inside(shape[1], draws["cutout_y"], sizes[0])
        columns = inside(shape[2], draws["cutout_x"], sizes[1])
        hole = tf.reshape(tf.matmul(rows[:, :, None], columns[:, None, :]), [shape[0], -1, 1])
        flat = tf.reshape(images, [shape[0], -1, 3])
        mean = tf.reduce_mean(flat, axis=1, keepdims=True)
        # Matrix products in place of tf.where or broadcasting, which over a last dimension of 3 take thrice the time.
        kept = tf.matmul(1 - hole, tf.ones_like(mean))
        return tf.reshape(flat * kept + tf.matmul(hole, mean), shape)


class _Draws:
    """Even random numbers in [0, 1), float32 [batch] for each purpose, from one block drawn at once."""

    purposes = (
        *("flip", "shift_x", "shift_y", "scale", "rotation"),
        *("brightness", "contrast", "saturation", "gain_0", "gain_1", "gain_2", "grey"),
        *("cutout", "cutout_x", "cutout_y", "cutout_width", "cutout_height"),
    )
    columns = len(purposes)

    def __init__(self, batch: tf.Tensor, block: tf.Tensor):
        self.batch = batch
        self.block = block

    def __getitem__(self, purpose: str) -> tf.Tensor:
        return self.block[self.purposes.index(purpose)]

    def either_way(self, purpose: str) -> tf.Tensor:
        """Even in [-1, 1)."""
        return 2 * self[purpose] - 1

    def factor(self, purpose: str, amount: float) -> tf.Tensor:
        """From 1 / (1 + amount) to 1 + amount, even on a log scale."""
        return tf.exp(math.log1p(amount) * self.either_way(purpose))

    def chance(self, purpose: str, probability: float) -> tf.Tensor:
        """1 with this probability, else 0."""
        return tf.cast(self[purpose] < probability, tf.float32)

    def sign(self, purpose: str, probability: float) -> tf.Tensor:
        """-1 with this probability, else 1."""
        return 1 - 2 * self.chance(purpose, probability)


NAMED: dict[str, Augmentation | None] = {
    "none": None,
    "light": Augmentation(flip=0.5, shift=0.05, scale=0.08, rotation=5, brightness=0.1, contrast=0.1),
    "strong": Augmentation(
        flip=0.5,
        shift=0.1,
        scale=0.15,
        rotation=12,
        brightness=0.2,
        contrast=0.3,
        colour=0.3,
        grey=0.15,
        cutout=0.5,
        cutout_size=0.4,
    ),
}
