"""Numbered versions of an exported model: `<name>/1`, `<name>/2`, …, the layout that TensorFlow Serving watches."""

from __future__ import annotations

import logging
import os
import pathlib
from collections.abc import Callable

from keras_mtl.errors import UserError
from keras_mtl.scratch import scratch, sync

log = logging.getLogger(__name__)

MODEL_FILE = "saved_model.pb"
# What the outputs mean; in the folder that TensorFlow leaves to others.
DESCRIPTION_FILE = "assets.extra/tasks.json"
FORMATS_FOLDER = "formats"
"""The folder, in a version's folder, of the other formats' files."""
FORMAT = 2
"""Of that file, and of the outputs it tells of."""


def versions(folder: str | pathlib.Path) -> list[int]:
    """The version numbers in a model's folder, in rising order; none where there is no such folder."""
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        return []
    return sorted(int(entry.name) for entry in folder.iterdir() if entry.name.isdecimal() and entry.is_dir())


def is_version(folder: pathlib.Path) -> bool:
    """Whether a folder holds an export, be it a damaged one."""
    return any((folder / name).is_file() for name in (MODEL_FILE, DESCRIPTION_FILE))


def resolve(path: str | pathlib.Path) -> pathlib.Path:
    """The folder of a SavedModel: `path` itself if it is one, else its newest version.

    Raises:
        UserError: there is no SavedModel at `path`.
    """
    path = pathlib.Path(path)
    for folder in (path, *(path / str(version) for version in reversed(versions(path)))):
        if (folder / MODEL_FILE).is_file():
            return folder
        if is_version(folder):
            log.warning("%s is passed over: it has no %s; export its run again", folder, MODEL_FILE)
    found = "there is no such folder" if not path.exists() else f"it holds no {MODEL_FILE} and no version with one"
    raise UserError(f"No exported model at {path}: {found}. Export one: python -m keras_mtl.export --run=runs/NAME")


def add_version(folder: str | pathlib.Path, write: Callable[[pathlib.Path], None]) -> pathlib.Path:
    """Writes the next version, whole or not at all.

    Exports that run at once get different numbers, since a rename onto a folder that holds something fails.

    Args:
        folder: the model's folder; it is made if need be.
        write: called with the path of a folder to make and fill.

    Returns:
        The version's folder. After an exception nothing is left behind.
    """
    folder = pathlib.Path(folder)
    with scratch(folder) as place:
        beside = place / "version"
        write(beside)
        sync(beside)
        version = max(versions(folder), default=0) + 1
        while True:
            final = folder / str(version)
            try:
                os.rename(beside, final)
                return final
            except OSError:
                if not final.exists():
                    raise
                version += 1
