"""How sure a figure of one training is, by the bootstrap over images, and many p-values at once."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from keras_mtl.evaluation.metrics import Metric
from keras_mtl.values import without_nan

# Numbers in one block of resample weights: 1 MiB of float64, which fits a core's cache; 16 MiB take 3 times as long.
BLOCK = 2**17


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A figure and its interval.

    Attributes:
        value: the figure over all images, its mean over seeds where there are several; NaN where it is undefined.
        low, high: the interval's ends; NaN where there is none (a single image, or no resample defines the figure).
        undefined: the share of resamples, or of images left out, that left the figure undefined (one class only, say);
            the interval rests on the others.
    """

    value: float
    low: float
    high: float
    undefined: float = 0.0

    def to_dict(self) -> dict:
        """As plain data for JSON, with None for NaN."""
        return without_nan(dataclasses.asdict(self))


def number_clusters(clusters: np.ndarray) -> tuple[np.ndarray, int]:
    """Clusters of images as numbers from 0 in the order of their names, int64 [N], and how many there are."""
    names, numbers = np.unique(np.asarray(clusters), return_inverse=True)
    return numbers.astype(np.int64), len(names)


def resample_weights(clusters: np.ndarray, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each image is drawn in each resample, in blocks: float64 [some, images].

    Clusters are drawn, as many as there are, each with all its images (Field and Welsh, Journal of the Royal
    Statistical Society B 69, 2007, section 3: the randomised cluster bootstrap). The same clusters and the same seed
    give the same resamples, so two models scored on the same images can be compared in pairs.

    Args:
        clusters: [N], images with the same one are drawn together.
        resamples: how many.
        seed: of the draws.
    """
    numbers, count = number_clusters(clusters)
    random = np.random.default_rng(seed)
    rows = max(1, BLOCK // len(numbers))
    for start in range(0, resamples, rows):
        some = min(rows, resamples - start)
        drawn = random.integers(0, count, (some, count)) + np.arange(some)[:, None] * count
        times = np.bincount(drawn.ravel(), minlength=some * count).reshape(some, count)
        yield times[:, numbers].astype(np.float64)


def bootstrap(
    metrics: Mapping[str, Metric],
    labels: np.ndarray,
    predictions: np.ndarray,
    *,
    clusters: np.ndarray | None = None,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Each metric of a single training with its percentile bootstrap interval, all on the same resamples of the images.

    From the (1 - confidence) / 2 to the (1 + confidence) / 2 quantile of the resamples (Efron and Tibshirani, An
    Introduction to the Bootstrap, 1993, chapter 13). The interval tells the chance of these test images, not that of
    another training. A figure at its bound in every resample (all right) gets an interval of no width, which is too
    narrow.

    Args:
        metrics: by name, as `metrics_for` gives.
        labels: [N], class indices, or values for regression.
        predictions: [N] values, or [N, K] probabilities.
        clusters: [N], images that are drawn together, those of one person for instance; by default each by itself.
        resamples: how many to draw.
        confidence: between 0 and 1.
        seed: of the draws; the same gives the same ones.

    Raises:
        ValueError: no image, lengths that differ, no resample, or a confidence out of range.
    """
    if not len(labels) or len(labels) != len(predictions):
        raise ValueError(f"Needs one prediction for each label: got {len(labels)} labels, {len(predictions)} predicted")
    if resamples < 1:
        raise ValueError(f"Needs resamples >= 1. Received: {resamples}")
    if not 0 < confidence < 1:
        raise ValueError(f"Needs a confidence between 0 and 1. Received: {confidence}")
    clusters = np.arange(len(labels)) if clusters is None else clusters
    drawn: dict[str, list[np.ndarray]] = {name: [] for name in metrics}
    for weights in resample_weights(clusters, resamples, seed) if len(np.unique(clusters)) > 1 else ():
        for name, metric in metrics.items():
            drawn[name].append(metric.compute(labels, predictions, weights))
    return {
        name: _percentiles(metric(labels, predictions), drawn[name], confidence) for name, metric in metrics.items()
    }


def _percentiles(value: float, drawn: Sequence[np.ndarray], confidence: float) -> Estimate:
    values = np.concatenate(drawn) if drawn else np.array([])
    defined = values[~np.isnan(values)]
    tails = np.array([(1 - confidence) / 2, (1 + confidence) / 2])
    low, high = np.quantile(defined, tails) if len(defined) else (math.nan, math.nan)
    return Estimate(value, float(low), float(high), 1 - len(defined) / len(values) if len(values) else 0.0)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values of several tests, adjusted so that a chance of any false alarm at all is kept.

    Holm's step-down method (Holm, Scandinavian Journal of Statistics 6, 1979): the k-th smallest of n is multiplied
    by n - k + 1, is no smaller than the one before it, and is 1 at most. It needs no independence of the tests.

    Example:
        >>> holm([0.01, 0.04, 0.02])
        [0.03, 0.04, 0.04]
    """
    adjusted, least = [1.0] * len(p_values), 0.0
    for position, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        least = min(1.0, max(least, (len(p_values) - position) * p_values[index]))
        adjusted[index] = least
    return adjusted
