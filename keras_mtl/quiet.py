"""TensorFlow without its lines about the machine."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import sys
import types
from collections.abc import Iterator


@contextlib.contextmanager
def _quickly() -> Iterator[None]:
    """Around the first import of TensorFlow, and Keras with it, in a command: it then takes two thirds of the time.

    Keras imports scikit-learn wherever it finds it, for wrappers of models that no command uses; and of what imports
    make there is nothing for the garbage collector to find, which looks through it again and again.
    """
    hidden, collecting = "sklearn" not in sys.modules, gc.isenabled()
    if hidden:
        sys.modules["sklearn"] = None  # type: ignore[assignment]  # To an import: "not installed".
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
        if hidden:
            del sys.modules["sklearn"]


@_quickly()
def import_tensorflow() -> types.ModuleType:
    """Imports TensorFlow without its lines about the machine on every start, and its advice to programmers.

    What it raises is still raised, and TF_CPP_MIN_LOG_LEVEL=0 brings all of its lines back.
    """
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") == "0":
        return importlib.import_module("tensorflow")
    # Some lines are written before TensorFlow has read its log level: only the file descriptor stops those.
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        tensorflow = importlib.import_module("tensorflow")
        tensorflow.get_logger().setLevel("ERROR")
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
    return tensorflow
