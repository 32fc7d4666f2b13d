"""Photo files as models and detectors take them: found, decoded, upright."""

from __future__ import annotations

import io
import struct
import warnings
import zlib

import numpy as np
import PIL.Image
import PIL.ImageOps

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""What is read; Pillow reads more, some of it by programs outside."""
MAX_PIXELS = 178_956_970
"""Half a gigabyte as RGB; Pillow itself opens no larger one."""
# Said of photos near the limit, and of damaged ones: what is wrong is told by an error. Here, and not where photos are
# opened, since filters can't be changed by several threads at once.
warnings.filterwarnings("ignore", category=PIL.Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\..*")
ORIENTATION = 0x0112
"""The Exif tag that says how the camera was held; 1 is upright."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")


class TooLarge(ValueError):
    """A photo with more pixels than are taken."""


def decode_photo(data: bytes, max_pixels: int = MAX_PIXELS) -> PIL.Image.Image:
    """An encoded photo as an RGB image, upright.

    Of an animation the first picture is taken, transparency lies on white, and 16 bits are brought to 8.

    Args:
        data: a file in one of `FORMATS`.
        max_pixels: height times width, at most; checked before anything is decoded.

    Raises:
        TooLarge: it has more pixels.
        OSError, ValueError: it is damaged or no image; the message goes on from "photo.jpg: ".
    """
    try:
        with PIL.Image.open(io.BytesIO(data), formats=FORMATS) as photo:
            if photo.width * photo.height > max_pixels:
                raise TooLarge(
                    f"has {photo.width:,} x {photo.height:,} pixels; at most {max_pixels / 1e6:g} million are taken"
                )
            # Asked first, since Pillow copies what is upright already.
            turned = photo.getexif().get(ORIENTATION, 1) != 1
            return _rgb(PIL.ImageOps.exif_transpose(photo) if turned else photo)
    except PIL.UnidentifiedImageError:
        raise ValueError("is no image, or of a kind that is not read") from None
    except PIL.Image.DecompressionBombError:
        raise TooLarge(f"has far too many pixels; at most {max_pixels / 1e6:g} million are taken") from None
    except (SyntaxError, EOFError, struct.error, zlib.error, IndexError, KeyError, TypeError, OverflowError) as error:
        # What Pillow's readers raise for damaged files.
        raise ValueError(f"is damaged: {error}") from None


def square_pixels(photo: PIL.Image.Image, size: int) -> np.ndarray:
    """An RGB photo as a model takes it: uint8 [size, size, 3], squeezed where it isn't square.

    By antialiased bilinear resampling, as in training and in the exported graph; it differs from theirs by at most a
    grey level or two, since Pillow rounds between its two passes.
    """
    return np.asarray(photo.resize((size, size), PIL.Image.Resampling.BILINEAR))


def _rgb(photo: PIL.Image.Image) -> PIL.Image.Image:
    """An opened photo in RGB, which needs its file no more."""
    if photo.mode.startswith("I") or photo.mode == "F":
        values = np.asarray(photo, np.float32)
        # 32 bits are 16 bits in a larger box, unless they are used; floats are on one scale or the other.
        top = 255 if photo.mode == "F" and values.max(initial=0) <= 255 else 65535
        return PIL.Image.fromarray(np.round(np.clip(values, 0, top) * (255 / top)).astype(np.uint8)).convert("RGB")
    if photo.mode == "RGB" and "transparency" not in photo.info:
        photo.load()
        return photo
    if photo.has_transparency_data:
        coloured = photo.convert("RGBA")
        white = PIL.Image.new("RGBA", coloured.size, "white")
        white.alpha_composite(coloured)
        return white.convert("RGB")
    return photo.convert("RGB")
