"""AdamW on TensorFlow's fused kernel."""

from __future__ import annotations

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="keras_mtl")
class AdamW(keras.optimizers.AdamW):
    """`keras.optimizers.AdamW`, with each variable's update in one kernel instead of a dozen passes over memory.

    The arithmetic is Keras' own, `m += (1 - b1) (g - m)`, `v += (1 - b2) (g^2 - v)`,
    `w -= rate * sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + epsilon)` at step t, equal within float32's rounding.
    Arguments, state and weight decay are Keras' too. Sparse gradients, `amsgrad`, variables that are not
    float32 and training under a `tf.distribute` strategy take Keras' code.

    References:
        Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2017, algorithm 2:
        https://arxiv.org/abs/1711.05101
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.slots = _Slots()

    def add_variable_from_reference(self, reference_variable, name=None, initializer="zeros"):
        slot = super().add_variable_from_reference(reference_variable, name=name, initializer=initializer)
        self.slots.of(_tensorflow(reference_variable))[name] = slot
        return slot

    def update_step(self, gradient, variable, learning_rate):
        fusable = variable.dtype == tf.float32 and not isinstance(gradient, tf.IndexedSlices)
        if self.amsgrad or tf.distribute.has_strategy() or not fusable:
            return super().update_step(gradient, variable, learning_rate)
        slots = self.slots.of(variable)
        step = tf.cast(self.iterations + 1, tf.float32)
        return tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=_tensorflow(slots["momentum"]).handle,
            v=_tensorflow(slots["velocity"]).handle,
            beta1_power=tf.pow(self.beta_1, step),
            beta2_power=tf.pow(self.beta_2, step),
            lr=tf.cast(learning_rate, tf.float32),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.cast(gradient, tf.float32),
        )


class _Slots:
    """Each variable's momentum and velocity by name. No dict, since Keras would track that a second time."""

    def __init__(self):
        self.by_variable: dict = {}

    def of(self, variable: tf.Variable) -> dict:
        return self.by_variable.setdefault(variable.ref(), {})


def _tensorflow(variable) -> tf.Variable:
    return variable.value if isinstance(variable, keras.Variable) else variable
