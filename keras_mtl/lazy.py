"""Names of a package that are imported when first used, so that importing the package costs nothing."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping


def lazy_names(package: str, where: Mapping[str, str]) -> Callable[[str], object]:
    """A package's `__getattr__` (PEP 562).

    Args:
        package: the package's `__name__`.
        where: for each public name, the module that defines it.

    Example:
        >>> __getattr__ = lazy_names("keras_mtl", {"Task": "keras_mtl.tasks"})
        >>> __getattr__("Task").__name__
        'Task'
    """

    def get(name: str) -> object:
        if name not in where:
            raise AttributeError(f"module {package!r} has no attribute {name!r}; it has {', '.join(sorted(where))}")
        return getattr(importlib.import_module(where[name]), name)

    return get
