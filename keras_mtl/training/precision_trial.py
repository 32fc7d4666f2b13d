"""A net's training steps in float32 and in bfloat16, timed in turns."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Mapping

import tensorflow as tf

from keras_mtl.models.cost import training_flops
from keras_mtl.tasks import Task
from keras_mtl.training.config import Config
from keras_mtl.training.initial_model import initial_model

LEAST = 10e9
"""FLOPs of a training step below which the trial costs more than the faster arithmetic can save."""
MOST = 25e9
"""FLOPs of a step of the trial: with larger ones it takes a smaller batch."""
TURNS = 5
SECONDS = 4.0
"""After so many no further turn begins, from the third on."""


def time_precisions(config: Config, tasks: Mapping[str, Task]) -> float | None:
    """Seconds of a step in float32, divided by those in bfloat16; None for a net too small for it to matter.

    A step is a forward and a backward pass of the net that the settings describe: losses, balancing and optimizer
    work on float32 in both. No random state is used, and nothing of it stays. Each precision has its turn, then the
    other, in changing order; the ratio is the median over pairs of turns.
    """
    model = _model(config, tasks, "float32")
    flops = training_flops(model)
    if flops * config.batch_size < LEAST:
        return None
    size = config.image_size
    count = max(1, min(config.batch_size, round(MOST / flops)))
    images = tf.reshape(tf.range(count * size * size * 3) * 37 % 251, [count, size, size, 3])
    images = tf.cast(images, tf.uint8)
    steps = [_step(each, images) for each in (model, _model(config, tasks, "bfloat16"))]
    return ratio_of_turns(*steps)


def ratio_of_turns(first: Callable[[], object], second: Callable[[], object]) -> float:
    """The median over pairs of turns of the seconds that `first` takes, divided by those of `second`."""
    steps = (first, second)
    for step in steps:  # traced, and oneDNN's kernels made
        step()
        step()
    ratios: list[float] = []
    started = time.perf_counter()
    while len(ratios) < TURNS and (len(ratios) < 3 or time.perf_counter() - started < SECONDS):
        order = (0, 1) if len(ratios) % 2 else (1, 0)
        seconds = {which: _seconds(steps[which]) for which in order}
        ratios.append(seconds[0] / seconds[1])
    return statistics.median(ratios)


def _seconds(step: Callable[[], object]) -> float:
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


def _model(config: Config, tasks: Mapping[str, Task], precision: str):
    # Fresh weights, and nothing that draws random numbers in a step.
    plain = dataclasses.replace(config, precision=precision, prune_from="", init_from="", dropout=0.0, seed=0)
    return initial_model(plain, tasks)


def _step(model, images: tf.Tensor) -> Callable[[], object]:
    @tf.function(autograph=False)
    def passes(images):
        with tf.GradientTape() as tape:
            loss = tf.add_n([tf.reduce_mean(output**2) for output in model(images, training=True).values()])
        # One number of each gradient, so that all are worked out and none is copied.
        return tf.add_n([tf.reduce_sum(gradient) for gradient in tape.gradient(loss, model.trainable_variables)])

    return lambda: passes(images).numpy()
