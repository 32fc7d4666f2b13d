"""Frames of a video."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import cv2
import PIL.Image

from keras_mtl.files import check_file


def frames(path: str | pathlib.Path, every_seconds: float) -> Iterator[tuple[float, PIL.Image.Image]]:
    """Frames of a video as (seconds from its start, RGB image): the first, and then the first of each interval.

    Args:
        path: the file; what can be read depends on how OpenCV was built, H.264 in MP4 for one.
        every_seconds: the length of an interval, 0 for all frames.

    Raises:
        OSError: it can't be opened, or holds no frame.
    """
    check_file(path)  # OpenCV would open addresses and patterns too.
    video = cv2.VideoCapture(str(path))
    try:
        rate = video.get(cv2.CAP_PROP_FPS) or 25.0
        number, due, given = 0, 0.0, 0
        # Frames in between are only skimmed.
        while video.grab():
            seconds = number / rate
            number += 1
            if seconds + 1e-9 < due:
                continue
            shown, pixels = video.retrieve()
            if not shown:
                continue
            due += every_seconds
            given += 1
            yield round(seconds, 3), PIL.Image.fromarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
        if not given:
            raise OSError("is no video that can be read")
    finally:
        video.release()
