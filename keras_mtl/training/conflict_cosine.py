"""The cosine of two tasks' gradients without the noise of the batches, from many looks, with an interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

WHOLE = "whole"
"""All shared weights, beside the stages that they lie in."""
SIGNAL = ("signal", "task_signal", "other_signal")
"""Columns of `conflict.csv`: unbiased estimates of <G_a, G_b>, |G_a|^2 and |G_b|^2."""
HALF_WIDTH = 0.1
"""Of the interval that `needed` looks would give."""
_TAIL = 0.975


class Cosine(NamedTuple):
    """A cosine over a window of looks.

    Attributes:
        value: -1 to 1; NaN where it is undetermined: a task's squared gradient comes out at 0 or less.
        low, high: its 95 % interval; -1 and 1 where the looks do not tell.
        looks: how many it rests on.
        needed: how many it would take for an interval of `HALF_WIDTH` to each side, at this batch size: while noise
            leads, a batch twice as large needs a quarter. Rough itself where the interval is wide; NaN where the
            cosine is undetermined.
    """

    value: float
    low: float
    high: float
    looks: int
    needed: float

    @property
    def is_told(self) -> bool:
        """Whether the looks say anything: there is a value, and its interval is not all of -1 to 1."""
        return not math.isnan(self.value) and self.high - self.low < 2

    @property
    def looks_needed(self) -> str:
        """`needed` in words, of two digits: "about 1,500", or "more"."""
        return "more" if math.isnan(self.needed) else f"about {float(f'{self.needed:.2g}'):,.0f}"


def cosine_without_noise(products: np.ndarray | Sequence[Sequence[float]]) -> Cosine:
    """The cosine of two tasks' expected gradients `G`, from noisy estimates of their products.

        cos = sum_looks <G_a, G_b> / sqrt(sum_looks |G_a|^2  sum_looks |G_b|^2)

    A ratio of sums, not a mean of ratios: the noise of a look's products is averaged out before it is divided by. The
    weights move between the looks; it is the cosine of the gradients of all looks laid end to end, so looks with
    longer gradients, the early ones mostly, count more.

    The interval is Fieller's for a ratio of two means, of `<G_a, G_b>` and `(r |G_a|^2 + |G_b|^2 / r) / 2`. With
    `r^2 = sum |G_b|^2 / sum |G_a|^2` the latter is the denominator above, and r's own error is of second order. It
    holds where the denominator is nearly all noise, where a jackknife covers 91 %, and then is unbounded (-1 to 1).
    The noise is independent from look to look, for no two share images; that the expected products drift as the weights
    move is counted as noise, and makes the interval wider rather than too short.

    Args:
        products: float [looks, 3], estimates without bias as in `SIGNAL`; looks with a NaN are left out.

    Source: Fieller, "Some problems in interval estimation", Journal of the Royal Statistical Society B 16, 1954.
    """
    products = np.asarray(products, np.float64).reshape(-1, len(SIGNAL))
    products = products[np.isfinite(products).all(1)]
    looks = len(products)
    inner, one, other = products.sum(0)
    if looks < 2 or one <= 0 or other <= 0:
        return Cosine(math.nan, -1.0, 1.0, looks, math.nan)
    ratio = math.sqrt(other / one)
    lengths = (ratio * products[:, 1] + products[:, 2] / ratio) / 2
    mean, length = inner / looks, float(lengths.mean())
    spread = np.cov(products[:, 0], lengths)
    value = mean / length
    error = spread[0, 0] - 2 * value * spread[0, 1] + value**2 * spread[1, 1]  # variance of a look
    needed = max(2, math.ceil(error * (_quantile(None) / HALF_WIDTH / length) ** 2))
    low, high = _fieller(mean, length, spread * (_quantile(looks - 1) ** 2 / looks))
    value, low, high = np.clip((value, low, high), -1.0, 1.0).tolist()
    return Cosine(value, low, high, looks, needed)


def products_of(row: Mapping[str, str]) -> tuple[float, ...]:
    """What a row of `conflict.csv` has in the columns `SIGNAL`; NaN where it has nothing, as in older files."""
    return tuple(float(row.get(name) or "nan") for name in SIGNAL)


def _fieller(top: float, bottom: float, spread: np.ndarray) -> tuple[float, float]:
    """The ratios c with `(top - c bottom)^2 <= spread_00 - 2 c spread_01 + c^2 spread_11`; -1 to 1 if unbounded."""
    a = bottom**2 - spread[1, 1]
    b = top * bottom - spread[0, 1]
    root = b**2 - a * (top**2 - spread[0, 0])
    if a <= 0:
        return -1.0, 1.0
    root = math.sqrt(max(root, 0.0))
    return (b - root) / a, (b + root) / a


def _quantile(freedom: int | None) -> float:
    """Student's, for a 95 % interval; the normal distribution's for None."""
    from scipy import special

    return float(special.ndtri(_TAIL) if freedom is None else special.stdtrit(freedom, _TAIL))
