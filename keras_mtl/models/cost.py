"""What a model costs: parameters, megabytes, and floating point operations of prediction and of training."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import TypedDict

import keras
import tensorflow as tf

from keras_mtl.errors import UserError
from keras_mtl.values import without_nan


class PlainCost(TypedDict):
    """A `Cost` as plain data; batch sizes are texts, as JSON has them."""

    parameters: int
    megabytes: float
    flops: int
    training_flops: float | None
    latency_ms: dict[str, float]


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a model costs.

    Attributes:
        parameters: all weights, as Keras' `count_params` has them: with BatchNormalization's moving statistics,
            which are stored and shipped too. torchvision leaves these out.
        megabytes: of the weights in float32, 10^6 bytes each; Keras keeps them so in bfloat16 models too.
        flops: floating point operations of the forward pass of one image; a multiply-add counts as 2.
        training_flops: those of the whole training; NaN where not known.
        latency_ms: by batch size, the median milliseconds of a batch's forward pass; empty where not measured.
    """

    parameters: int
    megabytes: float
    flops: int
    training_flops: float = math.nan
    latency_ms: Mapping[int, float] = dataclasses.field(default_factory=dict)

    def to_dict(self) -> dict:
        """As plain data for JSON, with None for NaN."""
        return without_nan(dataclasses.asdict(self))

    @classmethod
    def from_dict(cls, plain: PlainCost) -> Cost:
        """The cost that `to_dict` described. Raises UserError where a batch size is no number."""
        training = plain["training_flops"]
        latency = {int(size): value for size, value in plain["latency_ms"].items()}
        training = math.nan if training is None else training
        return cls(plain["parameters"], plain["megabytes"], plain["flops"], training, latency)


def model_cost(model: keras.Model) -> Cost:
    """The cost that a model's structure has: nothing is run, so `training_flops` and `latency_ms` stay empty.

    FLOPs are those of TensorFlow's own profiler on the traced forward pass. It counts convolutions, matrix
    products, sums, means and pooling; the fused BatchNormalization and ReLU, less than a hundredth, are left out.

    Args:
        model: a model of one input of known size.

    Raises:
        UserError: the model takes images of any size.

    Example:
        >>> inputs = keras.Input([4])
        >>> model_cost(keras.Model(inputs, keras.layers.Dense(3)(inputs))).flops  # 2 * 4 * 3, and 3 biases
        27
    """
    parameters = model.count_params()
    return Cost(parameters, 4 * parameters / 1e6, sum(flops for flops, _ in _operations(model)))


def training_flops(model: keras.Model, images: int = 1) -> float:
    """Floating point operations of training on so many images, with layers frozen as they are in `model`.

    Each operation costs its forward pass once, once more for each operand whose gradient is taken: its weights
    where they are trainable, and its inputs where anything trainable lies below. So a net that is trained whole
    costs three times its forward pass, the first layer twice, and frozen lower layers once. Loss, metrics,
    augmentation and the optimizer's few operations a weight are not counted.

    Source: the backward pass as twice the forward one is the usual count, as in Kaplan et al., Scaling Laws for
    Neural Language Models, 2020, section 2.1, https://arxiv.org/abs/2001.08361; here it is taken apart by operand.

    Args:
        model: as for `model_cost`.
        images: how many images it is trained on, repetitions included.
    """
    return float(images * sum(flops * (1 + gradients) for flops, gradients in _operations(model)))


def _operations(model: keras.Model) -> Iterator[tuple[int, int]]:
    """Of each operation of one image's forward pass: its FLOPs, and how many operands get a gradient."""
    graph = _trace(model)
    # By identity, since tensors can't be compared.
    trainable = {id(variable.value.handle) for variable in model.trainable_variables}
    learned = {inner.name for outer, inner in graph.captures if id(outer) in trainable}
    flops = flops_by_operation(graph)
    for operation in graph.get_operations():  # in the order of making, so operands come first
        gradients = sum(tensor.name in learned for tensor in operation.inputs)
        if gradients:
            learned.update(tensor.name for tensor in operation.outputs)
        if operation.name in flops:
            yield flops[operation.name], gradients


def _trace(model: keras.Model) -> tf.Graph:
    shape = model.inputs[0].shape[1:]
    if None in shape:
        raise UserError(f"The model takes images of any size {tuple(shape)}: FLOPs are counted for a known one")
    function = tf.function(lambda inputs: model(inputs, training=False), autograph=False)
    return function.get_concrete_function(tf.TensorSpec((1, *shape), model.inputs[0].dtype)).graph


def flops_by_operation(graph: tf.Graph) -> dict[str, int]:
    """Floating point operations by operation's name, of those that TensorFlow's profiler knows how to count."""
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    found, left = {}, [tf.compat.v1.profiler.profile(graph, options=options)]
    while left:
        node = left.pop()
        left += node.children
        if node.float_ops:
            found[node.name] = node.float_ops
    return found
