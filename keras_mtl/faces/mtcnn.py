"""The detector MTCNN.

Kaipeng Zhang et al., "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks", 2016,
arXiv:1604.02878. The package `mtcnn` (https://github.com/ipazc/mtcnn, MIT) brings the weights in its wheel.
"""

from __future__ import annotations

import importlib.util
import threading

import numpy as np

from keras_mtl.faces.align import TEMPLATE
from keras_mtl.faces.detect import Detector
from keras_mtl.quiet import import_tensorflow


def is_installed() -> bool:
    """Whether the package is there; it is not imported."""
    return importlib.util.find_spec("mtcnn") is not None


def load() -> Detector:
    """MTCNN with its weights; it runs in TensorFlow, one photo at a time by all cores."""
    import_tensorflow()
    from mtcnn import MTCNN

    network, lock = MTCNN(), threading.Lock()

    def rows(pixels: np.ndarray) -> np.ndarray:
        with lock:
            # As arrays, since as JSON it rounds to whole pixels. Behind the image's number it has, as version 1.0
            # gives them, the points' x and then their y (its own docstring has them in pairs).
            found = np.asarray(network.detect_faces(pixels, output_type="numpy", box_format="xyxy"))
        # Where nothing is found, the array may have fewer columns.
        return found[:, 1:16] if found.ndim == 2 and found.shape[1] == 16 else np.zeros((0, 15))

    return Detector(rows, TEMPLATE, at_once=1)
