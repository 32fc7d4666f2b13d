"""BatchNormalization on TensorFlow's fused kernel: Keras' layer, with less of memory walked through."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras
import tensorflow as tf


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
        self._pool = _Pool()

    def call(self, inputs, training=None, mask=None):
        if not self._is_fusable(inputs, mask):
            return super().call(inputs, training=training, mask=mask)
        learns = bool(training and self.trainable)
        empty = tf.zeros([0], tf.float32)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.convert_to_tensor(self.gamma),
            offset=tf.convert_to_tensor(self.beta),
            mean=empty if learns else tf.convert_to_tensor(self.moving_mean),
            variance=empty if learns else tf.convert_to_tensor(self.moving_variance),
            epsilon=self.epsilon,
            data_format="NHWC",
            is_training=learns,
        )
        if learns:
            count = tf.cast(tf.size(inputs) // tf.shape(inputs)[-1], variance.dtype)
            biased = variance * ((count - 1.0) / count)
            if self._pool.is_open:
                self._pool.entries.append((count, mean, biased))
            else:
                self._update(mean, biased)
        return outputs

    def _update(self, mean, variance) -> None:
        self._move(self.moving_mean, mean)
        self._move(self.moving_variance, variance)

    def _is_fusable(self, inputs, mask) -> bool:
        return (
            mask is None
            and len(inputs.shape) == 4
            and self.axis in (-1, 3)
            and self.scale
            and self.center
            and not getattr(self, "renorm", False)  # Keras 3.12 has none
            and not self.synchronized
            and keras.backend.standardize_dtype(inputs.dtype) in ("float32", "bfloat16", "float16")
        )

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
        layer._pool = _Pool(is_open=True)
    try:
        yield
        for layer in layers:
            if layer._pool.entries and not forget:
                layer._update(*layer._pool.total())
    finally:
        for layer, pool in zip(layers, outer, strict=True):
            layer._pool = pool


class _Pool:
    """Statistics of several passes: (rows times positions, mean, biased variance), the latter two [channels]."""

    def __init__(self, is_open: bool = False):
        self.is_open = is_open
        self.entries: list[tuple[tf.Tensor, tf.Tensor, tf.Tensor]] = []

    def total(self) -> tuple[tf.Tensor, tf.Tensor]:
        if len(self.entries) == 1:
            return self.entries[0][1:]
        counts, means, variances = (tf.stack(column) for column in zip(*self.entries, strict=True))
        shares = (counts / tf.reduce_sum(counts))[:, None]
        mean = tf.reduce_sum(shares * means, axis=0)
        return mean, tf.reduce_sum(shares * (variances + tf.square(means - mean)), axis=0)
