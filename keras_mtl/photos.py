"""Image files as models and detectors take them: found, decoded, upright. The one decoding of the whole package.

Training, evaluation, the audit, shards, faces, predict and the server all see the pixels of `decode_photo`, squeezed by
`square_pixels`. The exported graph, which can't call Pillow, does the same arithmetic (`serving.photo_graph`); what
TensorFlow can't decode to the same pixels is refused everywhere.
"""

from __future__ import annotations

import contextlib
import io
import struct
import warnings
import zlib
from collections.abc import Iterator

import numpy as np
import PIL.Image

DECODING = "photos-1"
"""Stands in fingerprints of decoded images: to be changed with what `decode_photo` and `square_pixels` make."""
FORMATS = ("JPEG", "PNG", "WEBP")
"""What is read; Pillow reads more, TensorFlow doesn't."""
MAX_PIXELS = 178_956_970
"""Half a gigabyte as RGB; Pillow itself opens no larger one."""
# Said of photos near the limit, and of damaged ones: what is wrong is told by an error. Here, and not where photos are
# opened, since filters can't be changed by several threads at once.
warnings.filterwarnings("ignore", category=PIL.Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\..*")
ORIENTATION = 0x0112
"""The Exif tag that says how the camera was held; 1 is upright."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".jp2", ".ppm")
"""Names of image files. Those of formats that aren't read are among them, so that they are told and not passed over."""
_BAND = 64
"""Rows of a transparent photo that are computed at a time: in wider numbers, all at once, memory runs short."""
_OTHERS = {
    "a GIF": (b"GIF8",),
    "a BMP": (b"BM",),
    "a TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "an AVIF or HEIC": tuple(b"\0\0\0" + bytes([length]) + b"ftyp" for length in range(16, 65, 4)),
    "a JPEG 2000": (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"),
    "a PPM": tuple(b"P%d" % number + gap for number in range(1, 7) for gap in (b"\n", b" ")),
}
_TRANSPOSED = {
    2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
    3: PIL.Image.Transpose.ROTATE_180,
    4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
    5: PIL.Image.Transpose.TRANSPOSE,
    6: PIL.Image.Transpose.ROTATE_270,
    7: PIL.Image.Transpose.TRANSVERSE,
    8: PIL.Image.Transpose.ROTATE_90,
}


class TooLarge(ValueError):
    """A photo with more pixels than are taken."""


def decode_photo(data: bytes, max_pixels: int = MAX_PIXELS) -> PIL.Image.Image:
    """An encoded photo as an RGB image, upright.

    Transparency lies on white, of 16 bits the upper 8 are taken. Colour profiles are not applied, nor is the one
    transparent colour that a PNG without palette may name where it has other than 8 bits.

    Args:
        data: a file in one of `FORMATS`.
        max_pixels: height times width, at most; checked before anything is decoded.

    Raises:
        TooLarge: it has more pixels.
        OSError, ValueError: it is damaged, an animated WebP, of another format or no image; the message goes on from
            "photo.jpg: ".
    """
    with _opened(data, max_pixels) as photo:
        # TensorFlow's decoder writes beyond its memory where this bit is set, however many pictures there are.
        if data[12:16] == b"VP8X" and data[20] & 2:
            raise ValueError("is an animated WebP, which is not read: keep one picture of it")
        if photo.format == "PNG" and data[25] in (0, 2) and data[24] != 8:
            # Pillow compares the one transparent colour with pixels that it has already brought to 8 bits.
            photo.info.pop("transparency", None)
        photo.load()
        method = _TRANSPOSED.get(_orientation(photo))
        upright = _rgb(photo)
        return upright if method is None else upright.transpose(method)


def photo_size(data: bytes, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Width and height of an encoded photo as its file has them, from its head alone. Raises as `decode_photo`."""
    with _opened(data, max_pixels) as photo:
        return photo.size


@contextlib.contextmanager
def _opened(data: bytes, max_pixels: int) -> Iterator[PIL.Image.Image]:
    try:
        with PIL.Image.open(io.BytesIO(data), formats=FORMATS) as photo:
            if photo.width * photo.height > max_pixels:
                raise TooLarge(
                    f"has {photo.width:,} x {photo.height:,} pixels; at most {max_pixels / 1e6:g} million are taken"
                )
            yield photo
    except PIL.UnidentifiedImageError:
        raise ValueError(_unread(data)) from None
    except PIL.Image.DecompressionBombError:
        raise TooLarge(f"has far too many pixels; at most {max_pixels / 1e6:g} million are taken") from None
    except (SyntaxError, EOFError, struct.error, zlib.error, IndexError, KeyError, TypeError, OverflowError) as error:
        # What Pillow's readers raise for damaged files.
        raise ValueError(f"is damaged: {error}") from None


def square_pixels(photo: PIL.Image.Image, size: int) -> np.ndarray:
    """An RGB photo as a model takes it: uint8 [size, size, 3], squeezed where it isn't square.

    By antialiased bilinear resampling, first along the rows, then along the columns, each rounded to whole levels.
    """
    # In two calls, since which comes first in one is another in each version of Pillow.
    narrow = photo.resize((size, photo.height), PIL.Image.Resampling.BILINEAR)
    return np.asarray(narrow.resize((size, size), PIL.Image.Resampling.BILINEAR))


def _unread(data: bytes) -> str:
    """Why no reader takes the file."""
    for name, starts in _OTHERS.items():
        if data.startswith(starts):
            return f"is {name}; JPEG, PNG and WebP are read: convert it to PNG"
    return "is empty" if not data else "is not an image that can be read"


def _orientation(photo: PIL.Image.Image) -> int:
    """The tag in the photo's Exif data; 1 where there is none, or none that makes sense.

    Pillow's own `getexif` would look for it in other places too, which the exported graph doesn't.
    """
    exif = PIL.Image.Exif()
    try:
        exif.load(photo.info.get("exif", b""))
        found = exif.get(ORIENTATION, 1)
    except (SyntaxError, EOFError, struct.error, IndexError, KeyError, TypeError, ValueError, OverflowError, OSError):
        return 1
    return found if isinstance(found, int) else 1


def _rgb(photo: PIL.Image.Image) -> PIL.Image.Image:
    """An opened photo in RGB, which needs its file no more."""
    if photo.mode.startswith("I"):  # 16 bits of grey
        return PIL.Image.fromarray((np.asarray(photo).astype(np.uint16) >> 8).astype(np.uint8)).convert("RGB")
    if photo.has_transparency_data:
        opaque = PIL.Image.new("RGB", photo.size)
        for top in range(0, photo.height, _BAND):
            band = photo.crop((0, top, photo.width, min(top + _BAND, photo.height))).convert("RGBA")
            coloured = np.asarray(band).astype(np.uint32)
            colour, alpha = coloured[..., :3], coloured[..., 3:]
            mixed = (colour * alpha + 255 * (255 - alpha) + 127) // 255
            opaque.paste(PIL.Image.fromarray(mixed.astype(np.uint8)), (0, top))
        return opaque
    return photo if photo.mode == "RGB" else photo.convert("RGB")
