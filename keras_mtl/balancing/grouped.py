"""Gradients by group of rows, or by task: their inner products, and their sums with weights."""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence

import numpy as np
import tensorflow as tf

from keras_mtl.layers.convolution import Conv2D

MOST = 1 << 21


class Terms:
    """The gradients of some weights, as tensors.

    Args:
        keys: what each weight is called by, such as its id.
        groups: for each group the gradient of each weight, all of one dtype.
    """

    def __init__(self, keys: Sequence[int], groups: Sequence[Sequence[tf.Tensor]]):
        self.keys = list(keys)
        self.groups = [list(own) for own in groups]

    def only(self, keys: Collection[int]) -> Terms:
        """Those of some of the weights."""
        kept = [number for number, key in enumerate(self.keys) if key in keys]
        return Terms([self.keys[k] for k in kept], [[own[k] for k in kept] for own in self.groups])

    def terms(self) -> dict[int, list[tf.Tensor]]:
        """By weight the gradient of each group."""
        return {key: [own[number] for own in self.groups] for number, key in enumerate(self.keys)}

    def inner(self) -> tf.Tensor:
        """The groups' inner products over all weights, float32 [groups, groups]."""
        return tf.matmul(self._rows, self._rows, transpose_b=True)

    def weighted(self, weights: tf.Tensor) -> dict[int, tf.Tensor]:
        """By weight the sum of the groups' gradients times weights, float32 [groups]."""
        shapes = [tensor.shape for tensor in self.groups[0]]
        sizes = [shape.num_elements() for shape in shapes]
        parts = tf.split(tf.matmul(weights[None, :], self._rows)[0], sizes)
        return {key: tf.reshape(part, shape) for key, part, shape in zip(self.keys, parts, shapes, strict=True)}

    @functools.cached_property
    def _rows(self) -> tf.Tensor:
        # One copy of everything, after which one product gives all pairs and one more the sum: on a CPU a third of
        # the time of a product a pair and a weight.
        flat = tf.concat([tf.reshape(tensor, [-1]) for own in self.groups for tensor in own], 0)
        return tf.reshape(tf.cast(flat, tf.float32), [len(self.groups), -1])


def in_pieces(weights: Sequence[tuple[int, Sequence[tf.Tensor]]]) -> list[Terms]:
    """`Terms` of `MOST` numbers or one weight each: float32 sums of more lose digits, a sum for each weight loses time.

    Args:
        weights: for each weight its key and each group's gradient, all of one dtype.
    """
    pieces: list[list] = []
    room = 0
    for key, terms in weights:
        size = terms[0].shape.num_elements()
        if size > room:
            pieces.append([])
            room = MOST
        pieces[-1].append((key, terms))
        room -= size
    return [
        Terms([key for key, _ in piece], list(zip(*(terms for _, terms in piece), strict=True))) for piece in pieces
    ]


class Products:
    """The gradients of a convolution's kernel by group of rows, as what they are products of: `dK_g = X_g^T dY_g`.

    Their inner products are `<dK_g, dK_h> = sum((X_g X_h^T) * (dY_g dY_h^T))` with X the patches that each output
    position sees, and their sum with weights is `X^T (w dY)`: no group's own gradient is made. On small maps with
    many filters that costs less than the gradients themselves.

    Args:
        layer: the convolution.
        inputs, upstream: what it saw, and the gradient of what it gave.
        sizes: rows of each group.

    Source of the form: Goodfellow, "Efficient Per-Example Gradient Computations", 2015, equation 4 for norms,
    https://arxiv.org/abs/1510.01799; here for inner products of groups, and patches of a convolution.
    """

    def __init__(self, layer: Conv2D, inputs, upstream, sizes: Sequence[int]):
        self.layer, self.inputs, self.upstream, self.sizes = layer, inputs, upstream, list(sizes)
        self.keys = [id(layer.kernel)]

    @staticmethod
    def is_better(upstream, groups: int) -> bool:
        """Whether this costs less than a kernel a group: as measured, few positions and many filters."""
        rows, filters = upstream.shape[0], upstream.shape[-1]
        if rows is None or None in upstream.shape[1:3]:
            return False
        return (rows * upstream.shape[1] * upstream.shape[2]) ** 2 <= 64 * groups * filters

    def only(self, keys: Collection[int]) -> Products | Terms:
        return self if self.keys[0] in keys else Terms([], [[] for _ in self.sizes])

    def terms(self) -> dict[int, list[tf.Tensor]]:
        groups = zip(tf.split(self.inputs, self.sizes), tf.split(self.upstream, self.sizes), strict=True)
        return {self.keys[0]: [tf.cast(self.layer.gradient_of_kernel(*group), tf.float32) for group in groups]}

    def inner(self) -> tf.Tensor:
        member = tf.constant(np.repeat(np.eye(len(self.sizes)), self.sizes, axis=1), tf.float32)
        products = self.layer.kernel_products(self.inputs, self.upstream)
        return tf.matmul(tf.matmul(member, products), member, transpose_b=True)

    def weighted(self, weights: tf.Tensor) -> dict[int, tf.Tensor]:
        by_row = tf.cast(tf.repeat(weights, self.sizes)[:, None, None, None], self.upstream.dtype)
        return {self.keys[0]: tf.cast(self.layer.gradient_of_kernel(self.inputs, self.upstream * by_row), tf.float32)}


Grouped = Terms | Products
