import keras
import numpy as np
import pytest

from keras_mtl.optimizers import build_optimizer, build_schedule


@pytest.mark.parametrize("name, end", [("cosine", 0.0), ("linear", 0.0), ("constant", 0.1)])
def test_the_learning_rate_rises_then_follows_its_schedule(name, end):
    schedule = build_schedule(name, 0.1, steps=100, warmup=0.1)
    rates = np.array([float(schedule(step)) for step in range(101)])
    np.testing.assert_allclose(rates[:10], 0.01 * np.arange(1, 11), rtol=1e-5)
    assert rates.max() == pytest.approx(0.1)
    assert rates[100] == pytest.approx(end, abs=1e-6)
    assert (np.diff(rates[10:]) <= 1e-9).all()


def test_cosine_is_at_half_height_half_way():
    assert float(build_schedule("cosine", 1.0, steps=200, warmup=0.0)(100)) == pytest.approx(0.5, abs=1e-6)


def test_a_schedule_survives_serialisation():
    schedule = build_schedule("cosine", 0.1, steps=50, warmup=0.2)
    optimizer = keras.optimizers.deserialize(keras.optimizers.serialize(build_optimizer("adamw", schedule, 0.1)))
    assert float(optimizer._learning_rate(30)) == float(schedule(30))


@pytest.mark.parametrize("name, decays", [("adamw", True), ("sgd", True), ("adam", False)])
def test_weight_decay_shrinks_kernels_only(name, decays):
    optimizer = build_optimizer(name, 0.1, weight_decay=0.5)
    kernel, bias = (keras.Variable(np.ones(3, np.float32), name=label) for label in ("kernel", "bias"))
    optimizer.build([kernel, bias])
    optimizer.apply([np.zeros(3, np.float32)] * 2, [kernel, bias])
    assert np.asarray(kernel.value)[0] == pytest.approx(0.95 if decays else 1.0)
    assert np.asarray(bias.value)[0] == 1.0
