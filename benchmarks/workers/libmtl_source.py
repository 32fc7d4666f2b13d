"""LibMTL's weightings out of a clone of its repository, whose folder the variable LIBMTL names."""

from __future__ import annotations

import importlib
import os
import pathlib
import sys
import types

import numpy as np
import torch


def libmtl_class(name: str) -> type:
    """A class of LibMTL/weighting, without the package's own imports: they need more than the weightings do."""
    folder = pathlib.Path(os.environ["LIBMTL"]) / "LibMTL"
    for package, path in (("LibMTL", folder), ("LibMTL.weighting", folder / "weighting")):
        if package not in sys.modules:
            sys.modules[package] = types.ModuleType(package)
            sys.modules[package].__path__ = [str(path)]
    # Two functions that torch and numpy have dropped since.
    if not hasattr(np, "alltrue"):
        np.alltrue = np.all
    torch.symeig = lambda matrix, eigenvectors: torch.linalg.eigh(matrix)
    file = {"IMTL_L": "IMTL"}.get(name, name)
    return getattr(importlib.import_module(f"LibMTL.weighting.{file}"), file)
