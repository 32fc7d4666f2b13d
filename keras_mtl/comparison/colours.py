"""Colours and dashes of a comparison's rows, the same in the report and in TensorBoard.

TensorBoard can't be told a run's colour. It gives the groups of runs the colours of a palette of 7 in the order in
which the groups' first runs were started, and begins again after the seventh: too few for the usual ten rows. So the
colour says which kind of net it is, multitask, single, pruned or frozen. Those are four colours whatever the number
of tasks, and they never meet twice in one task's chart. In the report a dash says it again, for readers who can't
tell colours apart.

For TensorBoard to do the same its runs must be coloured by `RUN_GROUPS`: open `tensorboard_link`, or choose "Color
runs by: Regex" above the list of runs and paste it. `write_overview` starts the runs in the order that is needed.
Weightings are many nets of one kind: they have colours of their own, the first the multitask net's and then those
that no other kind has, over again with the next dash. TensorBoard then colours by net, `NET_GROUPS`, as its palette
goes.

What can't be set: colours without that choice (each run gets its own, so that seeds of a row differ), dashes, and the
tabs beside Time Series: the older Scalars has a palette of its own, HParams colours by a score.
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
NET_GROUPS = rf"^(?:({ABOUT})$|(.*?)/)"

DASHES = {"multitask": "solid", "single": "dash", "pruned": "dot", "frozen": "dashdot"}


def colour_of(row: Row, rows: Sequence[Row], dark: bool = False) -> str:
    """A row's colour as "#rrggbb", which it shares with the rows of its variant, unless it is a weighting's.

    Args:
        row: one of `rows`.
        rows: all rows of the comparison.
        dark: for dark ground instead of light.
    """
    palette = _seen(DARK if dark else LIGHT)
    if row.weighting:
        free = _free(palette, rows)
        return free[_number(row, rows) % len(free)]
    return palette[variants(rows).index(row.variant)]


def dash_of(row: Row, rows: Sequence[Row]) -> str:
    """A row's line, by its variant or weighting, as Plotly calls it: "solid", "dash", "dot" or "dashdot"."""
    if row.weighting:
        dashes = list(DASHES.values())
        return dashes[_number(row, rows) // len(_free(_seen(LIGHT), rows)) % len(dashes)]
    return DASHES[row.variant]


def variants(rows: Sequence[Row]) -> list[str]:
    """The variants that the rows have, in the order in which colours are given."""
    return [variant for variant in VARIANTS if any(row.variant == variant for row in rows)]


def run_groups(rows: Sequence[Row]) -> str:
    """The expression by which TensorBoard is to colour runs."""
    return NET_GROUPS if any(row.weighting for row in rows) else RUN_GROUPS


def _seen(palette: Sequence[str]) -> list[str]:
    """A palette's colours that are seen on their ground."""
    return [colour for index, colour in enumerate(palette) if index != UNSEEN]


def _number(row: Row, rows: Sequence[Row]) -> int:
    """A weighting's place among the weightings."""
    return [other.key for other in rows if other.weighting].index(row.key)


def _free(palette: Sequence[str], rows: Sequence[Row]) -> list[str]:
    """The colours of a palette that no other variant than the multitask net has."""
    return [palette[0], *palette[len(variants(rows)) :]]


def tensorboard_link(address: str = "http://localhost:6006", groups: str = RUN_GROUPS) -> str:
    """TensorBoard's time series with colours as in the report and, until the filter is cleared, validation only."""
    query = {"runColorGroup": f"regex:{groups}", "runFilter": r"/seed\d+$"}
    return f"{address}/?{urllib.parse.urlencode(query, quote_via=urllib.parse.quote)}#timeseries"
