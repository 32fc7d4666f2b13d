"""The calibration error without the upward bias that few images give it.

A bin's gap between confidence and accuracy is measured on its images, so it is never 0, even where the true one is:
the plug-in error (Guo et al. 2017, equation 3) is biased upwards. The square of a gap has an unbiased estimate, the
mean over pairs of different images (Kumar, Liang and Ma, Verified Uncertainty Calibration, 2019, arXiv:1909.10155,
section 4, for confidences that vary within a bin; Ferro and Fricker, Quarterly Journal of the Royal Meteorological
Society 138, 2012, section 3, for the reliability term of the Brier score).
"""

from __future__ import annotations

import numpy as np

BINS = 15
"""How many bins of equal width, as Guo et al. take."""


def bin_of(confidence: np.ndarray, bins: int = BINS) -> np.ndarray:
    """The bin of each confidence, int64 [N], among `bins` of equal width from 0 to 1; one holds its upper end."""
    edges = np.linspace(0, 1, bins + 1)
    return np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)


def squared_calibration_error(
    labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray, bins: int = BINS
) -> np.ndarray:
    """The mean over images of their bin's squared gap (the L2 error's square), debiased: its mean is the true value.

    An image that is drawn twice makes no pair with itself, so that the resamples of a bootstrap lie about the figure
    and not above it.

    Args:
        labels: class indices, int [N].
        probabilities: float [N, K], rows summing to 1.
        weights: float64 [R, N], how much each image counts in each of R weightings.
        bins: how many, of equal width between 0 and 1.

    Returns:
        float64 [R], below 0 where the gaps are smaller than chance makes them; NaN where no bin has two images.
    """
    confidence = probabilities.max(1)
    gap = confidence - (probabilities.argmax(1) == labels)
    inside = np.eye(bins)[bin_of(confidence, bins)]
    squares = weights**2
    pairs = (weights @ inside) ** 2 - squares @ inside
    products = (weights @ (inside * gap[:, None])) ** 2 - squares @ (inside * gap[:, None] ** 2)
    known = pairs > 0
    each = np.divide(products, pairs, out=np.zeros_like(products), where=known)
    images = np.where(known, weights @ inside, 0)
    total = images.sum(1)
    return np.divide((images * each).sum(1), total, out=np.full(len(weights), np.nan), where=total > 0)


def calibration_error(labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The root of `squared_calibration_error`, with its sign: below 0 there is no more of a gap than chance makes.

    The sign is kept because a figure that stops at 0 is biased again, and would seem certain there.

    Args, Returns: as for `squared_calibration_error`, with `BINS` bins.
    """
    squared = squared_calibration_error(labels, probabilities, weights)
    return np.sign(squared) * np.sqrt(np.abs(squared))
