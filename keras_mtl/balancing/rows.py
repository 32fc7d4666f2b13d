"""The gradients of groups of rows of a batch, told apart within one forward and one backward pass."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import keras
import tensorflow as tf

from keras_mtl.balancing.grouped import Grouped, Products, in_pieces
from keras_mtl.layers.convolution import Conv2D
from keras_mtl.layers.normalization import BatchNormalization


class RowGroups:
    """Keeps the gradients of groups of consecutive rows apart, for convolutions and BatchNormalization.

    BatchNormalization sees each group by itself, so that a row's loss depends on rows of its own group alone. One
    backward pass of the sum of all losses then has, in each group's rows, the upstream gradient of that group's
    loss; only a kernel's gradient mixes the groups, `dK = sum_g X_g^T dY_g`. Inner products of the groups'
    gradients come from the terms, or, where the kernel is large and the maps are small, without the terms:
    `<X_g^T dY_g, X_h^T dY_h> = sum((X_g X_h^T) * (dY_g dY_h^T))`, after which a weighted sum is one term more,
    `X^T (w dY)`.

    Args:
        tape: what the forward pass is recorded on; None to keep only BatchNormalization's groups apart.
        sizes: rows of each group.

    Source of the second form: Goodfellow, "Efficient Per-Example Gradient Computations", 2015, equation 4 for
    norms, https://arxiv.org/abs/1510.01799; here for inner products of groups, and patches of a convolution.
    """

    def __init__(self, tape: tf.GradientTape | None, sizes: Sequence[int]):
        self.tape = tape
        self.sizes = list(sizes)
        self._convolutions: list[tuple[Conv2D, tf.Tensor, tf.Tensor]] = []
        self._norms: list[tuple[BatchNormalization, list[tf.Tensor], list[tf.Tensor]]] = []

    @contextlib.contextmanager
    def recording(self, layers: Sequence[keras.Layer]) -> Iterator[None]:
        """Within it these layers tell the groups apart."""
        mine = [layer for layer in layers if isinstance(layer, (Conv2D, BatchNormalization))]
        for layer in mine:
            layer.groups_of_rows = self
        try:
            yield
        finally:
            for layer in mine:
                layer.groups_of_rows = None

    def convolve(self, layer: Conv2D, inputs, kernel):
        """What `layer` calls for its convolution."""
        if self.tape is None or not layer.trainable:
            return layer.plain_convolution(inputs, kernel)
        outputs = layer.plain_convolution(inputs, tf.stop_gradient(kernel))
        self.tape.watch(outputs)
        self._convolutions.append((layer, inputs, outputs))
        return outputs

    def normalize(self, layer: BatchNormalization, inputs):
        """What `layer` calls in training mode."""
        groups = tf.split(inputs, self.sizes)
        # A copy for each group, whose gradient is then that group's.
        gammas, betas = ([tf.identity(weight.value) for _ in groups] for weight in (layer.gamma, layer.beta))
        if self.tape is not None:
            for copy in (*gammas, *betas):
                self.tape.watch(copy)
            self._norms.append((layer, gammas, betas))
        return tf.concat([layer.normalize_by_own(*group) for group in zip(groups, gammas, betas, strict=True)], 0)

    def watched(self) -> list[tf.Tensor]:
        """What the tape must be asked the gradients of, for `read`."""
        outputs = [outputs for _, _, outputs in self._convolutions]
        return outputs + [copy for _, gammas, betas in self._norms for copy in (*gammas, *betas)]

    def read(self, gradients: Sequence[tf.Tensor]) -> list[Grouped]:
        """The groups' gradients of all weights, from those of `watched`."""
        kernels: list = []
        found: list[Grouped] = []
        for (layer, inputs, _), upstream in zip(self._convolutions, gradients, strict=False):
            if Products.is_better(upstream, len(self.sizes)):
                found.append(Products(layer, inputs, upstream, self.sizes))
            else:
                groups = zip(tf.split(inputs, self.sizes), tf.split(upstream, self.sizes), strict=True)
                kernels.append((id(layer.kernel), [layer.gradient_of_kernel(*group) for group in groups]))
        rest = iter(gradients[len(self._convolutions) :])
        norms = [
            (id(weight), [next(rest) for _ in self.sizes])
            for layer, _, _ in self._norms
            for weight in (layer.gamma, layer.beta)
        ]
        return [*in_pieces(kernels), *in_pieces(norms), *found]


def can_tell_apart(layers: Sequence[keras.Layer], weights: Sequence[keras.Variable]) -> bool:
    """Whether these weights all belong to layers that `RowGroups` knows, and every normalisation is one of them."""
    known = set()
    for layer in layers:
        if (
            isinstance(layer, Conv2D)
            and not layer.use_bias
            and layer.groups == 1
            and layer.data_format == "channels_last"
        ):
            known.add(id(layer.kernel))
        elif isinstance(layer, BatchNormalization) and layer.is_plain:
            known |= {id(layer.gamma), id(layer.beta)}
        elif isinstance(layer, keras.layers.BatchNormalization):
            return False
    return all(id(weight) in known for weight in weights)
