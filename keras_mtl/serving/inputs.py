"""What is named on the command line, as photos and frames of videos, one after the other."""

from __future__ import annotations

import dataclasses
import glob
import os
import pathlib
import sys
from collections.abc import Iterator, Sequence

import PIL.Image

from keras_mtl.errors import UserError
from keras_mtl.files import printable, visible_files
from keras_mtl.photos import SUFFIXES

VIDEOS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm")
STDIN = "-"


@dataclasses.dataclass(frozen=True)
class Shot:
    """A photo to be read, or a frame of a video.

    Args:
        image: the file's path.
        seconds: where in a video; None for a photo.
        frame: of a video; None for a photo, which is read when its turn comes.
    """

    image: str
    seconds: float | None = None
    frame: PIL.Image.Image | None = None

    @property
    def name(self) -> str:
        """The file's path as text."""
        return printable(self.image)

    @property
    def key(self) -> tuple[str, float | None]:
        """What tells it from all others."""
        return self.name, self.seconds

    @property
    def told(self) -> dict:
        """What its predictions say of it."""
        return {"image": self.name} if self.seconds is None else {"image": self.name, "seconds": self.seconds}


def find_files(arguments: Sequence[str], recursive: bool = False) -> list[str]:
    """The files that arguments name, each once, in their order.

    Args:
        arguments: files; folders, whose photos and videos are taken in order of name, but hidden ones; patterns with
            *, ? or **; and "-" for names on stdin, one a line.
        recursive: whether to look into folders in folders.

    Raises:
        UserError: nothing is named, a folder holds nothing to read, or a pattern fits nothing.
    """
    if not arguments:
        raise UserError("No photo given: name image files or folders behind the flags (see --help)")
    found: list[str] = []
    for argument in arguments:
        if argument == STDIN:
            found += [os.fsdecode(line.rstrip(b"\r\n")) for line in sys.stdin.buffer if line.strip()]
        elif os.path.isdir(argument):
            found += _in_folder(pathlib.Path(argument), recursive)
        elif glob.has_magic(argument) and not os.path.exists(argument):
            matching = [path for path in sorted(glob.glob(argument, recursive=True)) if pathlib.Path(path).is_file()]
            if not matching:
                raise UserError(f"No file is named like {argument!r}")
            found += matching
        else:
            found.append(argument)
    if not found:
        raise UserError("No photo given: stdin names none")
    return list(dict.fromkeys(found))


def shots(files: Sequence[str], every_seconds: float) -> Iterator[Shot]:
    """Photos as they are named, and frames of videos, `every_seconds` apart."""
    for file in files:
        if pathlib.Path(file).suffix.lower() not in VIDEOS:
            yield Shot(file)
            continue
        # Here and not above: OpenCV takes a while to import.
        from keras_mtl.serving.video import frames

        try:
            for seconds, frame in frames(file, every_seconds):
                yield Shot(file, seconds, frame)
        except OSError:
            yield Shot(file)  # Reading it tells what is wrong.


def _in_folder(folder: pathlib.Path, recursive: bool) -> list[str]:
    names = [name for name in visible_files(folder, recursive) if name.lower().endswith((*SUFFIXES, *VIDEOS))]
    found = [str(folder / name) for name in names if (folder / name).is_file()]
    if not found:
        below = "" if recursive else "; folders in it are looked into with --recursive"
        raise UserError(f"Folder {folder} holds no image file ({', '.join(SUFFIXES)}){below}")
    return found
