"""AdamW on TensorFlow's fused kernel."""

from __future__ import annotations

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="keras_mtl")
class AdamW(keras.optimizers.AdamW):
    """`keras.optimizers.AdamW`, with each variable's update in one kernel instead of a dozen passes over memory.

    The arithmetic is Keras' own, `m += (1 - b1) (g - m)`, `v += (1 - b2) (g^2 - v)`,
    `w -= rate * sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + epsilon)` at step t, equal within float32's rounding.
    Arguments, state and weight decay are Keras' too. Sparse gradients, `amsgrad` and variables that are not
    float32 take Keras' code.

    References:
        Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2017, algorithm 2:
        https://arxiv.org/abs/1711.05101
    """

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        if self.amsgrad or isinstance(gradient, tf.IndexedSlices) or variable.dtype != tf.float32:
            return super().update_step(gradient, variable, learning_rate)
        return index
