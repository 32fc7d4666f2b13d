"""What every backend offers: one model of an export, called with images of its own size."""

from __future__ import annotations

import abc
import importlib.util
import pathlib

import numpy as np

from keras_mtl.errors import UserError
from keras_mtl.serving.description import Damaged, check_files
from keras_mtl.serving.formats import FORMATS


class Backend(abc.ABC):
    """Runs one exported model; it may be called from several threads at once.

    A backend is a subclass in a file of its own, listed in `BACKENDS`. All give the same numbers, within the precision
    of their formats.

    Args:
        folder: the version's folder.
        name: the backend's name; but for "tensorflow" the name of the format whose file it reads.
        threads: how many cores one call may use; 0 for all.

    Raises:
        UserError: the package that it needs isn't installed, or the export lacks its file, or is `Damaged`.
    """

    def __init__(self, folder: pathlib.Path, name: str, threads: int = 0):
        self.name = name
        check_files(folder, name)
        try:
            self.load(folder, threads)
        except (UserError, MemoryError):
            raise
        except Exception as error:  # Each runtime has its own for a damaged file.
            words = " ".join(str(error).split())[:200] or type(error).__name__
            raise Damaged(folder, f"{name} can't load it: {words}") from None

    @abc.abstractmethod
    def load(self, folder: pathlib.Path, threads: int) -> None:
        """Reads the model."""

    @abc.abstractmethod
    def predict(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """The numeric outputs of the signatures (see `export_model`) for uint8 [n, size, size, 3], n at least 1."""


def need(package: str, name: str) -> None:
    """Raises UserError where the package of a backend isn't installed."""
    if importlib.util.find_spec(package) is None:
        raise UserError(f"Backend {name!r} needs the package {package}: pip install 'keras_mtl[formats]'")


def find(folder: pathlib.Path, name: str) -> pathlib.Path:
    """The file of a format. Raises UserError where the export lacks it."""
    path = folder / FORMATS[name].file
    if not path.is_file():
        raise UserError(f"Export {folder} has no {name}: python -m keras_mtl.export --run=runs/NAME --formats={name}")
    return path
