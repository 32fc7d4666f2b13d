"""Which weights of a model several tasks share, and in which part of the trunk they lie."""

from __future__ import annotations

from collections.abc import Mapping

import keras

REST = "trunk"  # the part of shared weights behind no stage, or of a net whose layers bear no stage's name


def shared_weights(outputs: Mapping[str, keras.KerasTensor], inputs) -> list[keras.Variable]:
    """The trainable weights that two outputs or more depend on, in the model's order; all of them for one output.

    Args:
        outputs: a functional model's output tensors by task.
        inputs: its input.
    """
    seen: dict[int, int] = {}
    for output in outputs.values():
        for weight in keras.Model(inputs, output).trainable_variables:
            seen[id(weight)] = seen.get(id(weight), 0) + 1
    everything = keras.Model(inputs, dict(outputs)).trainable_variables
    least = min(2, len(outputs))
    return [weight for weight in everything if seen[id(weight)] >= least]


def shared_features(model: keras.Model) -> keras.KerasTensor | None:
    """The tensor that all outputs depend on, and behind which two share no weight; None where there is none.

    For branches that leave from the trunk's end it is what all heads read.
    """
    tasks = [keras.Model(model.input, output).layers for output in model.output.values()]
    common = [layer for layer in model.layers if all(layer in own for own in tasks)]
    read = {id(tensor) for layer in model.layers if layer not in common for tensor in _inputs(layer)}
    last = common[-1].output
    inside = {id(weight) for weight in keras.Model(model.input, last).trainable_variables}
    everything = all(id(weight) in inside for weight in shared_weights(model.output, model.input))
    is_only_way = read & {id(layer.output) for layer in common} == {id(last)}
    return last if everything and is_only_way else None


def part_of(model: keras.Model, weights: list[keras.Variable], is_part) -> dict[str, list[int]]:
    """The positions in `weights` by the part of the trunk that they lie in, in the trunk's order.

    Args:
        model: a functional model.
        weights: some of its weights.
        is_part: says of a layer's name whether it ends a part; see `models.resnet.is_stage`.
    """
    parts: dict[str, list[int]] = {}
    left = {id(weight): position for position, weight in enumerate(weights)}
    ends = [layer for layer in model.layers if is_part(layer.name)]
    for name, tensor in [(layer.name, layer.output) for layer in ends] + [(REST, model.output)]:
        inside = keras.Model(model.input, tensor).trainable_variables
        found = [left.pop(id(weight)) for weight in inside if id(weight) in left]
        if found:
            parts[name] = sorted(found)
    return parts


def _inputs(layer) -> list:
    tensors = layer.input
    return list(tensors) if isinstance(tensors, (list, tuple)) else [tensors]
