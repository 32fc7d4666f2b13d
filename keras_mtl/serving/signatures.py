"""The functions of the exported graph: from images or encoded photos to values, probabilities and class names."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Callable, Mapping

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from keras_mtl.heads.by_name import head_of
from keras_mtl.kinds import kind_of
from keras_mtl.serving.calibration import Calibration
from keras_mtl.serving.photo_graph import decode_image, resize_images
from keras_mtl.tasks import Task

_WEIGHT = "keras_mtl_weight_"
"""Begins the name of a constant that is a weight; its number follows."""
# Photos decoded at once by serve_bytes: one of 24 megapixels takes 360 MB while it is resized.
DECODED_AT_ONCE = 4


def serving_module(model, class_files: Mapping[str, str], calibration: Calibration) -> tf.Module:
    """A module whose three functions are the signatures that `export_model` describes.

    Args:
        model: a `MultiTaskModel`.
        class_files: by task the path of a file with its classes' names, one a line; they become the SavedModel's
            assets.
        calibration: as `readable` takes it.

    The weights are constants of the graph, not variables. TensorFlow then prepares them once, when the model is
    loaded, where it would reorder them for each call: about twice as fast for one image at a time, 1.05 times for 64.
    They are zeros until the module is saved and `set_constants` sets them.
    """
    size = model.input_shape[1]
    call = constant_call(model)

    @tf.function(input_signature=[tf.TensorSpec([None, size, size, 3], tf.uint8)], autograph=False)
    def predict(images):
        # In the graph of this function, once, and shared by the three signatures.
        numbers = readable(model.tasks, call(images), calibration)
        return {**numbers, **class_names(model.tasks, numbers)}

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")], autograph=False)
    def serving_default(images):
        # Resizing to the same size changes nothing but costs a tenth of the whole.
        resized = tf.cond(
            tf.reduce_all(tf.shape(images)[1:3] == size), lambda: images, lambda: resize_images(images, size)
        )
        return predict(resized)

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32, name="images")], autograph=False)
    def serve_float(images):
        return predict(resize_images(images, size))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="images")], autograph=False)
    def serve_bytes(images):
        pixels = tf.map_fn(
            lambda data: resize_images(decode_image(data), size),
            images,
            fn_output_signature=tf.TensorSpec([size, size, 3], tf.uint8),
            parallel_iterations=DECODED_AT_ONCE,
        )
        return predict(pixels)

    module = tf.Module(name="keras_mtl")
    module.serving_default, module.serve_float, module.serve_bytes = serving_default, serve_float, serve_bytes
    module.class_files = {name: tf.saved_model.Asset(path) for name, path in class_files.items()}
    return module


def constant_call(model) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """From images uint8 [batch, size, size, 3] to logits by task, for use in a `tf.function`.

    Weights are constants of its graph, zeros as yet: see `set_constants`.
    """
    weights, count = _weights(model), len(model.trainable_variables)

    def call(images: tf.Tensor) -> dict[str, tf.Tensor]:
        zeros = [tf.constant(0, one.dtype, one.shape, name=f"{_WEIGHT}{i}") for i, one in enumerate(weights)]
        outputs, _ = model.stateless_call(zeros[:count], zeros[count:], images, training=False)
        return outputs

    return call


def set_constants(folder: pathlib.Path, model) -> None:
    """Sets the weights in a SavedModel whose functions use `constant_call`.

    Only when it is written: TensorFlow copies a graph some thirty times while it traces and saves it.
    """
    path, weights = folder / "saved_model.pb", _weights(model)
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for graph in saved.meta_graphs:
        for function in graph.graph_def.library.function:
            for node in function.node_def:
                if node.op == "Const" and (found := re.fullmatch(rf"{_WEIGHT}(\d+)", node.name)):
                    value = weights[int(found[1])].numpy()
                    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    path.write_bytes(saved.SerializeToString(deterministic=True))
    (folder / "fingerprint.pb").unlink(missing_ok=True)  # Of the graph as it was. TensorFlow does without.


def _weights(model) -> list:
    return [*model.trainable_variables, *model.non_trainable_variables]


def readable(
    tasks: Mapping[str, Task], logits: Mapping[str, tf.Tensor], calibration: Calibration
) -> dict[str, tf.Tensor]:
    """What a person reads, as numbers, from the logits of each task.

    Args:
        tasks, logits: by name.
        calibration: the tasks' temperatures and intervals; those that it doesn't name are as the net has them.

    Returns:
        float32: `<task>`, a value `[batch]` in the task's unit, or probabilities `[batch, classes]`; for a head that
        learns a distribution `<task>_distribution` `[batch, bins]`; and `<task>_interval` `[batch, 2]`, which is the
        fitted one, cut at the task's range, or else holds the middle 80 % of the distribution.
    """
    outputs = {}
    for name, task in tasks.items():
        head, raw = head_of(task), tf.cast(logits[name], tf.float32)
        outputs.update(kind_of(task).outputs(head.decode(raw), head.extra(raw), calibration.get(name, {})))
    return outputs


def class_names(tasks: Mapping[str, Task], outputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """`<task>_class` `[batch]`, string: the name of the likeliest class."""
    return {word: value for name, task in tasks.items() for word, value in kind_of(task).words(outputs[name]).items()}


def with_precision(model, policy: str):
    """The same model, with the same weights, whose layers all compute in `policy`; itself if they do already.

    Quantized layers stay quantized, with `policy` for the rest of what they do.
    """
    if all(layer.compute_dtype == layer.variable_dtype == policy for layer in model.layers):
        return model
    config = _replace_policies(model.get_config(), policy)
    converted = type(model).from_config(config)
    converted.set_weights(model.get_weights())
    return converted


_POLICY_FIELDS = {"DTypePolicy": "name", "QuantizedDTypePolicy": "source_name"}


def _replace_policies(config, policy: str):
    if isinstance(config, dict):
        field = _POLICY_FIELDS.get(config.get("class_name", ""))
        if field is not None:
            return {**config, "config": {**config["config"], field: policy}}
        return {key: _replace_policies(value, policy) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return type(config)(_replace_policies(value, policy) for value in config)
    return config
