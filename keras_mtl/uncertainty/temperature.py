"""Whether probabilities mean what they say: calibration error, reliability, temperature scaling.

Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, 2017, arXiv:1706.04599.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from keras_mtl.uncertainty.calibration_error import BINS, bin_of
from keras_mtl.values import check_finite

SMALLEST_PROBABILITY = 2.0**-23
"""The least that a model is taken at its word for: float32's spacing at 1."""
# Temperatures outside of 1/20 to 20 mean that a net is always right or knows nothing: no finite one is best then.
LOG_BOUND = float(np.log(20))


@dataclasses.dataclass(frozen=True)
class Reliability:
    """Predictions in bins of equal width by the probability of the predicted class.

    Attributes:
        edges: the bins' ends, float64 [bins + 1], from 0 to 1; a bin holds its upper end, not its lower.
        count: images in each bin, int64 [bins].
        confidence: mean probability of the predicted class in each bin, float64 [bins]; NaN in an empty one.
        accuracy: share of each bin that was predicted rightly, float64 [bins]; NaN in an empty one.
    """

    edges: np.ndarray
    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def error(self) -> float:
        """The expected calibration error: the bins' gaps, weighted by their images (Guo et al., equation 3)."""
        filled = self.count > 0
        gaps = np.abs(self.accuracy - self.confidence)[filled]
        return float(np.sum(self.count[filled] / self.count.sum() * gaps))


def reliability(labels: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> Reliability:
    """How often predictions are right, by how sure the model is of them.

    Args:
        labels: class indices, int [N].
        probabilities: float [N, K], rows summing to 1.
        bins: how many, of equal width between 0 and 1.

    Raises:
        ValueError: no image, lengths that differ, no bin, or probabilities that are not finite.
    """
    _check(labels, probabilities)
    if bins < 1:
        raise ValueError(f"Needs one bin or more. Received: bins={bins}")
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    place = bin_of(confidence, bins)
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        means = [np.bincount(place, values, minlength=bins) / count for values in (confidence, right)]
    return Reliability(np.linspace(0, 1, bins + 1), count, *means)


def expected_calibration_error(labels: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> float:
    """The mean gap between confidence and accuracy over bins of confidence, 0 to 1 (Guo et al., equation 3).

    On few images it is biased upwards: `calibration_error.calibration_error` is not.

    Args, Raises: as for `reliability`.
    """
    return reliability(labels, probabilities, bins).error


def at_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """softmax(z / T) out of softmax(z): softer for T > 1, sharper for T < 1; the predicted class stays.

    Args:
        probabilities: float [N, K], rows summing to 1.
        temperature: T, above 0.
    """
    scores = _log(probabilities) / temperature
    powers = np.exp(scores - scores.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def fit_temperature(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """The temperature with the least mean -log(probability of the label), from 1/20 to 20 (Guo et al., section 4.2).

    The loss is convex in 1/T, so it has one valley, which is searched over log T. Fit it on other images than those
    that are judged: validation.

    Args:
        labels: class indices, int [N].
        probabilities: float [N, K], rows summing to 1.

    Raises:
        ValueError: no image, lengths that differ, or probabilities that are not finite.
    """
    from scipy.optimize import minimize_scalar

    _check(labels, probabilities)
    scores = _log(probabilities)
    of_label = scores[np.arange(len(labels)), labels]

    def loss(log_temperature: float) -> float:
        scaled = scores * np.exp(-log_temperature)
        top = scaled.max(1)
        total = top + np.log(np.exp(scaled - top[:, None]).sum(1))
        return float(np.mean(total - of_label * np.exp(-log_temperature)))

    return float(np.exp(minimize_scalar(loss, bounds=(-LOG_BOUND, LOG_BOUND), method="bounded").x))


def _log(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probabilities, SMALLEST_PROBABILITY))


def _check(labels: np.ndarray, probabilities: np.ndarray) -> None:
    check_finite({"probability": probabilities}, "What is calibrated")
    if not len(labels) or len(labels) != len(probabilities):
        raise ValueError(
            f"Needs one row of probabilities for each label: got {len(labels)} labels, {len(probabilities)} rows"
        )
