"""What each net costs, relative to the multitask net, and the multitask net relative to all single ones together."""

from __future__ import annotations

import math

from keras_mtl.comparison.cells import Row
from keras_mtl.comparison.cost_ratios import relative_costs, share_of_singles
from keras_mtl.comparison.report import wording
from keras_mtl.comparison.report.blocks import Cell, Figure, HtmlTable, Panels, Section, Text
from keras_mtl.comparison.report.context import Context
from keras_mtl.comparison.report.plots import listed


def section(context: Context) -> Section:
    """Bars and tables of parameters, FLOPs, training compute and latency."""
    if not context.costs:
        return Section("cost", "Cost", [Text("No costs were measured.")])
    base, ratios = relative_costs(context.results.rows, context.costs)
    text = (
        f"Relative to {base.title}. FLOPs are those of predicting one image, a multiply-add counted as two; training "
        "compute is the net's own, so that a pruned net's is its retraining alone and the multitask net's comes on "
        "top. Latency is the median time of a forward pass."
    )
    bars = [_bars(context, base, name, ratios) for name in ratios[base.key]]
    blocks: list = [Text(text), Panels(bars, narrowest=200), _absolute(context)]
    share = share_of_singles(context.results.rows, context.costs)
    if share:
        blocks.append(
            HtmlTable(
                f"{base.title} as a share of all single nets together, which predict the same when run one by one.",
                ["", *map(wording.capital, share)],
                [["Multitask / sum of singles", *map(wording.ratio, share.values())]],
            )
        )
    return Section("cost", "Cost", blocks)


def relative_head(context: Context) -> list[str]:
    """Titles of the main table's cost columns; none where no costs are known."""
    if not context.costs:
        return []
    base, ratios = relative_costs(context.results.rows, context.costs)
    return [f"{wording.capital(name)}\nrelative" for name in ratios[base.key]]


def relative_cells(context: Context, row: Row) -> list[Cell]:
    """A row's cost columns in the main table."""
    if not context.costs:
        return []
    base, ratios = relative_costs(context.results.rows, context.costs)
    return [Cell(wording.ratio(ratios.get(row.key, {}).get(name, math.nan))) for name in ratios[base.key]]


def _bars(context: Context, base: Row, name: str, ratios: dict[str, dict[str, float]]) -> Figure:
    import plotly.graph_objects as go

    rows = [row for row in context.results.rows if not math.isnan(ratios.get(row.key, {}).get(name, math.nan))]
    values = [ratios[row.key][name] for row in rows]
    bars = go.Bar(
        x=values,
        y=list(range(len(rows))),
        orientation="h",
        width=0.3,
        marker={"color": [context.colour(row) for row in rows]},
        text=[wording.ratio(value) for value in values],
        textposition="outside",
        cliponaxis=False,
        customdata=[row.title for row in rows],
        hovertemplate="%{customdata}<br>%{x:.3f}×<extra></extra>",
    )
    told = "; ".join(f"{row.title} {wording.ratio(value)}" for row, value in zip(rows, values, strict=True))
    reach = {"range": [0, 1.2 * max([1.0, *values])]}
    return Figure(
        wording.capital(name),
        f"Relative to {base.title}: {told}.",
        listed([bars], [row.title for row in rows], x="relative", line=44, xaxis=reach),
    )


def _absolute(context: Context) -> HtmlTable:
    batches = sorted({size for cost in context.costs.values() for size in cost.latency_ms})
    rows = []
    for row in context.results.rows:
        cost = context.costs.get(row.key)
        if cost is None:
            continue
        latency = [f"{cost.latency_ms[size]:.2f}" if size in cost.latency_ms else wording.NONE for size in batches]
        parameters = Cell(wording.large(cost.parameters), f"{cost.megabytes:.1f} MB")
        flops = [wording.large(cost.flops), wording.large(cost.training_flops)]
        rows.append([Cell(row.title), parameters, *map(Cell, [*flops, *latency])])
    times = [f"Latency, {size} {'image' if size == 1 else 'images'}\nms" for size in batches]
    head = ["Net", "Parameters\nfloat32", "FLOPs\none image", "Training compute\nFLOPs", *times]
    return HtmlTable("As measured.", head, rows)
