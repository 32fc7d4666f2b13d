"""BatchNormalization on TensorFlow's fused kernel: Keras' layer, with less of memory walked through."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_mtl.layers.row_groups import RowGroups


@keras.saving.register_keras_serializable(package="keras_mtl")
class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` by one fused kernel instead of a chain of elementwise ones.

    Keras 3 computes moments, then normalises, each in float32 and each a pass over memory. TensorFlow's
    FusedBatchNorm does it in one operation, takes bfloat16 in and gives bfloat16 out with statistics in
    float32, and has a fused gradient. Configuration, weights and `trainable = False` (inference mode)
    are Keras' own, and so is the moving average, which takes the *biased* variance; torch's takes the
    unbiased one, larger by `n / (n - 1)` with n = batch * height * width.

    Inputs: float32, bfloat16 or float16, `[batch, height, width, channels]`. What the kernel doesn't know
    (a mask, another rank or axis, no scale or offset, renorm, synchronized) runs on Keras' code.

    Example:
        >>> BatchNormalization(momentum=0.9, epsilon=1e-5)(tf.ones([2, 4, 4, 3])).shape
        TensorShape([2, 4, 4, 3])

    References:
        Ioffe and Szegedy, Batch Normalization, 2015, algorithm 1: https://arxiv.org/abs/1502.03167
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._pool: list[tuple] | None = None

    groups_of_rows: RowGroups | None = None  # set while groups of rows are told apart

    def call(self, inputs, training=None, mask=None):
        if not self._is_fusable(inputs, mask):
            return super().call(inputs, training=training, mask=mask)
        gamma, beta = tf.convert_to_tensor(self.gamma), tf.convert_to_tensor(self.beta)
        if training and self.trainable:
            if self.groups_of_rows is not None:
                return self.groups_of_rows.normalize(self, inputs)
            return self.normalize_by_own(inputs, gamma, beta)
        return self._normalize(inputs, gamma, beta, (self.moving_mean, self.moving_variance))[0]

    def normalize_by_own(self, inputs, gamma, beta):
        """Normalises rows `[batch, height, width, channels]` by their own statistics, which the averages then follow.

        Args:
            inputs: the rows.
            gamma, beta: scale and offset, float32 `[channels]`.
        """
        empty = tf.zeros([0], tf.float32)
        outputs, mean, variance = self._normalize(inputs, gamma, beta, (empty, empty), is_training=True)
        count = inputs.shape[:-1].num_elements()
        if count is None:
            count = tf.cast(tf.size(inputs) // tf.shape(inputs)[-1], variance.dtype)
        if self._pool is not None:
            self._pool.append((count, mean, variance))
        else:
            self._move(self.moving_mean, mean)
            self._move(self.moving_variance, variance * ((count - 1.0) / count))
        return outputs

    def _normalize(self, inputs, gamma, beta, statistics, is_training: bool = False):
        """The outputs, and the mean and unbiased variance of the inputs."""
        return tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=gamma,
            offset=beta,
            mean=tf.convert_to_tensor(statistics[0]),
            variance=tf.convert_to_tensor(statistics[1]),
            epsilon=self.epsilon,
            data_format="NHWC",
            is_training=is_training,
        )[:3]

    def _is_fusable(self, inputs, mask) -> bool:
        return (
            mask is None
            and len(inputs.shape) == 4
            and self.axis in (-1, 3)
            and self.is_plain
            and keras.backend.standardize_dtype(inputs.dtype) in ("float32", "bfloat16", "float16")
        )

    @property
    def is_plain(self) -> bool:
        """Whether its settings are those that the kernel knows."""
        renorm = getattr(self, "renorm", False)  # Keras 3.12 has none
        return self.scale and self.center and not renorm and not self.synchronized

    def _move(self, average, value) -> None:
        average.assign(average * self.momentum + value * (1.0 - self.momentum))


@contextlib.contextmanager
def pooled_statistics(model: keras.Model, forget: bool = False) -> Iterator[None]:
    """Within it the model's layers of this module gather the statistics of several passes over parts of a batch.

    At its end they move their averages once, to the mean and the variance over the rows of all passes (by the law
    of total variance): the inference-mode net is that of the whole batch, whatever parts it was normalised in.

    Args:
        model: whose layers; layers of other classes are left alone.
        forget: whether the statistics are dropped in place of that, as for a pass that only measures.
    """
    layers = [layer for layer in model.layers if isinstance(layer, BatchNormalization)]
    outer = [layer._pool for layer in layers]
    for layer in layers:
        layer._pool = []
    try:
        yield
        if not forget:
            pools = [(layer, layer._pool) for layer in layers if layer._pool]
            for passes in {len(pool) for _, pool in pools}:
                _move_together([(layer, pool) for layer, pool in pools if len(pool) == passes])
    finally:
        for layer, pool in zip(layers, outer, strict=True):
            layer._pool = pool


def _move_together(pools: Sequence[tuple[BatchNormalization, list[tuple]]]) -> None:
    """Moves the averages of layers of as many passes, laid end to end: a step spends less time on tiny operations.

    Args:
        pools: layers, and of each pass through them rows times positions, mean and unbiased variance.
    """
    layers = [layer for layer, _ in pools]
    widths = [layer.moving_mean.shape[0] for layer in layers]
    passes = range(len(pools[0][1]))

    def laid(part: int) -> tf.Tensor:
        """A part of the entries, a number or [channels], as float32 [passes, all channels]."""
        rows = [
            tf.broadcast_to(tf.cast(pool[number][part], tf.float32), [width])
            for number in passes
            for (_, pool), width in zip(pools, widths, strict=True)
        ]
        return tf.reshape(tf.concat(rows, 0), [len(passes), sum(widths)])

    counts, means = laid(0), laid(1)
    variances = laid(2) * (counts - 1.0) / counts
    shares = counts / tf.reduce_sum(counts, axis=0)
    mean = tf.reduce_sum(shares * means, axis=0)
    variance = tf.reduce_sum(shares * (variances + tf.square(means - mean)), axis=0)
    keep = tf.constant(np.repeat([layer.momentum for layer in layers], widths), tf.float32)
    for name, value in (("moving_mean", mean), ("moving_variance", variance)):
        averages = [getattr(layer, name) for layer in layers]
        moved = keep * tf.concat([tf.convert_to_tensor(average) for average in averages], 0) + (1.0 - keep) * value
        for average, own in zip(averages, tf.split(moved, widths), strict=True):
            average.assign(own)
