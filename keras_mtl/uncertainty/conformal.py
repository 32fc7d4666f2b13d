"""Split-conformal intervals for regressions: how far a label may lie from the prediction, at a declared level.

Papadopoulos, Proedrou, Vovk and Gammerman, Inductive Confidence Machines for Regression, 2002, section 3; Lei,
G'Sell, Rinaldo, Tibshirani and Wasserman, Journal of the American Statistical Association 113, 2018, algorithm 2:
of n absolute errors on images that the net wasn't trained on, the k-th smallest, k = ceil((n + 1) level). The label of
a new image lies that near with a probability of `level` or more, if it might as well have been one of the n: on other
photos the coverage is another. Validation images, which also chose the epoch, let it fall a little short.
"""

from __future__ import annotations

import math

import numpy as np

LEVEL = 0.9


def fewest_images(level: float = LEVEL) -> int:
    """How many labelled images an interval of finite width needs at least."""
    return math.ceil(level / (1 - level) - 1e-9)


def half_width(labels: np.ndarray, predictions: np.ndarray, level: float = LEVEL) -> float:
    """How far around a prediction its interval reaches, in the task's unit; infinite with fewer than `fewest_images`.

    Args:
        labels, predictions: float [N], of images that the net was not trained on.
        level: the share of labels that the intervals are to hold, between 0 and 1.

    Raises:
        ValueError: lengths that differ, or a level out of range.
    """
    from crepes import ConformalRegressor

    if len(labels) != len(predictions):
        raise ValueError(f"Needs one prediction for each label: got {len(labels)} labels, {len(predictions)} predicted")
    if not 0 < level < 1:
        raise ValueError(f"Needs a level between 0 and 1. Received: {level}")
    if len(labels) < fewest_images(level):
        return math.inf
    # crepes takes the int() of (1 - level) (n + 1): 0.1 * 10 must not be 0.9999.
    lower = math.nextafter(level, 0) - 1e-12
    fitted = ConformalRegressor().fit(np.asarray(labels, np.float64) - np.asarray(predictions, np.float64))
    return float(fitted.predict_int(np.zeros(1), confidence=lower)[0, 1])


def covers(labels: np.ndarray, predictions: np.ndarray, half: float) -> np.ndarray:
    """Whether each label lies in its interval, bool [N]; a task's range, where intervals are cut, holds all labels."""
    return np.abs(labels - predictions) <= half


def wilson(share: float, images: int, confidence: float = 0.95) -> tuple[float, float]:
    """The score interval of a share of so many images (Wilson, JASA 22, 1927).

    Example:
        >>> [round(end, 3) for end in wilson(0.9, 10)]
        [0.596, 0.982]
    """
    from scipy.stats import norm

    z = float(norm.ppf((1 + confidence) / 2))
    middle = share + z**2 / (2 * images)
    reach = z * math.sqrt(share * (1 - share) / images + z**2 / (4 * images**2))
    low, high = ((middle + end) / (1 + z**2 / images) for end in (-reach, reach))
    return max(0.0, low), min(1.0, high)
