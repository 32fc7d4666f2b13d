"""Gradients of tasks, as matrices [tasks, n]: the bank that the weightings' property tests share."""

from __future__ import annotations

import numpy as np


def bank() -> dict[str, np.ndarray]:
    """Matrices by name, float64 [tasks, n], the same at every call; a row is a task's gradient."""
    return {**_small(), **_degenerate(), **_drawn()}


def independent() -> dict[str, np.ndarray]:
    """Those of the bank whose rows are linearly independent and within three decades of each other."""
    return {name: matrix for name, matrix in bank().items() if _is_independent(matrix)}


def _is_independent(matrix: np.ndarray) -> bool:
    norms = np.linalg.norm(matrix, axis=1)
    if norms.min() == 0 or norms.max() > 1000 * norms.min():
        return False
    singular = np.linalg.svd(matrix / norms[:, None], compute_uv=False)
    return len(singular) == len(matrix) and bool(singular[-1] > 1e-3 * singular[0])


def _small() -> dict[str, np.ndarray]:
    cases = {
        "one_task": [[3.0, -4.0]],
        "one_task_one_weight": [[-2.0]],
        "orthogonal": [[1.0, 0.0], [0.0, 2.0]],
        "agreeing": [[1.0, 0.2], [0.8, 0.5]],
        "conflicting": [[1.0, 0.0], [-0.5, 1.0]],
        "unequal_conflict": [[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]],
        "one_dominates": [[1.0, 0.0], [5.0, 1.0]],
        "three_conflicting": [[1.0, 0.0, 0.1], [-0.6, 0.8, 0.2], [-0.3, -0.9, 0.3]],
        "three_agreeing": [[1.0, 0.1, 0.0], [0.9, 0.3, 0.1], [0.7, 0.2, 0.6]],
    }
    return {name: np.array(rows) for name, rows in cases.items()}


def _degenerate() -> dict[str, np.ndarray]:
    cases = {
        "one_task_zero": [[0.0, 0.0]],
        "zero": [[0.0, 0.0, 0.0]] * 3,
        "one_zero_row": [[1.0, 2.0, 0.0], [0.0, 0.0, 0.0], [-1.0, 1.0, 1.0]],
        "one_row_not_zero": [[0.0, 0.0], [1.0, -1.0], [0.0, 0.0]],
        "equal": [[1.0, 2.0], [1.0, 2.0]],
        "collinear": [[1.0, 2.0], [3.0, 6.0], [0.5, 1.0]],
        "opposite": [[1.0, -2.0], [-1.0, 2.0]],
        "opposite_unequal": [[1.0, -2.0], [-3.0, 6.0]],
        "opposite_and_another": [[1.0, 0.0], [-2.0, 0.0], [0.5, 1.0]],
        "more_tasks_than_dimensions": [[1.0, 0.5], [0.2, 1.0], [1.0, 1.0], [-0.3, 1.0]],
        "on_the_front": [[1.0, 0.0], [-0.5, 0.9], [-0.5, -0.9]],
        "one_weight": [[2.0], [-1.0], [0.5]],
        "scales": [[1e-8, 0.0, 2e-8], [0.5, 1.0, -1.0], [1e8, -1e8, 1e7]],
        "scales_agreeing": [[1e-4, 2e-5], [1e4, 3e4]],
        "tiny": [[1e-9, 0.0], [-5e-10, 1e-9]],
        "huge": [[1e9, 0.0], [-5e8, 1e9]],
    }
    return {name: np.array(rows) for name, rows in cases.items()}


def _drawn() -> dict[str, np.ndarray]:
    random = np.random.default_rng(7)
    rank_two = random.normal(size=(5, 2)) @ random.normal(size=(2, 30))
    alike = random.normal(size=200) + 0.3 * random.normal(size=(8, 200))
    scales = 10.0 ** random.uniform(-8, 8, size=(8, 1))
    return {
        "three_tasks": random.normal(size=(3, 100)),
        "eight_tasks": random.normal(size=(8, 200)),
        "eight_alike": alike,
        "eight_scales": scales * random.normal(size=(8, 100)),
        "eight_in_three_dimensions": random.normal(size=(8, 3)) + 0.5,
        "rank_two": rank_two,
        "forty_tasks": random.normal(size=(40, 500)),
        "forty_alike": random.normal(size=500) + random.normal(size=(40, 500)),
        "forty_in_ten_dimensions": random.normal(size=(40, 10)),
    }
