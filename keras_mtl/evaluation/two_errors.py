"""The distribution of the sum of two independent errors of which each is known by its own estimate only.

An estimate errs by its seeds and by its images. Each part's size is estimated, from S seeds and from G clusters of
images, so each is a t-variable with its own degrees of freedom: a T_f + b T_g, of which the t- and the normal
distribution are the ends. It is the Behrens-Fisher distribution, and its quantiles give the generalized confidence
interval of a mean under two variance components (Fisher, Annals of Eugenics 6, 1935; Weerahandi, Journal of the
American Statistical Association 88, 1993, section 3). An interval of it keeps its confidence also where a part rests
on two or three seeds, which a single t-variable with fitted degrees of freedom (Satterthwaite 1946) does not: that is
too sure of itself just where the seeds' variance was estimated too low.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

_REACH, _NODES = 8.0, 801  # Normal scores that stand for the lesser part: beyond lie 1e-15 of it.


@dataclasses.dataclass(frozen=True)
class TwoErrors:
    """The error of an estimate: first * T(first_freedom) + second * T(second_freedom).

    Attributes:
        first, second: standard errors, 0 or more.
        first_freedom, second_freedom: degrees of freedom that these are known with, 1 or more.

    Example:
        >>> round(TwoErrors(1.0, 2, 0.0, 100).reach(0.95), 3)  # the t-distribution's 97.5 % quantile
        4.303
    """

    first: float
    first_freedom: float
    second: float
    second_freedom: float

    def beyond(self, distance: float) -> float:
        """The chance that the error is as far from 0 as `distance` or farther; 1 for 0, 0 where there is no error."""
        from scipy.stats import t

        (small, nodes_freedom), (large, freedom) = sorted(
            ((self.first, self.first_freedom), (self.second, self.second_freedom))
        )
        distance = abs(distance)
        if not large:
            return float(distance == 0)
        if not small:
            return float(2 * t.sf(distance / large, freedom))
        scores, weights = _nodes(nodes_freedom)
        # Over all values of the lesser part: the chance that the larger one takes the sum beyond either end.
        upper = t.sf((distance - small * scores) / large, freedom)
        return float(min(1.0, 2 * weights @ upper))

    def reach(self, confidence: float) -> float:
        """The distance from 0 that the error stays within, by that chance."""
        from scipy.optimize import brentq
        from scipy.stats import t

        left = 1 - confidence
        # The two parts' own quantiles at half of the chance left: their sum is too far for certain.
        parts = ((self.first, self.first_freedom), (self.second, self.second_freedom))
        farthest = sum(size * t.isf(left / 4, freedom) for size, freedom in parts)
        if not farthest:
            return 0.0
        return float(brentq(lambda distance: self.beyond(distance) - left, 0.0, farthest, xtol=1e-9 * farthest))


@functools.lru_cache(maxsize=32)
def _nodes(freedom: float) -> tuple[np.ndarray, np.ndarray]:
    """Values of a t-variable, evenly spaced in the normal score of their rank, and their weights."""
    from scipy.stats import norm, t

    scores = np.linspace(0, _REACH, _NODES // 2 + 1)
    half = t.isf(norm.sf(scores), freedom)
    weights = norm.pdf(np.linspace(-_REACH, _REACH, _NODES))
    return np.concatenate([-half[:0:-1], half]), weights / weights.sum()
