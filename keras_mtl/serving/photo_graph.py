"""`keras_mtl.photos` in TensorFlow's own operations, for the exported graph: the same pixels, bit for bit.

Nothing of keras_mtl is imported here. Only operations that TensorFlow Serving 2.19 has are used.
"""

from __future__ import annotations

import tensorflow as tf

_BITS = 22
"""Pillow's weights are whole numbers of this many bits behind the point (Resample.c, PRECISION_BITS)."""
_AT_ONCE = 1 << 22
"""Numbers that are resampled at a time."""
_ORIENTATION = 0x0112


def decode_image(data: tf.Tensor) -> tf.Tensor:
    """Pixels of an encoded JPEG, PNG or WebP, as `keras_mtl.photos.decode_photo` makes them.

    Args:
        data: string scalar, the file's bytes.

    Returns:
        uint8 [height, width, 3]: upright by its Exif tag, transparency on white, of 16 bits the upper 8.

    Raises:
        tf.errors.InvalidArgumentError: it is damaged, an animated WebP, or of another format.
    """
    size = tf.strings.length(data)
    head = tf.strings.substr(tf.strings.join([data, "\0" * 32]), 0, 32)
    raw = tf.cast(tf.io.decode_raw(head, tf.uint8), tf.int32)
    is_jpeg = tf.equal(tf.strings.substr(head, 0, 3), b"\xff\xd8\xff")
    is_png = tf.equal(tf.strings.substr(head, 0, 8), b"\x89PNG\r\n\x1a\n")
    is_webp = tf.equal(tf.strings.substr(head, 0, 4), b"RIFF") & tf.equal(tf.strings.substr(head, 8, 4), b"WEBP")
    flags = tf.where(tf.equal(tf.strings.substr(head, 12, 4), b"VP8X"), raw[20], 0)

    def jpeg():
        pixels = tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")
        return pixels, _where_named(data, r"Exif\x00\x00", _exif_of_jpeg)

    def png():
        depth, kind = raw[24], raw[25]
        # The alpha channel that TensorFlow adds is right for 8 and 16 bits only; that of a palette's own always is.
        opaque = ((kind == 0) | (kind == 2)) & (depth != 8)
        pixels = tf.case(
            [
                (opaque, lambda: tf.io.decode_png(data, channels=3)),
                (tf.equal(kind, 3), lambda: _on_white(tf.io.decode_png(data, channels=0))),
            ],
            default=lambda: _on_white(tf.io.decode_png(data, channels=4)),
        )
        return pixels, _where_named(data, "eXIf", _exif_of_png)

    def webp():
        still = tf.debugging.Assert(flags & 2 == 0, ["An animated WebP is not read: keep one picture of it"])
        with tf.control_dependencies([still]):
            pixels = tf.io.decode_image(data, channels=0, expand_animations=False)
        place = tf.cond(flags & 8 > 0, lambda: _exif_of_webp(data), _none)
        return _on_white(pixels), place

    def other():
        known = tf.debugging.Assert(
            False, ["An image is neither JPEG nor PNG nor WebP: convert it to PNG. Bytes:", size]
        )
        with tf.control_dependencies([known]):
            return tf.zeros([1, 1, 3], tf.uint8), _none()

    pixels, place = tf.case([(is_jpeg, jpeg), (is_png, png), (is_webp, webp)], default=other, exclusive=True)
    pixels = tf.ensure_shape(pixels, [None, None, 3])
    orientation = tf.cond(place[0] >= 0, lambda: _orientation(data, place), lambda: tf.constant(1, tf.int64))
    return tf.cond(orientation > 1, lambda: _upright(pixels, orientation), lambda: pixels)


def resize_images(images: tf.Tensor, size: int) -> tf.Tensor:
    """Square images of another size, as `keras_mtl.photos.square_pixels` makes them.

    Pillow's antialiased bilinear resampling in whole numbers, along the rows first. All products and sums are whole
    numbers below 2^53, so float64 has them exactly, in whatever order they are added.

    Args:
        images: uint8, or any numeric dtype from 0 to 255, which is rounded first; [..., height, width, 3] with three
            or four dimensions.
        size: the new height and width in pixels.

    Returns:
        uint8 [..., size, size, 3].
    """
    if images.dtype != tf.uint8:
        images = tf.cast(tf.clip_by_value(tf.round(tf.cast(images, tf.float32)), 0, 255), tf.uint8)
    shape = tf.shape(images)
    height, width = shape[-3], shape[-2]
    rows = tf.reshape(images, [-1, width, 3])
    narrow = tf.transpose(_resampled(tf.transpose(rows, [1, 0, 2]), size), [1, 0, 2])
    columns = tf.transpose(tf.reshape(narrow, [-1, height, size * 3]), [1, 0, 2])
    square = tf.transpose(_resampled(columns, size), [1, 0, 2])
    return tf.reshape(square, tf.concat([shape[:-3], [size, size, 3]], 0))


