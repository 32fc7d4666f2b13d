"""The graphs that formats are made of, with a name for each output.

Weights stay variables, which converters take once; as constants they would be copied with each rewriting of the graph,
some forty times.
"""

from __future__ import annotations

import tensorflow as tf

from keras_mtl.heads.by_name import head_of
from keras_mtl.serving.calibration import Calibration
from keras_mtl.serving.signatures import readable


def numbers_graph(model, calibration: Calibration):
    """A `tf.function` from images uint8 [batch, size, size, 3] to the numeric outputs."""
    size = model.input_shape[1]

    @tf.function(input_signature=[tf.TensorSpec([None, size, size, 3], tf.uint8, name="images")], autograph=False)
    def numbers(images):
        return _named(readable(model.tasks, model(images, training=False), calibration))

    return numbers


def numbers_of_weights_graph(model, calibration: Calibration):
    """The same with the model's variables as further arguments, named `weight_0` and so on in their order."""
    size, count = model.input_shape[1], len(model.trainable_variables)
    weights = [*model.trainable_variables, *model.non_trainable_variables]
    specs = [tf.TensorSpec(one.shape, one.dtype, name=f"weight_{i}") for i, one in enumerate(weights)]
    images_spec = tf.TensorSpec([None, size, size, 3], tf.uint8, name="images")

    @tf.function(input_signature=[images_spec, *specs], autograph=False)
    def numbers(images, *values):
        outputs, _ = model.stateless_call(values[:count], values[count:], images, training=False)
        return _named(readable(model.tasks, outputs, calibration))

    return numbers


def logits_graph(model):
    """A `tf.function` from images uint8 [batch, size, size, 3] to `<task>_logits`, by no name of a readable output."""
    size = model.input_shape[1]

    @tf.function(input_signature=[tf.TensorSpec([None, size, size, 3], tf.uint8, name="images")], autograph=False)
    def logits(images):
        return _named({_logits(name): value for name, value in model(images, training=False).items()})

    return logits


def readout_graph(model, calibration: Calibration):
    """A `tf.function` from `<task>_logits`, float32 [batch, units] each, to the numeric outputs."""
    specs = [
        tf.TensorSpec([None, head_of(task).units], tf.float32, name=_logits(name)) for name, task in model.tasks.items()
    ]

    @tf.function(input_signature=specs, autograph=False)
    def readout(*logits):
        return _named(readable(model.tasks, dict(zip(model.tasks, logits, strict=True)), calibration))

    return readout


def _logits(task: str) -> str:
    return f"{task}_logits"


def _named(outputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    # Converters name their outputs by the operation that gives them.
    return {name: tf.identity(value, name=name) for name, value in outputs.items()}
