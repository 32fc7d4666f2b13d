"""Methods that promise it end on the Pareto front of the papers' toy problem, from all five starting points."""

from __future__ import annotations

import numpy as np
import pytest
import toy_problem

from keras_mtl.weighting_names import parse_weighting

# Without FAMO's decay, as in its authors' run of this problem: nothing is drawn anew, so nothing is to be forgotten.
THAT_PROMISE = (
    *("mgda", "cagrad", "nash_mtl", "aligned_mtl", "upgrad", "dualproj", "fairgrad", "famo:gamma=0"),
    *("modo", "sdmgrad", "moco"),
)


def test_the_front_is_where_neither_objective_can_fall_alone():
    front = toy_problem.front()
    assert (np.diff(front[:, 0]) > 0).all() and (np.diff(front[:, 1]) < 0).all()
    np.testing.assert_allclose(front[[0, -1]], [[-20, -0.4], [-0.4, -20]], atol=0.1)


def test_the_objectives_at_a_point_by_hand():
    # At (-7, 2): tanh(1) = 0.761594 above, 0 below. |(7 - 7) / 2 + tanh 2| = 0.964028, its logarithm -0.036635,
    # plus 6; |(7 + 3) / 2 - tanh 2 + 2| = 6.035972, its logarithm 1.797737, plus 6.
    np.testing.assert_allclose(toy_problem.objectives(np.array([-7.0, 2.0])), [4.541664, 5.938709], rtol=1e-5)


@pytest.mark.parametrize("spec", THAT_PROMISE)
def test_ends_on_the_front(spec):
    for path in toy_problem.trajectories(parse_weighting(spec), until=toy_problem.ARRIVED):
        assert toy_problem.distance_to_front(path[-1]) < toy_problem.ARRIVED, (path[0], path[-1])


def test_the_plain_sum_does_not():
    """Where EW arrived from everywhere too, the problem would tell nothing."""
    paths = toy_problem.trajectories(parse_weighting("ew"), until=toy_problem.ARRIVED)
    assert max(toy_problem.distance_to_front(path[-1]) for path in paths) > 10
