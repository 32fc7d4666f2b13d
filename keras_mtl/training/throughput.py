"""How fast a training is, and how long it waits for its input."""

from __future__ import annotations

import time

import keras


class Throughput(keras.callbacks.Callback):
    """Adds to an epoch's logs how fast it was: `images_per_second` and `input_wait`.

    `input_wait` is the share of the training time that steps waited for their batch, 0 to 1.

    Args:
        batches: the `TrainingBatches`, which count the waiting.
        batch_size: images in a step.
    """

    def __init__(self, batches, batch_size: int):
        super().__init__()
        self.batches = batches
        self.batch_size = batch_size

    def on_epoch_begin(self, epoch, logs=None):
        self._steps, self._ended = 0, time.monotonic()

    def on_train_batch_begin(self, batch, logs=None):
        if self._steps == 0:
            self._began = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        self._steps += 1
        self._ended = time.monotonic()
        if self._steps == 1:
            # The first step traces the graph and fills the input's buffers: neither belongs to its pace.
            self._began = self._ended
            self.batches.wait_seconds()

    def on_epoch_end(self, epoch, logs=None):
        seconds = self._ended - self._began
        if self._steps > 1:
            logs["images_per_second"] = self.batch_size * (self._steps - 1) / seconds
            logs["input_wait"] = self.batches.wait_seconds() / seconds
