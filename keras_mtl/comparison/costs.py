"""What each row of a comparison costs: its net, and its training."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from keras_mtl.comparison.results import Results
from keras_mtl.evaluation.latency import measure_latency

if TYPE_CHECKING:
    import keras

    from keras_mtl.models.cost import Cost

BATCH_SIZES = (1, 64)


def measure_costs(results: Results, *, batch_sizes: Sequence[int] = BATCH_SIZES, rounds: int = 20) -> dict[str, Cost]:
    """The costs of each row's net, taken from the model of its first seed.

    `training_flops` are those of that cell's own training, with what it froze: a pruned row's are its retraining
    alone, and the training of the multitask net that it came from is the multitask row's. Nets of equal parameters
    and FLOPs, such as the single and the pruned net of a task, are measured as one and share their latency, so
    that chance makes no difference between them.

    Args:
        results: a comparison whose cells are trained.
        batch_sizes: of the latency.
        rounds: timed calls of each net and batch size.

    Returns:
        By `Row.key`.
    """
    from keras_mtl.models.cost import model_cost, training_flops

    seed = results.seeds[0]
    costs: dict[str, Cost] = {}
    measured: dict[tuple[int, int], keras.Model] = {}
    for row in results.nets:
        model = results.cell(row, seed).run.load_model()
        flops = training_flops(model, results.training(row, seed)["images"])
        costs[row.key] = dataclasses.replace(model_cost(model), training_flops=flops)
        measured.setdefault(_structure(costs[row.key]), model)
    names = {structure: f"net {number}" for number, structure in enumerate(measured)}
    times = measure_latency({names[key]: model for key, model in measured.items()}, batch_sizes, rounds=rounds)
    return {key: dataclasses.replace(cost, latency_ms=times[names[_structure(cost)]]) for key, cost in costs.items()}


def _structure(cost: Cost) -> tuple[int, int]:
    return cost.parameters, cost.flops
