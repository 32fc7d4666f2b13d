"""What it costs to look in each step whether a training has diverged, as a share of the step's processor time.

    python benchmarks/divergence_cost.py

The look is repeated in one graph, since called by itself it would be dear for its call alone.
"""

from __future__ import annotations

import time

import numpy as np
import tensorflow as tf

import keras_mtl
from keras_mtl.optimizers import AdamW

LOOKS, BATCH, SIZE = 20, 64, 64


def seconds(call, times: int) -> float:
    """Processor time of one call, which other programs on the machine disturb less than the clock's."""
    call()
    start = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - start) / times


def main() -> None:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (BATCH, SIZE, SIZE, 3), np.uint8)
    for precision in ("float32", "bfloat16"):
        for width in (64, 32):
            model = keras_mtl.build_model(image_size=SIZE, width=width, precision=precision)
            model.compile(AdamW(1e-3), jit_compile=False)
            labels = {name: random.integers(0, 2, BATCH).astype("float32") for name in model.tasks}
            model.train_on_batch(images, labels)

            @tf.function(autograph=False)
            def looks(watch=model.divergence):
                for _ in range(LOOKS):
                    watch.look(tf.constant(1))

            look = seconds(looks, 10) / LOOKS
            step = seconds(lambda model=model, labels=labels: model.train_on_batch(images, labels), 6)
            print(f"{precision}, width {width}: {1e3 * look:.2f} ms of {1e3 * step:.0f} ms, {look / step:.2%}")


if __name__ == "__main__":
    main()
