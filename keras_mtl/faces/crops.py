"""From an encoded photo to the crop of its face: what prepare, predict and the server have in common."""

from __future__ import annotations

import dataclasses
import io

from keras_mtl.faces.align import align
from keras_mtl.faces.detect import AUTO, Detector, Face
from keras_mtl.photos import decode_photo

SIZE, MARGIN, SEVERAL = 224, 0.0, ("largest", "skip")
_QUALITY = 95


@dataclasses.dataclass(frozen=True)
class Cropping:
    """How faces are cropped.

    Args:
        size: height and width of a crop in pixels.
        margin: as for `align`.
        several: of several faces take the "largest", or "skip" the photo.
        detector: which finds them, as for `choose_detector`.
    """

    size: int = SIZE
    margin: float = MARGIN
    several: str = SEVERAL[0]
    detector: str = AUTO


def crop_face(photo: bytes, detect: Detector, cropping: Cropping) -> tuple[list[Face], bytes | None]:
    """The faces of a photo, and the aligned crop of one.

    Args:
        photo: an image file's bytes; a camera's orientation tag is followed.
        detect: as from `load_detector`.
        cropping: how.

    Returns:
        All faces, the largest first, in pixels of the upright photo; and the crop as JPEG, None where there is no
        face, or where there are several and those are skipped.

    Raises:
        OSError, ValueError: the photo is damaged, no image or too large, or the face's points give no crop.
    """
    image = decode_photo(photo)
    faces = detect(image)
    if not faces or (len(faces) > 1 and cropping.several == "skip"):
        return faces, None
    encoded = io.BytesIO()
    crop = align(image, faces[0].points, cropping.size, cropping.margin, detect.template)
    # Colours at full resolution: a crop is small, and read far more often than written.
    crop.save(encoded, "JPEG", quality=_QUALITY, subsampling=0)
    return faces, encoded.getvalue()
