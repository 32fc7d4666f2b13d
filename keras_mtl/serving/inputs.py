"""What is named on the command line, as photos and frames of videos, one after the other."""

from __future__ import annotations

import dataclasses
import fnmatch
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
LONGEST_NAME = 1 << 16


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
            found += _on_stdin()
        elif os.path.isdir(argument):
            found += _in_folder(pathlib.Path(argument), recursive)
        elif glob.has_magic(argument) and not os.path.exists(argument):
            matching = _like(argument)
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


def _on_stdin() -> Iterator[str]:
    for line in iter(lambda: sys.stdin.buffer.readline(LONGEST_NAME), b""):
        if len(line) == LONGEST_NAME:
            raise UserError(f"A line on stdin has {LONGEST_NAME:,} bytes or more: names of files are expected there")
        if line.strip():
            yield os.fsdecode(line.rstrip(b"\r\n"))


def _like(pattern: str) -> list[str]:
    """The files that fit a pattern. ** looks into folders as `visible_files` does, since links may lead in circles."""
    parts = pattern.split(os.sep)
    if "**" not in parts:
        return sorted(path for path in glob.iglob(pattern) if os.path.isfile(path))
    head, rest = os.sep.join(parts[: parts.index("**")]), parts[parts.index("**") :]
    start = head + os.sep if head or pattern.startswith(os.sep) else ""
    folders = glob.glob(start) if glob.has_magic(head) else [start]
    found = [
        folder + name for folder in folders for name in visible_files(folder or ".") if _fits(name.split(os.sep), rest)
    ]
    return sorted(path for path in found if os.path.isfile(path))


def _fits(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a path fits a pattern, both in their parts; ** is any number of folders, the file's name too at last."""
    if not pattern or not parts:
        return not parts and all(part == "**" for part in pattern)
    if pattern[0] == "**":
        return _fits(parts, pattern[1:]) or _fits(parts[1:], pattern)
    return fnmatch.fnmatchcase(parts[0], pattern[0]) and _fits(parts[1:], pattern[1:])


def _in_folder(folder: pathlib.Path, recursive: bool) -> list[str]:
    names = [name for name in visible_files(folder, recursive) if name.lower().endswith((*SUFFIXES, *VIDEOS))]
    found = [str(folder / name) for name in names if (folder / name).is_file()]
    if not found:
        below = "" if recursive else "; folders in it are looked into with --recursive"
        raise UserError(f"Folder {folder} holds no image file ({', '.join(SUFFIXES)}){below}")
    return found
