"""Costs of a comparison's rows, out of real models in fabricated cells."""

import json

import pytest
from comparison.fabricated import fabricate

import keras_mtl
from keras_mtl.comparison import costs
from keras_mtl.comparison.costs import measure_costs
from keras_mtl.models.cost import Cost, model_cost


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Two tasks in all variants; pruned nets are frozen as their row says."""
    results = fabricate(tmp_path_factory.mktemp("costs"), seeds=1, images=6, tasks=("age", "smile"))
    for number, cell in enumerate(results.cells):
        model = keras_mtl.build_model(
            results.tasks_of(cell.row), image_size=32, width=8, blocks=(1, 1), precision="float32"
        )
        for layer in model.layers:
            layer.trainable = cell.row.variant != "frozen" or layer.name.endswith("_logits")
        model.save(cell.run.model_path)
        training = json.loads(cell.run.metrics_path.read_text())["training"]
        cell.run.update_metrics(training={**training, "images": 1000 + number})
    return results


def test_each_row_has_its_nets_and_its_own_trainings_cost(results):
    found = measure_costs(results, batch_sizes=(1, 2), rounds=2)
    assert list(found) == [row.key for row in results.rows]
    for number, row in enumerate(results.rows):
        cost = found[row.key]
        bare = model_cost(results.cell(row, 0).run.load_model())
        assert (cost.parameters, cost.megabytes, cost.flops) == (bare.parameters, bare.megabytes, bare.flops)
        each = cost.training_flops / (1000 + number) / cost.flops
        assert each == pytest.approx(1.0, abs=0.1) if row.variant == "frozen" else 2 < each < 3
        assert set(cost.latency_ms) == {1, 2}
        assert Cost.from_dict(json.loads(json.dumps(cost.to_dict()))) == cost
    assert found["single-age"].flops < found["multitask"].flops < 2 * found["single-age"].flops


def test_equal_nets_are_measured_once(results, monkeypatch):
    asked = []

    def measured(models, batch_sizes, rounds):
        asked.append((list(models), batch_sizes, rounds))
        return {name: {size: float(number) for size in batch_sizes} for number, name in enumerate(models)}

    monkeypatch.setattr(costs, "measure_latency", measured)
    found = measure_costs(results, batch_sizes=(1,), rounds=7)
    assert asked == [(["net 0", "net 1", "net 2"], (1,), 7)]  # multitask, age, smile
    assert found["single-age"].latency_ms == found["pruned-age"].latency_ms == found["frozen-age"].latency_ms
    assert found["single-age"].latency_ms != found["single-smile"].latency_ms
