"""Latency: measured by model and batch size, in turns. Speed itself is no test's matter."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mtl.evaluation import latency
from keras_mtl.evaluation.latency import measure_latency


def test_every_model_and_batch_size_is_measured(tiny_model):
    inputs = keras.Input([4])
    small = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    times = measure_latency({"net": tiny_model, "small": small}, (1, 3), rounds=3)
    assert {name: list(sizes) for name, sizes in times.items()} == {"net": [1, 3], "small": [1, 3]}
    assert all(value > 0 for sizes in times.values() for value in sizes.values())


def test_models_take_turns_on_the_same_batch_and_the_median_counts(monkeypatch):
    order = []
    clock = iter(np.cumsum([0, 1, 0, 2, 0, 3, 0, 4, 0, 9, 0, 8]) / 1000)

    class Made(keras.Model):
        def __init__(self, name):
            super().__init__(name=name)
            self.inputs = [tf.TensorSpec((None, 2), "float32")]

        def call(self, inputs):
            return inputs

    monkeypatch.setattr(latency.time, "perf_counter", lambda: float(next(clock)))
    made = latency._call

    def told(model, size, seed):
        call = made(model, size, seed)
        return lambda: (order.append(model.name), call())

    monkeypatch.setattr(latency, "_call", told)
    times = measure_latency({"a": Made("a"), "b": Made("b")}, (2,), rounds=3)
    assert order[:4] == ["a", "b", "a", "b"]  # warm-up
    turns = [order[i : i + 2] for i in range(4, 10, 2)]
    assert all(sorted(turn) == ["a", "b"] for turn in turns)
    spent = {name: sorted(t for n, t in zip(order[4:], [1, 2, 3, 4, 9, 8], strict=True) if n == name) for name in "ab"}
    assert times["a"][2] == pytest.approx(spent["a"][1]) and times["b"][2] == pytest.approx(spent["b"][1])