def _resampled(pixels: tf.Tensor, size: int) -> tf.Tensor:
    """uint8 [length, n, m] to [size, n, m]: along the first axis."""
    length, count, rest = tf.unstack(tf.shape(pixels))
    seen, weights = _windows(length, size)
    # What the windows see is copied out in float64, so some of the n at a time; of small images all.
    step = tf.maximum(1, _AT_ONCE // (tf.size(seen) * rest))

    def some(part: tf.Tensor) -> tf.Tensor:
        here = tf.shape(part)[1]
        flat = tf.cast(tf.reshape(tf.gather(part, seen), [size, -1, here * rest]), tf.float64)
        return _rounded(tf.reshape(tf.matmul(weights[:, None], flat), [size, here, rest]))

    def in_parts() -> tf.Tensor:
        def one(first: tf.Tensor, done: tf.TensorArray):
            part = some(pixels[:, first : first + step])
            return first + step, done.write(first // step, tf.transpose(part, [1, 0, 2]))

        parts = tf.TensorArray(
            tf.uint8, (count + step - 1) // step, infer_shape=False, element_shape=[None, size, None]
        )
        _, parts = tf.while_loop(lambda first, _: first < count, one, (0, parts), parallel_iterations=1)
        return tf.transpose(parts.concat(), [1, 0, 2])

    return tf.cond(count <= step, lambda: some(pixels), in_parts)


def _windows(length: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Which of `length` pixels each of `size` sees, int32 [size, k], and their weights, whole float64 [size, k]."""
    one = tf.constant(1, tf.float64)
    scale = tf.cast(length, tf.float64) / size
    support = tf.maximum(scale, one)
    centre = (tf.range(size, dtype=tf.float64)[:, None] + 0.5) * scale
    first = tf.maximum(tf.floor(centre - support + 0.5), 0)
    place = first + tf.range(2 * tf.math.ceil(support) + 1)[None]
    within = place < tf.minimum(tf.floor(centre + support + 0.5), tf.cast(length, tf.float64))
    # As Pillow writes it (Resample.c, precompute_coeffs), so that float64 rounds alike.
    near = tf.where(within, tf.maximum(one - tf.abs((place - centre + 0.5) * (one / support)), 0), 0)
    weights = tf.floor(near / tf.reduce_sum(near, axis=1, keepdims=True) * 2**_BITS + 0.5)
    return tf.minimum(tf.cast(place, tf.int32), length - 1), weights


def _rounded(values: tf.Tensor) -> tf.Tensor:
    """Sums of pixels times whole weights, as pixels."""
    return tf.cast(tf.clip_by_value(tf.floor((values + 2 ** (_BITS - 1)) / 2**_BITS), 0, 255), tf.uint8)


def _on_white(coloured: tf.Tensor) -> tf.Tensor:
    """uint8 [..., 3 or 4] to [..., 3]."""

    def blend():
        colour, alpha = tf.cast(coloured[..., :3], tf.int32), tf.cast(coloured[..., 3:], tf.int32)
        return tf.cast((colour * alpha + 255 * (255 - alpha) + 127) // 255, tf.uint8)

    return tf.cond(tf.reduce_all(tf.equal(coloured[..., 3:], 255)), lambda: coloured[..., :3], blend)


def _upright(pixels: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turned as the Exif tag, 2 to 8, says."""

    def one_of(*values: int) -> tf.Tensor:
        return tf.reduce_any(tf.equal(orientation, tf.constant(values, tf.int64)))

    pixels = tf.cond(one_of(5, 6, 7, 8), lambda: tf.transpose(pixels, [1, 0, 2]), lambda: pixels)
    pixels = tf.cond(one_of(2, 3, 6, 7), lambda: tf.reverse(pixels, [1]), lambda: pixels)
    return tf.cond(one_of(3, 4, 7, 8), lambda: tf.reverse(pixels, [0]), lambda: pixels)


def _where_named(data: tf.Tensor, name: str, search) -> tf.Tensor:
    """What `search` finds; it is called only where the name is somewhere in the file, which is quickly known."""
    named = tf.strings.regex_full_match(data, rf"\C*{name}\C*")
    return tf.cond(named, lambda: search(data), _none)


def _none() -> tf.Tensor:
    """No place: as a function for `tf.cond`."""
    return tf.constant([-1, -1], tf.int64)


def _number(data: tf.Tensor, place: tf.Tensor, count: int, little: tf.Tensor | bool = False) -> tf.Tensor:
    """int64: the number of `count` bytes at a place, 0 where the file ends before."""
    there = tf.cast(tf.strings.length(data), tf.int64) >= place + count
    text = tf.strings.substr(data, tf.where(there, place, 0), tf.where(there, tf.constant(count, tf.int64), 0))
    digits = tf.cast(tf.io.decode_raw(tf.where(there, text, "\0" * count), tf.uint8), tf.int64)
    digits = tf.where(little, tf.reverse(digits, [0]), digits)
    return tf.reduce_sum(digits * tf.constant([256**power for power in reversed(range(count))], tf.int64))


def _search(data: tf.Tensor, start: int, look) -> tf.Tensor:
    """Walks a file's pieces; int64 [2], where its Exif data begin and end, or `_none`.

    Args:
        data: the file.
        start: where the first piece begins.
        look: from a piece's place to the next one's, past the end of the file for the last, and `_search`'s result.
    """
    length = tf.cast(tf.strings.length(data), tf.int64)
    _, found = tf.while_loop(
        lambda place, found: (found[0] < 0) & (place + 4 <= length),
        lambda place, _: look(place, length),
        (tf.constant(start, tf.int64), _none()),
        parallel_iterations=1,
    )
    return found


def _if_found(condition: tf.Tensor, begin: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
    return tf.where(condition, tf.stack([begin, end]), _none())


def _exif_of_jpeg(data: tf.Tensor) -> tf.Tensor:
    def look(place, length):
        marker = _number(data, place, 2)
        size = _number(data, place + 2, 2)
        is_exif = (marker == 0xFFE1) & (_number(data, place + 4, 6) == int.from_bytes(b"Exif\0\0", "big"))
        # Filling bytes, and markers without a length.
        short = (marker < 0xFF01) | (marker == 0xFFFF)
        bare = (marker == 0xFF01) | ((marker >= 0xFFD0) & (marker <= 0xFFD8))
        step = tf.where(short, tf.constant(1, tf.int64), tf.where(bare, tf.constant(2, tf.int64), 2 + size))
        is_last = (marker == 0xFFDA) | (marker == 0xFFD9)
        return tf.where(is_last, length, place + step), _if_found(is_exif, place + 10, place + 2 + size)

    return _search(data, 2, look)


def _exif_of_png(data: tf.Tensor) -> tf.Tensor:
    def look(place, length):
        size = _number(data, place, 4)
        is_exif = _number(data, place + 4, 4) == int.from_bytes(b"eXIf", "big")
        return place + 12 + size, _if_found(is_exif, place + 8, place + 8 + size)

    return _search(data, 8, look)


def _exif_of_webp(data: tf.Tensor) -> tf.Tensor:
    def look(place, length):
        size = _number(data, place + 4, 4, little=True)
        is_exif = _number(data, place, 4) == int.from_bytes(b"EXIF", "big")
        named = _number(data, place + 8, 6) == int.from_bytes(b"Exif\0\0", "big")
        begin = tf.where(named, place + 14, place + 8)
        return place + 8 + size + size % 2, _if_found(is_exif, begin, place + 8 + size)

    return _search(data, 12, look)


def _orientation(data: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
    """int64: the tag in the first directory of the Exif data (TIFF 6.0, section 2), 1 where it isn't there."""
    begin, end = place[0], place[1]
    order = _number(data, begin, 2)
    little = order == 0x4949
    known = (little | (order == 0x4D4D)) & (_number(data, begin + 2, 2, little) == 42)
    directory = begin + _number(data, begin + 4, 4, little)
    count = tf.where(known & (directory + 2 <= end), _number(data, directory, 2, little), 0)

    def look(i, found):
        entry = directory + 2 + 12 * i
        kind = _number(data, entry + 2, 2, little)
        value = tf.where(kind == 3, _number(data, entry + 8, 2, little), _number(data, entry + 8, 4, little))
        fits = (_number(data, entry, 2, little) == _ORIENTATION) & ((kind == 3) | (kind == 4))
        return i + 1, tf.where(fits & (_number(data, entry + 4, 4, little) == 1), value, found)

    _, found = tf.while_loop(
        lambda i, _: (i < count) & (directory + 14 + 12 * i <= end),
        look,
        (tf.constant(0, tf.int64), tf.constant(1, tf.int64)),
        parallel_iterations=1,
    )
    return tf.where((found >= 1) & (found <= 8), found, 1)
