"""How long a training step waits for its batch.

    python benchmarks/input_wait.py                     a consumer that sleeps for 250 ms a step
    python benchmarks/input_wait.py --consumer=train    ResNet-18 in training
    python benchmarks/input_wait.py --consumer=none     how fast batches can be made at all

Three sources of noise in the sizes of the drawn faces, made into batches as training makes them: op determinism
on, augmentation "strong". The first batch, which can't be ready before it is asked for, is shown by itself.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import keras_mtl

SIZES = {"age": 3707, "gender": 4548, "smile": 4548}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--consumer", choices=("sleep", "train", "none"), default="sleep")
    parser.add_argument("--step_ms", type=float, default=250, help="how long the sleeping consumer takes")
    parser.add_argument("--steps", type=int, default=40, help="steps after the first")
    parser.add_argument("--image_size", type=int, default=64)
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--augment", default="strong", help="none, light or strong")
    parser.add_argument("--file", action="store_true", help="map the images from a file, as --cache=file does")
    options = parser.parse_args()

    import tensorflow as tf

    seed(tf)
    batches = make_batches(options)
    print(f"augmentation {options.augment}: {augmentation_ms(tf, batches, options):.1f} ms a batch")
    consume = {"sleep": lambda: sleep(batches, options), "train": lambda: train(batches, options)}
    started, waited, passed, steps = consume.get(options.consumer, lambda: sleep(batches, options, 0))()
    print(f"first batch: {1000 * started:.0f} ms")
    if options.consumer == "none":
        print(f"then {steps} batches: {1000 * passed / steps:.1f} ms each")
        return
    print(
        f"then {steps} steps of {options.batch_size} images of {options.image_size}x{options.image_size}: "
        f"{1000 * passed / steps:.1f} ms a step, waited {1000 * waited / steps:.2f} ms of it, "
        f"input wait {100 * waited / passed:.2f} %"
    )


def seed(tf) -> None:
    import keras

    keras.utils.set_random_seed(0)
    tf.config.experimental.enable_op_determinism()


def make_batches(options: argparse.Namespace):
    """Training batches of noise."""
    import tempfile

    from keras_mtl.data.augment import Augmentation
    from keras_mtl.data.batches import TrainingBatches
    from keras_mtl.data.splits import SplitData

    rng = np.random.default_rng(0)
    data = []
    for task, size in SIZES.items():
        pixels = rng.integers(0, 256, (size, options.image_size, options.image_size, 3), np.uint8)
        if options.file:
            file = tempfile.NamedTemporaryFile(suffix=".npy")  # noqa: SIM115 - lives as long as its mapping
            np.save(file.name, pixels)
            pixels = np.load(file.name, mmap_mode="r")
        labels = {task: rng.integers(0, 2, size).astype(np.float32)}
        data.append(SplitData(task, pixels, [str(i) for i in range(size)], labels))
    augment = Augmentation.named(options.augment)
    return TrainingBatches(data, list(SIZES), batch_size=options.batch_size, mix="size", seed=0, augment=augment)


def augmentation_ms(tf, batches, options: argparse.Namespace) -> float:
    """The median time of a batch's augmentation by itself, on all cores."""
    if batches.augment is None:
        return 0.0
    images = tf.constant(batches.data[0].images[: options.batch_size])
    augment = tf.function(batches.augment)
    times = []
    for step in range(30):
        start = time.perf_counter()
        augment(images, tf.constant([0, step]))
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times[5:]))


def sleep(batches, options: argparse.Namespace, step_ms: float | None = None) -> tuple[float, float, float, int]:
    """Seconds waited for the first batch, for all others, seconds passed, and the number of those steps."""
    pause = (options.step_ms if step_ms is None else step_ms) / 1000
    iterator = iter(batches.dataset())
    next(iterator)
    first = batches.wait_seconds()
    time.sleep(pause)
    start = time.perf_counter()
    for _ in range(options.steps):
        next(iterator)
        time.sleep(pause)
    return first, batches.wait_seconds(), time.perf_counter() - start, options.steps


def train(batches, options: argparse.Namespace) -> tuple[float, float, float, int]:
    """As `sleep`, with `fit` of the standard net as the consumer."""
    import keras

    class Clock(keras.callbacks.Callback):
        first = waited = started = passed = 0.0

        def on_train_batch_end(self, batch, logs=None):
            # The first step traces the graph and the second still fills the buffer.
            if batch == 1:
                self.first, self.started = batches.wait_seconds(), time.perf_counter()
            if batch == options.steps + 1:
                self.waited, self.passed = batches.wait_seconds(), time.perf_counter() - self.started
                self.model.stop_training = True

    model = keras_mtl.build_model(image_size=options.image_size)
    model.compile("sgd")
    clock = Clock()
    epochs = -(-(options.steps + 2) // batches.steps_per_epoch)
    model.fit(batches.dataset(), epochs=epochs, verbose=0, shuffle=False, callbacks=[clock])
    return clock.first, clock.waited, clock.passed, options.steps


if __name__ == "__main__":
    main()
