"""How sure a figure is: bootstrap intervals over images."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping

import numpy as np

from keras_mtl.evaluation.metrics import Metric

# Numbers in one block of resample weights: 1 MiB of float64, which fits a core's cache; 16 MiB take 3 times as long.
BLOCK = 2**17


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A figure and its interval.

    Attributes:
        value: the figure over all images; NaN where it is undefined.
        low, high: the interval's ends; NaN where there is none (a single image, or no resample defines the figure).
        undefined: the share of resamples that left the figure undefined (one class only, say); the interval rests
            on the others.
    """

    value: float
    low: float
    high: float
    undefined: float = 0.0

    def to_dict(self) -> dict:
        """As plain data for JSON, with None for NaN."""
        return {name: None if math.isnan(x) else x for name, x in dataclasses.asdict(self).items()}


def resample_weights(images: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each image is drawn in each resample, in blocks: float64 [some, images], rows summing to `images`.

    The same number of images and the same seed give the same resamples, so two models scored on the same
    images can be compared in pairs.
    """
    random = np.random.default_rng(seed)
    rows = max(1, BLOCK // images)
    for start in range(0, resamples, rows):
        count = min(rows, resamples - start)
        drawn = random.integers(0, images, (count, images)) + np.arange(count)[:, None] * images
        yield np.bincount(drawn.ravel(), minlength=count * images).reshape(count, images).astype(np.float64)


def bootstrap(
    metrics: Mapping[str, Metric],
    labels: np.ndarray,
    predictions: np.ndarray,
    *,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Each metric with its percentile bootstrap interval, all on the same resamples of the images.

    The interval runs from the (1 - confidence) / 2 to the (1 + confidence) / 2 quantile of the metric over
    resamples of N images drawn with replacement (Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
    chapter 13). It tells the chance of these test images, not that of another training. A figure at its bound
    in every resample (all right) gets an interval of no width, which is too narrow.

    Args:
        metrics: by name, as `metrics_for` gives.
        labels: [N], class indices, or values for regression.
        predictions: [N] values, or [N, K] probabilities.
        resamples: how many to draw.
        confidence: between 0 and 1.
        seed: of the draws; the same gives the same interval.

    Raises:
        ValueError: no image, lengths that differ, or a confidence or a number of resamples out of range.
    """
    if not len(labels) or len(labels) != len(predictions):
        raise ValueError(f"Needs one prediction for each label: got {len(labels)} labels, {len(predictions)} predicted")
    if resamples < 1 or not 0 < confidence < 1:
        raise ValueError(
            f"Needs resamples >= 1 and a confidence between 0 and 1. Received: {resamples} and {confidence}"
        )
    blocks = [
        [metric.compute(labels, predictions, weights) for metric in metrics.values()]
        for weights in (resample_weights(len(labels), resamples, seed) if len(labels) > 1 else ())
    ]
    tails = np.array([(1 - confidence) / 2, (1 + confidence) / 2])
    estimates = {}
    for index, (name, metric) in enumerate(metrics.items()):
        drawn = np.concatenate([block[index] for block in blocks]) if blocks else np.array([])
        defined = drawn[~np.isnan(drawn)]
        low, high = np.quantile(defined, tails) if len(defined) else (math.nan, math.nan)
        undefined = 1 - len(defined) / len(drawn) if len(drawn) else 0.0
        estimates[name] = Estimate(metric(labels, predictions), float(low), float(high), undefined)
    return estimates
