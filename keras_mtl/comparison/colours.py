"""Colours, dashes and markers of a comparison's rows, the same in the report and in TensorBoard.

TensorBoard can't be told a run's colour. It gives the groups of runs the colours of a palette of 7 in the order in
which the groups' first runs were started, and begins again after the seventh: too few for the usual ten rows. So the
colour says which kind of net it is, multitask, single, pruned or frozen. Those are four colours whatever the number
of tasks, and they never meet twice in one task's chart. In the report a dash says it again, for readers who can't
tell colours apart, and a marker says the task.

For TensorBoard to do the same its runs must be coloured by `RUN_GROUPS`: open `tensorboard_link`, or choose "Color
runs by: Regex" above the list of runs and paste it. `write_overview` starts the runs in the order that is needed.
What can't be set: colours without that choice (each run gets its own, so that seeds of a row differ), dashes and
markers, and the tabs beside Time Series: the older Scalars has a palette of its own, HParams colours by a score.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Sequence

from keras_mtl.comparison.cells import Row
from keras_mtl.comparison.config import VARIANTS

# TensorBoard 2.21's palette in its order, on light and on dark ground. Yellow, the fourth, is hard to see on white: it
# goes to the run that has no curves, `ABOUT`.
LIGHT = ("#425066", "#12b5cb", "#e52592", "#f9ab00", "#9334e6", "#7cb342", "#e8710a")
DARK = ("#8e98a3", *LIGHT[1:])
UNSEEN = 3

ABOUT = "about"
RUN_GROUPS = rf"^(?:({ABOUT})$|(Multitask-)?.*?(-Pruned-Frozen|-Pruned)?/)"

DASHES = {"multitask": "solid", "single": "dash", "pruned": "dot", "frozen": "dashdot"}
MARKERS = ("circle", "square", "diamond", "cross", "triangle-up", "x", "pentagon", "hexagon", "star")


def colour_of(row: Row, rows: Sequence[Row], dark: bool = False) -> str:
    """A row's colour as "#rrggbb", which it shares with the rows of its variant.

    Args:
        row: one of `rows`.
        rows: all rows of the comparison.
        dark: for dark ground instead of light.
    """
    palette = [colour for index, colour in enumerate(DARK if dark else LIGHT) if index != UNSEEN]
    return palette[variants(rows).index(row.variant)]


def dash_of(row: Row) -> str:
    """A row's line, by its variant, as Plotly calls it: "solid", "dash", "dot" or "dashdot"."""
    return DASHES[row.variant]


def marker_of(row: Row, rows: Sequence[Row]) -> str:
    """A row's marker, by its task, as Plotly calls it; with more than eight tasks markers come again."""
    tasks = list(dict.fromkeys(other.task for other in rows if other.task is not None))
    return MARKERS[0] if row.task is None else MARKERS[1:][tasks.index(row.task) % (len(MARKERS) - 1)]


def variants(rows: Sequence[Row]) -> list[str]:
    """The variants that the rows have, in the order in which colours are given."""
    return [variant for variant in VARIANTS if any(row.variant == variant for row in rows)]


def tensorboard_link(address: str = "http://localhost:6006") -> str:
    """TensorBoard's time series with colours as in the report and, until the filter is cleared, validation only."""
    query = {"runColorGroup": f"regex:{RUN_GROUPS}", "runFilter": r"/seed\d+$"}
    return f"{address}/?{urllib.parse.urlencode(query, quote_via=urllib.parse.quote)}#timeseries"
