"""What every backend offers: one model of an export, called with images of its own size."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import ClassVar

import numpy as np


class Backend:
    """Runs one exported model. A backend is a subclass in a file of its own, listed in `BACKENDS`.

    It may be called from several threads at once.

    Args:
        folder: the version's folder.
        description: what its `assets.extra/tasks.json` says.
        threads: how many cores one call may use; 0 for all.

    Raises:
        UserError: the package that it needs isn't installed, or the export lacks its file.
    """

    name: ClassVar[str] = ""

    def __init__(self, folder: pathlib.Path, description: Mapping, threads: int = 0):
        raise NotImplementedError

    def predict(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """The numeric outputs of the signatures (see `export_model`) for uint8 [n, size, size, 3], n at least 1."""
        raise NotImplementedError
