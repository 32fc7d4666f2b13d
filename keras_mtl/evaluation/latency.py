"""How long a prediction takes: models measured in turns, so that their ratios hold on a busy machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras


def measure_latency(
    models: Mapping[str, keras.Model],
    batch_sizes: Sequence[int] = (1, 64),
    *,
    rounds: int = 20,
    seed: int = 0,
) -> dict[str, dict[int, float]]:
    """Milliseconds that a batch's forward pass takes, by model and batch size.

    Each model is called as a graph of fixed input shape, from numpy in to numpy out. In every round each model is
    called once, in an order drawn anew, on the same images; so what else the machine does falls on all alike.

    Args:
        models: by name; each of one input of known size.
        batch_sizes: images at once.
        rounds: timed calls of each model and batch size, after two that are not timed.
        seed: of the images and the order.

    Returns:
        The median over the rounds.
    """
    random = np.random.default_rng(seed)
    times: dict[str, dict[int, float]] = {name: {} for name in models}
    for size in batch_sizes:
        calls = {name: _call(model, size, seed) for name, model in models.items()}
        for call in (*calls.values(), *calls.values()):
            call()
        seconds: dict[str, list[float]] = {name: [] for name in models}
        for _ in range(rounds):
            for name in random.permutation(list(calls)):
                seconds[name].append(_timed(calls[name]))
        for name, values in seconds.items():
            times[name][size] = 1000 * float(np.median(values))
    return times


def _call(model: keras.Model, size: int, seed: int) -> Callable[[], object]:
    """A call of the traced model on a batch of noise; it returns when the numbers are there."""
    import tensorflow as tf

    shape, dtype = (size, *model.inputs[0].shape[1:]), model.inputs[0].dtype
    predict = tf.function(
        lambda images: model(images, training=False),
        input_signature=[tf.TensorSpec(shape, dtype)],
        autograph=False,
    ).get_concrete_function()
    images = tf.constant(np.random.default_rng(seed).integers(0, 256, shape), dtype)
    return lambda: tf.nest.map_structure(lambda output: output.numpy(), predict(images))


def _timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
