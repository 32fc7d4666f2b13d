"""How often intervals hold the truth and verdicts are false: seeds crossed with images, simulated.

    python benchmarks/verdicts.py
    python benchmarks/verdicts.py --trials=500 --seeds=3,5 --images=200

A difference of two nets is simulated as a sum of independent normal parts: one of each seed (nets of other seeds are
better or worse throughout), one of each image (all seeds' nets err on it alike) and one of both (nets of other seeds
get other images wrong). A regime says what shares of the variance of the mean are theirs. "accuracy" has no normal
parts: two nets' right and wrong answers by a probit model in which images are hard to all nets, and nets differ.

For each regime, number of seeds and of test images: the coverage of the 95 % interval; false verdicts, p of 0.05 or
less where there is no difference; power, such a p at a difference that an analysis with known variance shows in 80 %
of the cases; width, the interval's half over 1.96 of the mean's true standard deviation. Beside ours ("two errors") the
same variance with Hillis' degrees of freedom ("Hillis").
"""

from __future__ import annotations

import argparse
import math

import numpy as np
from scipy import stats

from keras_mtl.evaluation.crossed import Crossed
from keras_mtl.table import aligned

REGIMES = {
    "seeds only": (1, 0, 0),
    "images only": (0, 1, 0),
    "both only": (0, 0, 1),
    "seeds 3/4, images 1/4": (3 / 4, 1 / 4, 0),
    "seeds 1/2, images 1/2": (1 / 2, 1 / 2, 0),
    "images 3/4, both 1/4": (0, 3 / 4, 1 / 4),
    "images 1/4, both 3/4": (0, 1 / 4, 3 / 4),
    "a third each": (1 / 3, 1 / 3, 1 / 3),
    "accuracy": None,
}
SHOWN = 1.959964 + 0.841621  # standard deviations that a test at 5 % with known variance shows in 80 %
METHODS = ("two errors", "Hillis")


def simulated(regime: str, seeds: int, images: int, random: np.random.Generator) -> np.ndarray:
    """Differences [seeds, images] without a true one; but for "accuracy" their mean has variance 1."""
    shares = REGIMES[regime]
    if shares is None:
        return _answers(seeds, images, random) - _answers(seeds, images, random, fresh=False)
    of_seed, of_image, of_both = (math.sqrt(share) for share in shares)
    return (
        of_seed * math.sqrt(seeds) * random.normal(0, 1, (seeds, 1))
        + of_image * math.sqrt(images) * random.normal(0, 1, (1, images))
        + of_both * math.sqrt(seeds * images) * random.normal(0, 1, (seeds, images))
    )


_hard: np.ndarray = np.empty(0)


def _answers(seeds: int, images: int, random: np.random.Generator, fresh: bool = True) -> np.ndarray:
    """Right answers 1 and wrong ones 0 of a net, some 90 % right; the other net of a pair meets the same images."""
    global _hard
    if fresh:
        _hard = random.normal(0, 1, (1, images))
    skill = 1.8 + 0.08 * random.normal(0, 1, (seeds, 1))
    own, both = 0.4 * random.normal(0, 1, (1, images)), 0.6 * random.normal(0, 1, (seeds, images))
    return (skill + _hard + own + both > 0).astype(float)


def figure(differences: np.ndarray) -> Crossed:
    """Their mean, with and without each image."""
    count = differences.shape[1]
    left_out = (differences.sum(axis=1) - differences.T) / (count - 1)
    return Crossed(differences.mean(axis=1), left_out, np.ones(count, bool))


def judged(differences: np.ndarray) -> dict[str, tuple[float, float, float]]:
    """By method: the mean, half of its interval, and the p-value of no difference."""
    mean = figure(differences)
    estimate, parts = mean.estimate(), mean.parts
    found = {"two errors": (estimate.value, (estimate.high - estimate.low) / 2, mean.p_value())}
    seeds = parts.seeds / parts.seed_count
    variance = seeds + max(parts.shared, 0)
    freedom = variance**2 / (seeds**2 / (parts.seed_count - 1)) if seeds else math.inf
    reach = stats.t.ppf(0.975, freedom) * math.sqrt(variance)
    p = 2 * stats.t.sf(abs(mean.value) / math.sqrt(variance), freedom) if variance else float(not mean.value)
    return {**found, "Hillis": (mean.value, reach, p)}


def trial_rows(regime: str, seeds: int, images: int, trials: int) -> list[tuple[str, ...]]:
    """A line for each method."""
    random = np.random.default_rng([seeds, images, list(REGIMES).index(regime)])
    null = [judged(simulated(regime, seeds, images, random)) for _ in range(trials)]
    spread = np.std([found["two errors"][0] for found in null]) if REGIMES[regime] is None else 1.0
    shifted = []
    for _ in range(trials):
        differences = simulated(regime, seeds, images, random)
        shifted.append(judged(differences + SHOWN * spread))
    lines = []
    for method in METHODS:
        means, reaches, p_values = np.array([found[method] for found in null]).T
        cover = np.mean(np.abs(means) <= reaches)
        false, power = np.mean(p_values <= 0.05), np.mean([found[method][2] <= 0.05 for found in shifted])
        width = np.mean(reaches) / (1.959964 * spread)
        figures = (f"{100 * share:.1f}" for share in (cover, false, power))
        lines.append((regime, str(seeds), f"{images:,}", method, *figures, f"{width:.2f}"))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=2000, help="of each kind")
    parser.add_argument("--seeds", default="2,3,5,10")
    parser.add_argument("--images", default="50,300,2000")
    options = parser.parse_args()
    head = ("regime", "seeds", "images", "analysis", "coverage %", "false %", "power %", "width")
    lines = [
        line
        for regime in REGIMES
        for images in map(int, options.images.split(","))
        for seeds in map(int, options.seeds.split(","))
        for line in trial_rows(regime, seeds, images, options.trials)
    ]
    print(aligned([head, *lines], right=(1, 2, 4, 5, 6, 7)))
    error = 100 * math.sqrt(0.05 * 0.95 / options.trials)
    print(f"{options.trials:,} trials each: a standard error of {error:.1f} points at 5 and 95 %.")


if __name__ == "__main__":
    main()
