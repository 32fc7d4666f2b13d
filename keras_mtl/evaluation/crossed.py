"""How sure a figure of several trainings is: seeds and images are crossed, as readers and cases are in radiology.

Every seed's net is scored on the same images, so a figure errs by which seeds were trained and by which images were
taken. The variance of its mean over S seeds is that of Obuchowski and Rockette (Communications in Statistics -
Simulation 24, 1995, equation 2.3, for one difference),

    V = s^2 / S + max(Cov2, 0),

s^2 being the variance of the seeds' figures and Cov2 the mean covariance, over images, of two seeds' figures, which
the jackknife estimates. On means over images it is Dorfman, Berbaum and Metz' analysis of variance (Investigative
Radiology 27, 1992; Hillis, Berbaum and Metz, Academic Radiology 15, 2008), and the jackknife gives every other figure,
ROC AUC or delta-m, its pseudo-values. Where they take one t-variable with Hillis' degrees of freedom (Statistics in
Medicine 26, 2007), `TwoErrors` is taken: `benchmarks/verdicts.py` has the coverage of both.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from keras_mtl.evaluation.metrics import Metric
from keras_mtl.evaluation.statistics import BLOCK, Estimate, number_clusters
from keras_mtl.evaluation.two_errors import TwoErrors

MOST_PARTS = 2000
"""Of more clusters of images several are left out together (Kott, Journal of Official Statistics 17, 2001)."""
# Rounding makes no difference out of none: what is smaller, in the figure's own size, is 0.
_ROUNDING = 1e-12


@dataclasses.dataclass(frozen=True, eq=False)
class Crossed:
    """A figure of a net, or one reckoned from several nets' figures: for each seed, and without some images.

    Attributes:
        by_seed: float64 [S], every image counted once; NaN where undefined.
        left_out: float64 [G, S], without the images of one of G parts.
        involved: bool [G], whether a part has images that the figure is of; the others' rows are `by_seed`.
    """

    by_seed: np.ndarray
    left_out: np.ndarray
    involved: np.ndarray

    def __sub__(self, other: Crossed) -> Crossed:
        """The paired difference: both must be of the same seeds and images."""
        return combine(lambda ours, theirs: ours - theirs, self, other)

    def __neg__(self) -> Crossed:
        return combine(np.negative, self)

    @property
    def value(self) -> float:
        """The mean over seeds."""
        return float(self.by_seed.mean())

    @functools.cached_property
    def parts(self) -> Variances:
        """The estimated variance of a single seed's figure, by what it comes from."""
        left_out = self.left_out[self.involved & ~np.isnan(self.left_out).any(axis=1)]
        seeds, count = len(self.by_seed), len(left_out)
        if count < 2 or np.isnan(self.by_seed).any():
            return Variances(math.nan, math.nan, math.nan, seeds, count)
        away = left_out - left_out.mean(axis=0)
        covariances = (count - 1) / count * away.T @ away
        own = float(np.trace(covariances)) / seeds
        if seeds == 1:
            return Variances(math.nan, own, math.nan, seeds, count)
        shared = (float(covariances.sum()) - seeds * own) / (seeds * (seeds - 1))
        return Variances(float(self.by_seed.var(ddof=1)), shared, own - shared, seeds, count)

    def estimate(self, confidence: float = 0.95, bounds: tuple[float, float] = (-math.inf, math.inf)) -> Estimate:
        """The mean over seeds with its interval over seeds and images, over images alone for a single seed.

        Args:
            confidence: between 0 and 1.
            bounds: between which the figure lies; the interval's ends are cut there.
        """
        if not 0 < confidence < 1:
            raise ValueError(f"Needs a confidence between 0 and 1. Received: {confidence}")
        undefined = float(np.isnan(self.left_out[self.involved]).any(axis=1).mean()) if self.involved.any() else 0.0
        variances = self.parts
        if math.isnan(variances.shared):
            return Estimate(self.value, math.nan, math.nan, undefined)
        reach = variances.error().reach(confidence)
        low, high = (min(max(end, bounds[0]), bounds[1]) for end in (self.value - reach, self.value + reach))
        return Estimate(self.value, low, high, undefined)

    def p_value(self) -> float:
        """Two-sided p-value of "the figure is 0", for differences; NaN where there is no interval."""
        return self._beyond(self.value)

    def p_beyond(self, bound: float) -> float:
        """The p-value of "the figure is `bound` or above", against "below it".

        It is twice the one-sided one, so that it is below 1 - confidence where the interval's upper end lies below the
        bound (ICH E9, section 3.3.2: a non-inferiority test at half the two-sided level).
        """
        p = self._beyond(bound - self.value)
        return p if self.value < bound or math.isnan(p) else 1.0

    def _beyond(self, distance: float) -> float:
        variances = self.parts
        if math.isnan(variances.shared):
            return math.nan
        error, size = variances.error(), max(1.0, float(np.abs(self.left_out).max()))
        if abs(distance) < _ROUNDING * size:
            return 1.0
        return error.beyond(distance)


