"""From shots to the images that a model sees: decoded, faces found, some ahead of their turn."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import PIL.Image

from keras_mtl.cores import count_cores
from keras_mtl.faces.align import align
from keras_mtl.faces.crops import SIZE
from keras_mtl.faces.detect import Detector
from keras_mtl.files import read_bytes
from keras_mtl.photos import decode_photo
from keras_mtl.serving.inputs import Shot

FACES = ("largest", "all")


@dataclasses.dataclass
class Look:
    """A shot as it was read.

    Attributes:
        shot: what was read.
        photo: the whole of it; None where it can't be read, or after nobody needs it.
        images: what the model is to see: the whole photo, or its faces.
        told: for each image what its prediction says of it besides.
        error: why there is no image; empty where there is one.
    """

    shot: Shot
    photo: PIL.Image.Image | None = None
    images: list[PIL.Image.Image] = dataclasses.field(default_factory=list)
    told: list[dict] = dataclasses.field(default_factory=list)
    error: str = ""


Reader = Callable[[Shot], Look]


def read_whole(shot: Shot) -> Look:
    """A shot as it is."""
    return _guarded(shot, lambda photo: ([photo], [{}]))


def face_reader(margin: float, faces: str, detect: Detector) -> Reader:
    """Reads the faces of a shot, aligned by the code that `keras_mtl.prepare` crops with.

    Each face is told as `face` (1 for the largest), `faces` (their number) and `box` (left, top, right and bottom in
    pixels of the upright photo).

    Args:
        margin: as for `align`.
        faces: the "largest" of a photo, or "all".
        detect: finds them.
    """

    def crop(photo: PIL.Image.Image) -> tuple[list[PIL.Image.Image], list[dict]]:
        found = detect(photo)
        if not found:
            raise ValueError("no face is found")
        chosen = found if faces == "all" else found[:1]
        told = [
            {"face": number, "faces": len(found), "box": [round(side) for side in face.box]}
            for number, face in enumerate(chosen, 1)
        ]
        return [align(photo, face.points, SIZE, margin, detect.template) for face in chosen], told

    return lambda shot: _guarded(shot, crop)


def read_ahead(shots: Iterable[Shot], read: Reader) -> Iterator[Look]:
    """Reads shots in threads, a few ahead of the one that is asked for; they come in their own order."""
    workers = count_cores()
    waiting: collections.deque[Future[Look]] = collections.deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for shot in shots:
                waiting.append(pool.submit(read, shot))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _guarded(shot: Shot, see: Callable[[PIL.Image.Image], tuple[list[PIL.Image.Image], list[dict]]]) -> Look:
    photo = shot.frame
    try:
        if photo is None:
            photo = decode_photo(read_bytes(shot.image))
        images, told = see(photo)
    except (OSError, ValueError) as error:
        return Look(shot, photo, error=(getattr(error, "strerror", None) or str(error)).splitlines()[0])
    return Look(shot, photo, images, told)
