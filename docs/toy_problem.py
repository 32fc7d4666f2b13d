"""Makes `docs/toy_problem.png`: `python docs/toy_problem.py [method …]` (extra `dev`).

Where each weighting goes on the toy problem of the CAGrad and Nash-MTL papers, from five starting points.
"""

from __future__ import annotations

import concurrent.futures
import math
import pathlib
import sys

import matplotlib.pyplot as plt
import numpy as np

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))
import toy_problem  # noqa: E402

from keras_mtl.weighting_names import WEIGHTINGS, parse_weighting  # noqa: E402

COLOURS = ("#1b6ca8", "#b5532a", "#2f8f5b", "#7a4fa3", "#b08a1e")
# As FAMO's authors run this problem, on which nothing is drawn anew.
SPECS = {"famo": "famo:gamma=0"}
COLUMNS = 6


def panel(axis: plt.Axes, name: str, paths: list[np.ndarray]) -> None:
    """Contours of the sum of both objectives, the set of Pareto optima, and the ways to it."""
    grid = np.stack(np.meshgrid(np.linspace(-11, 11, 200), np.linspace(-11, 11, 200)), axis=-1)
    scaled = toy_problem.objectives(grid).numpy() * toy_problem.SCALES
    axis.contour(grid[..., 0], grid[..., 1], scaled.sum(-1), levels=12, colors="#cccccc", linewidths=0.5)
    axis.plot((-7, 7), (-8.3552, -8.3552), color="#999999", linewidth=5, solid_capstyle="round")
    arrived = 0
    for path, colour in zip(paths, COLOURS, strict=True):
        there = toy_problem.distance_to_front(path[-1]) < toy_problem.ARRIVED
        arrived += there
        axis.plot(*path.T, color=colour, linewidth=1.4)
        axis.plot(*path[0], "o", color=colour, markersize=4)
        axis.plot(*path[-1], "*" if there else "X", color=colour, markersize=9 if there else 7, markeredgecolor="white")
    axis.set(xlim=(-11, 11), ylim=(-11, 11), xticks=(), yticks=(), aspect="equal")
    axis.set_title(f"{name}: {arrived} of {len(paths)}", fontsize=10)


def picture(paths: dict[str, list[np.ndarray]]) -> plt.Figure:
    rows = math.ceil(len(paths) / COLUMNS)
    figure, axes = plt.subplots(
        rows, COLUMNS, figsize=(2.1 * COLUMNS, 2.35 * rows), layout="constrained", squeeze=False
    )
    for axis, (name, ways) in zip(axes.flat, paths.items(), strict=False):
        panel(axis, name, ways)
    free = axes.flat[len(paths) :]
    for axis in free:
        axis.set_axis_off()
    if len(free):
        legend(free[0])
    return figure


def legend(axis: plt.Axes) -> None:
    axis.plot([], [], "o", color="#444444", markersize=4, label="start")
    axis.plot([], [], "*", color="#444444", markersize=9, label="arrived on the front")
    axis.plot([], [], "X", color="#444444", markersize=7, label="not arrived")
    axis.plot([], [], color="#999999", linewidth=5, label="Pareto front")
    axis.plot([], [], color="#cccccc", linewidth=0.5, label="equal sum of both losses")
    axis.legend(loc="center", frameon=False, fontsize=9)


if __name__ == "__main__":
    names = sys.argv[1:] or list(WEIGHTINGS)
    # Threads, since XLA's compiler and its programs leave Python's lock.
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        weightings = [parse_weighting(SPECS.get(name, name)) for name in names]
        paths = dict(zip(names, pool.map(toy_problem.trajectories, weightings), strict=True))
    picture(paths).savefig(HERE / "toy_problem.png", dpi=110)
