"""TensorFlow without its lines about the machine."""

from __future__ import annotations

import importlib
import os
import types


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