@dataclasses.dataclass(frozen=True)
class Variances:
    """What a figure varies by.

    Attributes:
        seeds: variance between seeds' figures on these images; NaN for one seed.
        shared: covariance over images of two seeds' figures (Cov2); for one seed its variance over images.
        interaction: variance over images that two seeds don't share, part of `seeds`; NaN for one seed.
        seed_count, image_count: seeds, and clusters of images, that these were estimated from.
    """

    seeds: float
    shared: float
    interaction: float
    seed_count: int
    image_count: int

    def error(self) -> TwoErrors:
        """The distribution of the error of the mean over the seeds."""
        from_seeds = 0.0 if self.seed_count == 1 else math.sqrt(self.seeds / self.seed_count)
        freedom = max(1, self.seed_count - 1)
        return TwoErrors(from_seeds, freedom, math.sqrt(max(self.shared, 0.0)), self.image_count - 1)


def combine(function: Callable[..., np.ndarray], *figures: Crossed) -> Crossed:
    """A figure out of others, of the same seeds and images: `function` of their values, element by element.

    Raises:
        ValueError: other seeds or parts.
    """
    shapes = [figure.left_out.shape for figure in figures]
    if len(set(shapes)) > 1:
        parts, seeds = zip(*shapes, strict=True)
        raise ValueError(
            "Only figures of the same seeds and images can be compared in pairs. Received: seeds "
            f"{' and '.join(map(str, seeds))}, parts {' and '.join(map(str, parts))}"
        )
    return Crossed(
        function(*(figure.by_seed for figure in figures)),
        function(*(figure.left_out for figure in figures)),
        np.logical_or.reduce([figure.involved for figure in figures]),
    )


def crossed(
    metrics: Mapping[str, Metric],
    labels: np.ndarray,
    predictions: Sequence[np.ndarray],
    parts: np.ndarray | None = None,
    count: int | None = None,
) -> dict[str, Crossed]:
    """Metrics of one net, trained with several seeds and scored on the same images, with and without each part of them.

    Args:
        metrics: by name, as `metrics_for` gives.
        labels: [N], class indices, or values for regression.
        predictions: for each seed [N] values, or [N, K] probabilities, of the same images as `labels`.
        parts: int64 [N], the part that each image is left out with, as `number_parts` gives; each image is its own
            by default.
        count: how many parts there are over all figures that are to be compared; by default those of `parts`.

    Raises:
        ValueError: no image, no seed, or lengths that differ.

    Example:
        >>> from keras_mtl.tasks import BUILT_IN
        >>> from keras_mtl.evaluation.metrics import metrics_for
        >>> ages, nets = np.array([20.0, 30.0]), [np.array([22.0, 31.0]), np.array([24.0, 31.0])]
        >>> crossed(metrics_for(BUILT_IN["age"]), ages, nets)["mae"].by_seed
        array([1.5, 2.5])
    """
    for predicted in predictions if len(predictions) else [()]:
        if not len(labels) or len(labels) != len(predicted):
            raise ValueError(
                f"Needs one prediction for each label: got {len(labels)} labels, {len(predicted)} predicted"
            )
    parts = number_parts(np.arange(len(labels))) if parts is None else parts
    count = int(parts.max()) + 1 if count is None else count
    own = np.unique(parts)
    whole = {
        name: np.array([metric(labels, predicted) for predicted in predictions]) for name, metric in metrics.items()
    }
    left_out = {name: np.tile(values, (count, 1)) for name, values in whole.items()}
    rows = max(1, BLOCK // len(labels))
    for start in range(0, len(own) if len(own) > 1 else 0, rows):
        block = own[start : start + rows]
        weights = (parts[None, :] != block[:, None]).astype(np.float64)
        for name, metric in metrics.items():
            values = [metric.compute(labels, predicted, weights) for predicted in predictions]
            left_out[name][block] = np.stack(values, axis=1)
    involved = np.zeros(count, bool)
    involved[own] = True
    return {name: Crossed(values, left_out[name], involved) for name, values in whole.items()}


def number_parts(clusters: np.ndarray) -> np.ndarray:
    """The part that each image is left out with: its cluster, or with more than `MOST_PARTS` several clusters together.

    Args:
        clusters: [N], what is drawn together, of any kind that can be sorted.

    Returns:
        int64 [N], 0 to the number of parts - 1; the same for the same clusters.
    """
    numbers, count = number_clusters(clusters)
    if count <= MOST_PARTS:
        return numbers
    # Neighbours in a list are alike, of one folder for instance: parts are drawn from all over it.
    return np.random.default_rng(0).permutation(count)[numbers] % MOST_PARTS
