"""What an estimate rests on: how far it changes where a part of the image is covered.

Occlusion sensitivity, Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks" (arXiv:1311.2901),
section 4.2. It asks nothing but the model's outputs, so it is the same for every head, trunk and backend. Grad-CAM
(arXiv:1610.02391) would have no more places than the last feature map: 2 x 2 of an image of 64 pixels.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from keras_mtl.kinds import Kind

SIDE = 0.25
"""The width and height of a cover, as a share of the image's."""
PLACES = 7
"""Covers along each side, at even distances from one edge to the other."""


def covered(image: np.ndarray) -> np.ndarray:
    """An image, and copies of it with a part covered by its mean colour.

    Args:
        image: uint8 [size, size, 3].

    Returns:
        uint8 [1 + PLACES ** 2, size, size, 3]: as it is, and covered from the upper left on, row by row.
    """
    size = len(image)
    width = max(1, round(SIDE * size))
    starts = np.linspace(0, size - width, PLACES).round().astype(int)
    copies = np.repeat(image[None], 1 + PLACES**2, axis=0)
    mean = image.mean((0, 1)).round().astype(np.uint8)
    for number, (top, left) in enumerate(np.stack(np.meshgrid(starts, starts, indexing="ij"), -1).reshape(-1, 2), 1):
        copies[number, top : top + width, left : left + width] = mean
    return copies


def changes(kinds: Mapping[str, Kind], outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """By task, how far the estimate falls where a part is covered; below 0 it rises.

    Args:
        kinds: the tasks' kinds by name, as `ExportedModel.kinds`.
        outputs: of the images that `covered` gives.

    Returns:
        float64 [PLACES, PLACES] each: of a regression in the task's unit, of classes of the probability, 0 to 1, of
        the class that is the likeliest with nothing covered.

    Example:
        >>> from keras_mtl.kinds import kind_of
        >>> from keras_mtl.tasks import Task
        >>> outputs = {"smile": np.array([[0.1, 0.9]] + [[0.4, 0.6]] * 49)}
        >>> changes({"smile": kind_of(Task("smile", "binary", classes=("no", "yes")))}, outputs)["smile"][0, 0].round(3)
        0.3
    """
    values = {name: kind.scores(outputs[name]) for name, kind in kinds.items()}
    return {name: (of[0] - of[1:]).reshape(PLACES, PLACES) for name, of in values.items()}
