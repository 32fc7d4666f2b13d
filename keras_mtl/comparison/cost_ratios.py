"""What the nets of a comparison cost relative to the multitask net, and that one to all single nets together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from keras_mtl.comparison.cells import Row

if TYPE_CHECKING:
    from keras_mtl.models.cost import Cost


def relative_costs(rows: Sequence[Row], costs: Mapping[str, Cost]) -> tuple[Row, dict[str, dict[str, float]]]:
    """Each row's costs over those of the multitask net, or of the first row where there is no multitask net.

    Args:
        rows: of the table.
        costs: by `Row.key`; rows that are not there are left out.

    Returns:
        The row that costs are relative to, and by `Row.key` the ratios by name; NaN where a cost is not known.
    """
    known = [row for row in rows if row.key in costs]
    base = next((row for row in known if row.variant == "multitask"), known[0])
    names = {row.key: _numbers(costs[row.key]) for row in known}
    return base, {
        key: {name: _divided(numbers.get(name, math.nan), whole) for name, whole in names[base.key].items()}
        for key, numbers in names.items()
    }


def share_of_singles(rows: Sequence[Row], costs: Mapping[str, Cost]) -> dict[str, float]:
    """The multitask net's costs over those of all single nets together, by name; empty where one is not there.

    Latency is that of predicting all tasks of an image: the single nets run one after another.
    """
    multitask = next((row for row in rows if row.variant == "multitask" and row.key in costs), None)
    singles = [row for row in rows if row.variant == "single"]
    if multitask is None or not singles or not all(row.key in costs for row in singles):
        return {}
    parts = [_numbers(costs[row.key]) for row in singles]
    return {
        name: _divided(whole, sum(part.get(name, math.nan) for part in parts))
        for name, whole in _numbers(costs[multitask.key]).items()
    }


def _numbers(cost: Cost) -> dict[str, float]:
    latency = {
        f"latency ({size} image{'' if size == 1 else 's'})": value for size, value in sorted(cost.latency_ms.items())
    }
    return {
        "parameters": cost.parameters,
        "FLOPs": cost.flops,
        "training compute": cost.training_flops,
        **latency,
    }


def _divided(above: float, below: float) -> float:
    return above / below if below else math.nan
