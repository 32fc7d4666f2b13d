"""An ONNX graph with its weights set, and less to do than the converter leaves."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator


def set_weights(model: onnx.ModelProto, weights: Mapping[str, np.ndarray]) -> None:
    """Changes a graph in place so that inputs are constants, and what is computed of constants alone is computed now.

    Args:
        model: the graph.
        weights: by the name of the input.
    """
    graph = model.graph
    kept = [given for given in graph.input if given.name not in weights]
    del graph.input[:]
    graph.input.extend(kept)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer} | dict(weights)
    rest, opsets = [], {one.domain: one.version for one in model.opset_import}
    computed = set(weights)
    for node in graph.node:  # In an order in which each comes after those that it takes from.
        names = [name for name in node.input if name]
        if names and not computed.isdisjoint(names) and all(name in constants for name in names):
            values = ReferenceEvaluator(node, opsets=opsets).run(None, {name: constants[name] for name in names})
            constants.update(zip(node.output, values, strict=True))
            computed.update(node.output)
        else:
            rest.append(node)
    del graph.node[:]
    graph.node.extend(rest)
    used = {name for node in rest for name in node.input}
    del graph.initializer[:]
    graph.initializer.extend(numpy_helper.from_array(constants[name], name) for name in sorted(used & constants.keys()))


def simplify(model: onnx.ModelProto) -> None:
    """Changes a graph in place so that it gives the same, faster.

    Padding before a maximum becomes the maximum's own, where what is padded is not negative: zeros around it then win
    nowhere that nothing would not. And channels are brought to the front while pixels are still bytes, before they are
    cast and scaled, which moves a quarter of the memory.
    """
    graph = model.graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    makers = {output: node for node in graph.node for output in node.output}
    users: dict[str, list[onnx.NodeProto]] = {output.name: [] for output in graph.output}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    for node in list(graph.node):
        if node.op_type == "MaxPool":
            _pad_within(graph, node, makers, users, constants)
        elif node.op_type == "Transpose":
            _transpose_first(graph, node, makers, users, constants)


def _pad_within(graph, pool, makers, users, constants) -> None:
    pad = makers.get(pool.input[0])
    if pad is None or pad.op_type != "Pad" or len(users[pad.output[0]]) > 1 or _attribute(pool, "pads"):
        return
    relu, widths = makers.get(pad.input[0]), constants.get(pad.input[1])
    fill = constants.get(pad.input[2], np.zeros(1)) if len(pad.input) > 2 and pad.input[2] else np.zeros(1)
    if relu is None or relu.op_type != "Relu" or widths is None or fill.any() or len(widths) != 8:
        return
    if widths[[0, 1, 4, 5]].any():  # Of batch and channels.
        return
    pool.input[0] = pad.input[0]
    pool.attribute.append(helper.make_attribute("pads", widths[[2, 3, 6, 7]].tolist()))
    graph.node.remove(pad)


def _transpose_first(graph, transpose, makers, users, constants) -> None:
    """Moves a transposition in front of the Cast, Mul and Add that it follows, if they lead to the graph's input."""
    if _attribute(transpose, "perm") != [0, 3, 1, 2]:
        return
    chain = []
    name = transpose.input[0]
    while (node := makers.get(name)) is not None and node.op_type in ("Cast", "Mul", "Add"):
        known = [other for other in node.input if other in constants and constants[other].ndim <= 1]
        if len(users[name]) > 1 or len(known) != len(node.input) - 1:
            return
        chain.append((node, known))
        (name,) = (other for other in node.input if other not in known)
    if not chain or name not in [given.name for given in graph.input]:
        return
    for node, known in chain:
        for other in known:  # One number, or one a channel, which now stand before height and width.
            reshaped = constants[other].reshape(-1, 1, 1)
            graph.initializer.append(numpy_helper.from_array(reshaped, f"{other}_channels_first"))
            node.input[list(node.input).index(other)] = f"{other}_channels_first"
    first, last = chain[-1][0], chain[0][0]
    moved = f"{name}_channels_first"
    # The last of the chain now gives what the transposition gave.
    last.output[0] = transpose.output[0]
    first.input[list(first.input).index(name)] = moved
    transpose.input[0], transpose.output[0] = name, moved
    graph.node.remove(transpose)
    graph.node.insert(0, transpose)


def _attribute(node: onnx.NodeProto, name: str) -> list[int]:
    return next((list(attribute.ints) for attribute in node.attribute if attribute.name == name), [])
