"""Folders to make something in, which go with what was half made, however their process ends."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import secrets
import shutil
from collections.abc import Iterator

from keras_mtl.locks import LOCK, Taken, locked

_SCRATCH, _REPLACED = ".writing-", ".replaced"
_TOKEN = re.compile(rf"{re.escape(_SCRATCH)}[0-9a-f]{{8}}")
_swept: set[str] = set()  # Folders that this process has looked through: once is enough, and they may hold much.


@contextlib.contextmanager
def scratch(folder: str | pathlib.Path) -> Iterator[pathlib.Path]:
    """An empty folder in `folder`, on the same file system, to make something in; it goes when the block ends.

    What killed processes left of theirs is swept first. A lock tells them from the living, here and on other machines;
    on a file system without locks all of them stay.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if (known := str(folder.resolve())) not in _swept:
        _swept.add(known)
        _sweep(folder)
    place = folder / f"{_SCRATCH}{secrets.token_hex(4)}"
    try:
        with locked(place / LOCK, wait=True):  # Whoever sweeps just now gives it back at once, and it is made anew.
            try:
                yield place
            finally:
                shutil.rmtree(place, ignore_errors=True)
    finally:
        with contextlib.suppress(OSError):  # It is there where the lock could not be made.
            place.rmdir()


def move(made: pathlib.Path, target: pathlib.Path) -> None:
    """Moves what was made in a scratch folder to the folder above it; what is there is replaced."""
    if made.is_dir() and target.is_dir():
        # No folder can be renamed onto one that holds something. Who is killed between the two is helped by `_sweep`.
        (made.parent / _REPLACED).mkdir()
        target.rename(made.parent / _REPLACED / target.name)
    made.replace(target)


def _sweep(folder: pathlib.Path) -> None:
    for left in [pathlib.Path(entry) for entry in os.scandir(folder) if entry.name.startswith(_SCRATCH)]:
        if not (left / LOCK).exists() and not _TOKEN.fullmatch(left.name):
            continue  # Of before there were locks.
        with contextlib.suppress(Taken, OSError), locked(left / LOCK) as file:  # Another user's may be out of reach.
            if file is None:
                continue
            for old in left.glob(f"{_REPLACED}/*"):
                if not (folder / old.name).exists():
                    (left / old.name).rename(folder / old.name)
            shutil.rmtree(left, ignore_errors=True)


def is_unused(folder: str | pathlib.Path) -> bool:
    """Whether a folder holds nothing but what a killed command left behind."""
    return all(map(is_passing, os.listdir(folder)))


def is_passing(name: str) -> bool:
    """Whether a file or folder of this name goes with the command that makes it: a lock, or what is half made."""
    return name.startswith((_SCRATCH, LOCK))


def sync(path: pathlib.Path) -> None:
    """Waits until a file, or all files in a folder, are on the disk."""
    for one in path.rglob("*") if path.is_dir() else [path]:
        if one.is_file():
            with open(one, "rb") as file:
                os.fsync(file.fileno())
