"""From encoded bytes to pixels: the same functions in training and in the exported graph.

Nothing of keras_mtl is imported here but the count of cores.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from keras_mtl.cores import count_cores


def decode_image(data: tf.Tensor) -> tf.Tensor:
    """Pixels of an encoded JPEG, PNG, WebP, BMP or GIF (its first frame).

    Args:
        data: string scalar, the file's bytes.

    Returns:
        uint8 [height, width, 3]; grey becomes three equal channels, transparency is dropped. A photo's Exif
        rotation is not applied.
    """
    image = tf.io.decode_image(data, channels=3, expand_animations=False)
    return tf.ensure_shape(image, [None, None, 3])


def resize_images(images: tf.Tensor, size: int) -> tf.Tensor:
    """Square images of another size, by antialiased bilinear resampling; what isn't square is squeezed.

    Args:
        images: any numeric dtype, 0-255, [..., height, width, 3] with three or four dimensions.
        size: the new height and width in pixels.

    Returns:
        uint8 [..., size, size, 3], rounded and clipped.
    """
    resized = tf.image.resize(images, [size, size], antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(resized), 0, 255), tf.uint8)


def decode_files(paths: Sequence[str], size: int) -> tuple[np.ndarray, dict[int, str]]:
    """Reads, decodes and resizes image files, in parallel.

    Args:
        paths: n file names.
        size: height and width of the result in pixels.

    Returns:
        uint8 [good, size, size, 3], in the order of `paths`; and why the others failed, by position in `paths`.
    """
    return _decode_all(
        np.asarray([os.fsencode(path) for path in paths], np.bytes_), lambda path: _read(path, size), size
    )


def decode_bytes(contents: Sequence[bytes], size: int) -> tuple[np.ndarray, dict[int, str]]:
    """The same as `decode_files` for n encoded images in memory."""
    return _decode_all(np.asarray(contents, object), lambda data: resize_images(decode_image(data), size), size)


def _decode_all(
    values: np.ndarray, decode: Callable[[tf.Tensor], tf.Tensor], size: int
) -> tuple[np.ndarray, dict[int, str]]:
    pixels = np.zeros([len(values), size, size, 3], np.uint8)
    missing = np.ones(len(values), bool)
    rows = tf.data.Dataset.from_tensor_slices((np.arange(len(values)), values))
    # Two for each core: while one waits for its file the other computes.
    parallel = 2 * count_cores()
    decoded = rows.map(lambda i, value: (i, decode(value)), num_parallel_calls=parallel, deterministic=False)
    options = tf.data.Options()
    options.autotune.enabled = False  # Its thread holds up the end of many short runs, for a quarter of a second.
    for indices, images in decoded.ignore_errors().batch(64).with_options(options).as_numpy_iterator():
        pixels[indices] = images
        missing[indices] = False
    reasons: dict[int, str] = {}
    for i in np.flatnonzero(missing).tolist():
        # What `ignore_errors` dropped is tried again by itself, since only so the reason is known.
        try:
            pixels[i] = decode(tf.constant(values[i])).numpy()
        except tf.errors.OpError as error:
            reasons[i] = _reason(error)
    good = [i for i in range(len(values)) if i not in reasons]
    return (pixels[good] if reasons else pixels), reasons


def _read(path: tf.Tensor, size: int) -> tf.Tensor:
    return resize_images(decode_image(tf.io.read_file(path)), size)


def _reason(error: tf.errors.OpError) -> str:
    if isinstance(error, tf.errors.NotFoundError):
        return "file is missing"
    # The message names the graph node in braces before it and the op in brackets after it.
    message = error.message.split("}} ")[-1].split(" [Op:")[0].split("; ")[-1].strip()
    if isinstance(error, (tf.errors.PermissionDeniedError, tf.errors.FailedPreconditionError)):
        return f"file can't be read: {message}"
    return f"not a readable image: {message[:160]}"
