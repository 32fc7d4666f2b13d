"""Photo files as models and detectors take them: found, read, upright."""

from __future__ import annotations

import io
import pathlib
from collections.abc import Sequence

import numpy as np
import PIL.Image
import PIL.ImageOps

from keras_mtl.errors import UserError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
# The Exif tag that says how the camera was held; 1 is upright.
ORIENTATION = 0x0112


def find_photos(paths: Sequence[str]) -> list[str]:
    """Files as given, and each folder's image files in order of name.

    Raises:
        UserError: no path, or a folder without an image file.
    """
    if not paths:
        raise UserError("No photo given: name image files or folders behind the flags (see --help)")
    photos: list[str] = []
    for path in map(pathlib.Path, paths):
        if not path.is_dir():
            photos.append(str(path))
            continue
        found = sorted(str(file) for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
        if not found:
            raise UserError(f"Folder {path} holds no image file ({', '.join(SUFFIXES)})")
        photos += found
    return photos


def read_photo(path: str | pathlib.Path) -> bytes:
    """A photo as JPEG or PNG, upright.

    TensorFlow ignores the camera's orientation tag and reads fewer formats than Pillow: such a photo is encoded
    anew, without loss. Any other is returned as it is.

    Raises:
        OSError, ValueError: it can't be read, is no image, or would take too much memory.
    """
    data = pathlib.Path(path).read_bytes()
    with _opened(data) as photo:
        upright = photo.getexif().get(ORIENTATION, 1) == 1
        if upright and photo.format in ("JPEG", "PNG") and photo.mode != "CMYK":
            return data
        encoded = io.BytesIO()
        _upright(photo).save(encoded, "PNG", compress_level=1)
        return encoded.getvalue()


def decode_photo(data: bytes) -> PIL.Image.Image:
    """An encoded photo as an RGB image, upright.

    Raises:
        OSError, ValueError: it is damaged, no image, or would take too much memory.
    """
    with _opened(data) as photo:
        return _upright(photo)


def square_pixels(photo: PIL.Image.Image, size: int) -> np.ndarray:
    """An RGB photo as a model takes it: uint8 [size, size, 3], squeezed where it isn't square.

    By antialiased bilinear resampling, as in training and in the exported graph; it differs from theirs by at most a
    grey level or two, since Pillow rounds between its two passes.
    """
    return np.asarray(photo.resize((size, size), PIL.Image.Resampling.BILINEAR))


def _opened(data: bytes) -> PIL.Image.Image:
    try:
        return PIL.Image.open(io.BytesIO(data))
    except PIL.UnidentifiedImageError:
        raise ValueError("is no image") from None
    except PIL.Image.DecompressionBombError as error:
        raise ValueError(str(error)) from None


def _upright(photo: PIL.Image.Image) -> PIL.Image.Image:
    try:
        return PIL.ImageOps.exif_transpose(photo).convert("RGB")
    except SyntaxError as error:  # So Pillow calls a damaged PNG.
        raise ValueError(f"is damaged: {error}") from None
