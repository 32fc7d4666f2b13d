"""How many seeds and test images it takes to show a difference, by a pilot's variances."""

from __future__ import annotations

import dataclasses
import math

from keras_mtl.comparison.figures import Figures
from keras_mtl.comparison.grid import Grid, heading, signed
from keras_mtl.comparison.results import Results
from keras_mtl.comparison.table import compared_pairs
from keras_mtl.comparison.verdicts import LEAST_SEEDS, amounts_of
from keras_mtl.errors import UserError
from keras_mtl.evaluation.crossed import Variances

MOST_SEEDS = 100
TIMES_IMAGES = (1, 2, 4)
POWER = 0.8


def plan_grid(results: Results, figures: Figures) -> Grid:
    """For each difference that --plan names, the seeds that show it with four chances in five.

    Raises:
        UserError: a task that has no pair of nets, or a pilot of fewer than two seeds.
    """
    wanted = amounts_of("--plan", results.config.plan, results.tasks)
    if len(results.seeds) < 2:
        raise UserError("--plan needs a pilot of 2 seeds or more, which tell how much nets differ by their seed")
    pairs = compared_pairs(figures)
    alone = sorted(set(wanted) - {pair.task for pair in pairs})
    if alone:
        raise UserError(f"--plan names {alone[0]!r}, of which the comparison has no net beside a single one")
    level = (1 - results.config.confidence) / len(pairs)
    rows: list[tuple[str, ...]] = []
    for pair in pairs:
        if pair.task not in wanted:
            continue
        task, variances = results.tasks[pair.task], (pair.ours - pair.theirs).parts
        counts = (needed_seeds(variances, wanted[pair.task], level, times) for times in TIMES_IMAGES)
        rows.append(
            (
                pair.row.title,
                heading(task, pair.metric, difference=True),
                signed(wanted[pair.task], pair.metric, task).lstrip("+"),
                f"{100 * seeds_share(variances):.0f} %",
                *(f"over {MOST_SEEDS}" if count is None else str(count) for count in counts),
            )
        )
    images = tuple(f"{times} x images" if times > 1 else "these images" for times in TIMES_IMAGES)
    below = (
        f"Seeds that show the difference with a chance of {100 * POWER:g} %, p corrected for {len(pairs)} "
        f"comparison{'s' if len(pairs) > 1 else ''} (the strictest step of Holm's), by the variances of "
        f"{len(results.seeds)} seeds; of so few they are a rough guess. Owed to seeds: what share of the variance "
        "of a single seed's difference more images would not lower."
    )
    head = ("Net", "Figure", "Difference", "Owed to seeds", *images)
    return Grid("Seeds that it takes", [head, *rows], tuple(range(2, len(head))), below)


def needed_seeds(variances: Variances, difference: float, level: float, times: float = 1.0) -> int | None:
    """The fewest seeds with which a difference is shown by a chance of `POWER`; None for more than `MOST_SEEDS`.

    Args:
        variances: of the difference, from a pilot.
        difference: the true one, without its sign.
        level: which p-value shows it.
        times: how many times the pilot's images there are.
    """
    enough = (
        seeds
        for seeds in range(LEAST_SEEDS, MOST_SEEDS + 1)
        if power(variances, difference, level, seeds, times) >= POWER
    )
    return next(enough, None)


def power(variances: Variances, difference: float, level: float, seeds: int, times: float = 1.0) -> float:
    """The chance that a difference is shown, the variances being what the pilot took them for.

    The mean is taken for normal, and the interval's reach for that of the true variances: both nearly so from five
    seeds on.
    """
    from scipy.stats import norm

    planned = at(variances, seeds, times)
    error = planned.error()
    spread = math.hypot(error.first, error.second)
    reach = error.reach(1 - level)
    return float(norm.cdf((difference - reach) / spread)) if spread else float(difference > 0)


def at(variances: Variances, seeds: int, times: float) -> Variances:
    """A pilot's variances as they are to be expected with other numbers of seeds and images."""
    interaction = max(variances.interaction, 0.0) / times
    return dataclasses.replace(
        variances,
        seeds=seeds_alone(variances) + interaction,
        shared=max(variances.shared, 0.0) / times,
        interaction=interaction,
        seed_count=seeds,
        image_count=round(variances.image_count * times),
    )


def seeds_alone(variances: Variances) -> float:
    """The variance of seeds that is not of the images: of nets that are better or worse throughout."""
    return max(variances.seeds - max(variances.interaction, 0.0), 0.0)


def seeds_share(variances: Variances) -> float:
    whole = variances.seeds + max(variances.shared, 0.0)
    return seeds_alone(variances) / whole if whole else math.nan
