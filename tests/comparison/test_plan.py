"""How many seeds and images it takes: power against draws, and what is told of a pilot."""

import dataclasses

import numpy as np
import pytest
from comparison.fabricated import fabricate
from hypothesis import given
from hypothesis import strategies as st

from keras_mtl.comparison.figures import Figures
from keras_mtl.comparison.plan import at, needed_seeds, plan_grid, power, seeds_share
from keras_mtl.errors import UserError
from keras_mtl.evaluation.crossed import Crossed, Variances

PILOT = Variances(seeds=0.05, shared=0.01, interaction=0.02, seed_count=3, image_count=1000)


def test_the_power_is_that_of_simulated_comparisons():
    random, seeds, images, shown = np.random.default_rng(0), 6, 200, []
    alone, shared, both = 0.03, 0.01, 0.02
    for _ in range(400):
        errors = (
            0.35
            + np.sqrt(alone) * random.normal(0, 1, (seeds, 1))
            + np.sqrt(shared * images) * random.normal(0, 1, (1, images))
            + np.sqrt(both * images) * random.normal(0, 1, (seeds, images))
        )
        left_out = (errors.sum(axis=1) - errors.T) / (images - 1)
        shown.append(Crossed(errors.mean(axis=1), left_out, np.ones(images, bool)).p_value() <= 0.05)
    known = Variances(alone + both, shared, both, 3, images)
    assert power(known, 0.35, 0.05, seeds) == pytest.approx(np.mean(shown), abs=0.08)


@given(st.integers(3, 30), st.floats(0.01, 2), st.sampled_from([1, 2, 4]))
def test_more_of_anything_is_never_less_power(seeds, difference, times):
    here = power(PILOT, difference, 0.05, seeds, times)
    assert power(PILOT, difference, 0.05, seeds + 1, times) >= here - 1e-9
    assert power(PILOT, 1.1 * difference, 0.05, seeds, times) >= here
    if here > 0.5:  # Below it the greater part of the seeds, with their few degrees of freedom, may cost more.
        assert power(PILOT, difference, 0.05, seeds, 2 * times) >= here - 1e-9
    assert power(PILOT, difference, 0.01, seeds, times) <= here


def test_more_images_lower_what_is_theirs_by_hand():
    planned = at(PILOT, 5, 4)
    assert (planned.seeds, planned.shared) == pytest.approx((0.03 + 0.005, 0.0025))
    assert seeds_share(PILOT) == pytest.approx(0.03 / 0.06)
    assert needed_seeds(PILOT, 0.5, 0.05) > needed_seeds(PILOT, 0.5, 0.05, 4) >= 3
    assert needed_seeds(PILOT, 0.01, 0.05) is None


def test_the_pilots_pairs_are_told(tmp_path):
    results = fabricate(tmp_path, images=60, tasks=("age", "smile"), plan=("age=2", "smile=5"), seeds=2)
    grid = plan_grid(results, Figures(results))
    assert grid.rows[0][-3:] == ("these images", "2 x images", "4 x images")
    assert [row[:3] for row in grid.rows[1:3]] == [
        ("Multitask-ResNet-18", "Age MAE (years)", "2.00"),
        ("Multitask-ResNet-18", "Smile accuracy (points)", "5.0"),
    ]
    assert len(grid.rows) == 1 + 6 and "2 seeds" in grid.below and "6 comparisons" in grid.below


@pytest.mark.parametrize(
    ("plan", "seeds", "message"),
    [
        (("gender=1",), 2, "--plan names 'gender'; the tasks are age"),
        (("age=1",), 1, "a pilot of 2 seeds or more"),
    ],
)
def test_what_can_t_be_planned_is_said(tmp_path, plan, seeds, message):
    results = fabricate(tmp_path, images=12, tasks=("age",), plan=plan, seeds=seeds)
    with pytest.raises(UserError, match=message):
        plan_grid(results, Figures(results))
    alone = dataclasses.replace(results, config=dataclasses.replace(results.config, plan=("age=1",), seeds=seeds))
    if seeds > 1:
        single = dataclasses.replace(alone, config=dataclasses.replace(alone.config, variants=("single",)))
        with pytest.raises(UserError, match="no net beside a single one"):
            plan_grid(single, Figures(single))
