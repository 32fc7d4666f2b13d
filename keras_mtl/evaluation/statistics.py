"""How sure a figure or a difference is: bootstrap over images and seeds, p-values, and many of them at once."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from keras_mtl.evaluation.metrics import Metric

# Numbers in one block of resample weights: 1 MiB of float64, which fits a core's cache; 16 MiB take 3 times as long.
BLOCK = 2**17


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A figure and its interval.

    Attributes:
        value: the figure over all images, its mean over seeds where there are several; NaN where it is undefined.
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


def seed_weights(seeds: int, resamples: int, seed: int) -> np.ndarray:
    """The weight of each seed's net in each resample: float64 [resamples, seeds], rows summing to 1.

    One seed fewer than there are is drawn, with replacement, so that the variance of a mean over the drawn ones is
    s^2 / n with the unbiased s^2; drawing all n would give (n - 1) / n of it, half for two seeds (Rao and Wu, Journal
    of the American Statistical Association 83, 1988: m = n - 1, where their rescaling is none). A single seed has
    weight 1 throughout. The same seeds are drawn for every net that has as many.
    """
    if seeds == 1:
        return np.ones((resamples, 1))
    # A stream of its own: `resample_weights` draws from that of `seed`.
    random = np.random.default_rng([seed, seeds])
    return random.multinomial(seeds - 1, np.full(seeds, 1 / seeds), resamples) / (seeds - 1)


@dataclasses.dataclass(frozen=True)
class Resampled:
    """A metric of one net, or the difference of two, over all its seeds, as it is and in each resample.

    Attributes:
        by_seed: float64 [seeds], every image counted once; NaN where undefined.
        drawn: float64 [resamples], on the drawn images, averaged over the drawn seeds; NaN where undefined; empty
            where there is a single image.

    Example:
        >>> ours = Resampled(np.array([3.0]), np.array([2.0, 3.0, 4.0]))
        >>> (ours - Resampled(np.array([1.0]), np.array([0.0, 1.0, 2.0]))).drawn
        array([2., 2., 2.])
    """

    by_seed: np.ndarray
    drawn: np.ndarray

    def __sub__(self, other: Resampled) -> Resampled:
        """The paired difference, seed by seed and resample by resample: both must be of the same seeds and images."""
        if self.by_seed.shape != other.by_seed.shape or self.drawn.shape != other.drawn.shape:
            raise ValueError(
                "Only figures of the same seeds and resamples can be compared in pairs. Received: seeds "
                f"{len(self.by_seed)} and {len(other.by_seed)}, resamples {len(self.drawn)} and {len(other.drawn)}"
            )
        return Resampled(self.by_seed - other.by_seed, self.drawn - other.drawn)

    def estimate(self, confidence: float = 0.95) -> Estimate:
        """The mean over seeds with its percentile interval (Efron and Tibshirani, An Introduction to the Bootstrap,
        1993, chapter 13): from the (1 - confidence) / 2 to the (1 + confidence) / 2 quantile of the resamples."""
        if not 0 < confidence < 1:
            raise ValueError(f"Needs a confidence between 0 and 1. Received: {confidence}")
        defined = self._defined()
        tails = np.array([(1 - confidence) / 2, (1 + confidence) / 2])
        low, high = np.quantile(defined, tails) if len(defined) else (math.nan, math.nan)
        undefined = 1 - len(defined) / len(self.drawn) if len(self.drawn) else 0.0
        return Estimate(float(self.by_seed.mean()), float(low), float(high), undefined)

    def p_value(self) -> float:
        """Two-sided p-value of "the figure is 0", for differences.

        2 min(#(drawn <= 0) + 1, #(drawn >= 0) + 1) / (R + 1): about the level at which the percentile interval begins
        to hold 0, with the observed data counted among the R resamples (Davison and Hinkley, Bootstrap Methods and
        their Application, 1997, chapter 4). It is at least 2 / (R + 1), and 1 where no resample defines the figure.
        """
        defined = self._defined().round(12)  # so that rounding makes no difference out of none
        beyond = min(np.count_nonzero(defined <= 0), np.count_nonzero(defined >= 0))
        return min(1.0, 2 * (int(beyond) + 1) / (len(defined) + 1))

    def _defined(self) -> np.ndarray:
        return self.drawn[~np.isnan(self.drawn)]


def resample(
    metrics: Mapping[str, Metric],
    labels: np.ndarray,
    predictions: Sequence[np.ndarray],
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Resampled]:
    """Metrics of one net, trained with several seeds and scored on the same images, over resamples of both.

    Seeds and images are crossed, not nested: every seed's net sees the same images. So a resample draws images,
    the same for all seeds, and apart from that seeds (Owen, The Pigeonhole Bootstrap, Annals of Applied Statistics 1,
    2007, who shows that it errs on the wide side where both matter). Nets scored on equally many images with equally
    many seeds get the same draws; with the images in the same order their difference is a paired one.

    Of few seeds an interval can't reach beyond what these seeds did. It covers as often as it says where nets of
    other seeds differ by which images they get wrong, as nets mostly do (Jordan, arXiv:2304.01910), and less often
    where some are better throughout: in the extreme, where images play no part, a 95 % interval of 3 seeds covers 75 %.

    Args:
        metrics: by name, as `metrics_for` gives.
        labels: [N], class indices, or values for regression.
        predictions: for each seed [N] values, or [N, K] probabilities, of the same images as `labels`.
        resamples: how many to draw.
        seed: of the draws; the same gives the same ones.

    Raises:
        ValueError: no image, no seed, lengths that differ, or no resample.
    """
    for predicted in predictions if len(predictions) else [()]:
        if not len(labels) or len(labels) != len(predicted):
            raise ValueError(
                f"Needs one prediction for each label: got {len(labels)} labels, {len(predicted)} predicted"
            )
    if resamples < 1:
        raise ValueError(f"Needs resamples >= 1. Received: {resamples}")
    chosen = seed_weights(len(predictions), resamples, seed)
    drawn: dict[str, list[np.ndarray]] = {name: [] for name in metrics}
    first = 0
    for weights in resample_weights(len(labels), resamples, seed) if len(labels) > 1 else ():
        block = chosen[first : first + len(weights)]
        first += len(weights)
        for name, metric in metrics.items():
            by_seed = [metric.compute(labels, predicted, weights) for predicted in predictions]
            drawn[name].append((block * np.stack(by_seed, axis=1)).sum(axis=1))
    return {
        name: Resampled(
            np.array([metric(labels, predicted) for predicted in predictions]),
            np.concatenate(drawn[name]) if drawn[name] else np.array([]),
        )
        for name, metric in metrics.items()
    }


def bootstrap(
    metrics: Mapping[str, Metric],
    labels: np.ndarray,
    predictions: np.ndarray,
    *,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Each metric of a single training with its percentile bootstrap interval, all on the same resamples of the images.

    The interval tells the chance of these test images, not that of another training. A figure at its bound
    in every resample (all right) gets an interval of no width, which is too narrow.

    Args:
        metrics, labels, resamples, seed: as for `resample`, which draws.
        predictions: [N] values, or [N, K] probabilities.
        confidence: between 0 and 1.

    Raises:
        ValueError: as `resample`, or a confidence out of range.
    """
    figures = resample(metrics, labels, [predictions], resamples=resamples, seed=seed)
    return {name: figure.estimate(confidence) for name, figure in figures.items()}


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
