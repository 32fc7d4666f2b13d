"""Convolution taken by matrix products in training, where that is the faster way on a CPU."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from keras_mtl.layers.row_groups import RowGroups

SMALL = 16  # pairs of positions of a map up to which products of pixels are cheaper than of patches
WIDE = 256  # input channels from which the kernel's gradient is faster by products, on 64x64 and 112x112 images
# Input channels for each position of the map from which the convolution and its inputs' gradient are so too. Measured
# with oneDNN's kernels for AVX2, AVX-512, AVX-512 with bfloat16, and AMX: no rule by processor is needed.
CROWDED = {"float32": 32, "bfloat16": 50, "float16": 50}


@keras.saving.register_keras_serializable(package="keras_mtl")
class Conv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D` with a faster training step for wide layers on small maps, on CPU.

    In the last stages of a ResNet oneDNN spends most of a training step on the kernels' gradients: maps of
    2x2 to 7x7 are too small for its blocking, above all in bfloat16. For each of the kernel's positions that
    gradient is one product, `dK[i, j] = X[i, j]^T dY`, with X[i, j] the inputs which that position meets; as
    such it takes a half to an eighth of the time, and the padding costs nothing. On the smallest maps (2x2 and
    3x3 of 512 channels, in float32 4x4) most of the time goes into bringing the kernel into oneDNN's order anew
    in each step; there the convolution, `Y = sum X[i, j] K[i, j]`, and its inputs' gradient are such products
    too, in a half to a quarter of the time. Predictions, configuration and weights are Keras'.

    Inputs: `[batch, height, width, channels]`. Layers of under 256 input channels, of dilation or groups,
    images of unknown size, and machines with a GPU, all take Keras' way.

    Example:
        >>> Conv2D(512, 3, padding="same", use_bias=False)(tf.ones([2, 4, 4, 256])).shape
        TensorShape([2, 4, 4, 512])
    """

    groups_of_rows: RowGroups | None = None  # set while groups of rows are told apart
    _is_training = False  # of the last call: predictions and exports keep the plain convolution

    def call(self, inputs, training=None):
        self._is_training = bool(training)
        return super().call(inputs)

    def convolution_op(self, inputs, kernel):
        if self.groups_of_rows is not None:
            return self.groups_of_rows.convolve(self, inputs, kernel)
        return self.plain_convolution(inputs, kernel)

    def plain_convolution(self, inputs, kernel):
        """The convolution of inputs `[batch, height, width, channels]`, without bias or activation."""
        # In training alone: TensorFlow never lets go of a function that a custom gradient was traced in, nor of its
        # variables, and a comparison predicts with many nets.
        if not (self._is_training and self._takes_products(inputs)):
            return super().convolution_op(inputs, kernel)
        if self._is_crowded(inputs):
            return _convolve_by_position(inputs, tf.convert_to_tensor(kernel))
        return _convolve(inputs, tf.convert_to_tensor(kernel), self.strides[0], self.padding.upper())

    def gradient_of_kernel(self, inputs, upstream):
        """The kernel's gradient, of the inputs' dtype, from what `plain_convolution` saw and its result's gradient."""
        if self._takes_products(inputs):
            return kernel_gradient(inputs, upstream, self.kernel_size[0], self.strides[0], self.padding.upper())
        return tf.raw_ops.Conv2DBackpropFilter(
            input=inputs,
            filter_sizes=self.kernel.shape,
            out_backprop=upstream,
            strides=[1, *self.strides, 1],
            padding=self.padding.upper(),
            dilations=[1, *self.dilation_rate, 1],
        )

    def kernel_products(self, inputs, upstream):
        """Inner products of the kernel's gradients by each two images, without these gradients.

        `<X_b^T dY_b, X_c^T dY_c>` is the sum over pairs of output positions of `<X_b[p], X_c[q]> <dY_b[p], dY_c[q]>`,
        with X[p] what position p sees.

        Args:
            inputs: what the convolution saw, of known shape.
            upstream: the gradient of what it gave, `[batch, rows, columns, filters]`.

        Returns:
            float32 `[batch, batch]`.
        """
        batch, height, width, _ = inputs.shape
        if self._keeps_shape and (height * width) ** 2 <= SMALL:
            # Products of patches are sums of products of pixels, which are fewer: each of those is taken once.
            seen = tf.matmul(_pairs(inputs), tf.constant(_same_offset(height, width, self.kernel_size[0])))
        else:
            strides, rates = [1, *self.strides, 1], [1, *self.dilation_rate, 1]
            sizes = [1, *self.kernel_size, 1]
            seen = _pairs(tf.image.extract_patches(inputs, sizes, strides, rates, self.padding.upper()))
        return tf.reshape(tf.reduce_sum(seen * _pairs(upstream), axis=1), [batch, batch])

    @property
    def _keeps_shape(self) -> bool:
        height, width = self.kernel_size
        is_square = height == width and height % 2 == 1 and tuple(self.dilation_rate) == (1, 1)
        return is_square and self.padding == "same" and tuple(self.strides) == (1, 1)

    def _is_crowded(self, inputs) -> bool:
        _, height, width, channels = inputs.shape
        return self._keeps_shape and channels >= CROWDED.get(inputs.dtype.name, np.inf) * height * width

    def _takes_products(self, inputs) -> bool:
        height, width = self.kernel_size
        return (
            inputs.shape[-1] >= WIDE
            and None not in inputs.shape[1:3]
            and self.data_format == "channels_last"
            and self.groups == 1
            and tuple(self.dilation_rate) == (1, 1)
            and height == width > 1
            and self.strides[0] == self.strides[1]
            and (self.padding == "valid" or self._keeps_shape)
            and not tf.config.list_physical_devices("GPU")
        )


def _convolve(inputs, kernel, stride: int, padding: str):
    @tf.custom_gradient
    def convolve(inputs, kernel):
        def gradient(upstream):
            for_inputs = tf.raw_ops.Conv2DBackpropInput(
                input_sizes=tf.shape(inputs),
                filter=kernel,
                out_backprop=upstream,
                strides=[1, stride, stride, 1],
                padding=padding,
            )
            return for_inputs, kernel_gradient(inputs, upstream, kernel.shape[0], stride, padding)

        return tf.nn.conv2d(inputs, kernel, stride, padding), gradient

    return convolve(inputs, kernel)


def _convolve_by_position(inputs, kernel):
    """The convolution of stride 1 and padding "SAME" as a product for each of the kernel's positions."""

    @tf.custom_gradient
    def convolve(inputs, kernel):
        def gradient(upstream):
            # Its transpose: what position (i, j) gave to an output comes back through (-i, -j).
            for_inputs = _sum_of_products(upstream, kernel, is_transposed=True)
            return for_inputs, kernel_gradient(inputs, upstream, kernel.shape[0], 1, "SAME")

        return _sum_of_products(inputs, kernel), gradient

    return convolve(inputs, kernel)


def _sum_of_products(maps, kernel, is_transposed: bool = False):
    """Sums, over the kernel's positions, of the maps moved by that much times the kernel there."""
    _, height, width, channels = maps.shape
    border = kernel.shape[0] // 2
    terms = []
    for i in range(-border, border + 1):
        top, bottom = max(0, -i), min(height, height - i)
        for j in range(-border, border + 1):
            left, right = max(0, -j), min(width, width - j)
            if top >= bottom or left >= right:
                continue  # here the kernel meets padding only
            row, column = (border - i, border - j) if is_transposed else (border + i, border + j)
            met = maps[:, top + i : bottom + i, left + j : right + j]
            flat = tf.matmul(tf.reshape(met, [-1, channels]), kernel[row, column], transpose_b=is_transposed)
            product = tf.reshape(flat, [-1, bottom - top, right - left, flat.shape[-1]])
            around = [[0, 0], [top, height - bottom], [left, width - right], [0, 0]]
            terms.append(tf.pad(tf.cast(product, tf.float32), around))  # sums of bfloat16 would round at each step
    return tf.cast(tf.add_n(terms), maps.dtype)


def kernel_gradient(inputs: tf.Tensor, upstream: tf.Tensor, size: int, stride: int, padding: str) -> tf.Tensor:
    """The gradient of a square convolution's kernel, `[size, size, in_channels, out_channels]`.

    Args:
        inputs: what the convolution saw, `[batch, height, width, in_channels]`, of known height and width.
        upstream: the gradient of what it gave, `[batch, rows, columns, out_channels]`.
        size: the kernel's side in pixels; odd where padding is "SAME".
        stride: of the convolution; 1 where padding is "SAME".
        padding: "SAME" or "VALID".
    """
    if stride == 1:
        products = _by_position(inputs, upstream, size, size // 2 if padding == "SAME" else 0)
    else:  # strided slices are slow in TensorFlow, patches are not
        patches = tf.image.extract_patches(
            inputs, [1, size, size, 1], [1, stride, stride, 1], [1, 1, 1, 1], padding="VALID"
        )
        products = _product(patches, upstream)
    return tf.reshape(products, [size, size, inputs.shape[-1], upstream.shape[-1]])


def _by_position(inputs, upstream, size: int, border: int):
    height, width = inputs.shape[1:3]
    rows, columns = upstream.shape[1:3]
    products = []
    for i in range(-border, size - border):
        top, bottom = max(0, -i), min(rows, height - i)
        for j in range(-border, size - border):
            left, right = max(0, -j), min(columns, width - j)
            met = inputs[:, top + i : bottom + i, left + j : right + j]
            products.append(_product(met, upstream[:, top:bottom, left:right]))
    return tf.stack(products)


def _product(inputs, upstream):
    flat = tf.reshape(inputs, [-1, inputs.shape[-1]])
    return tf.matmul(flat, tf.reshape(upstream, [-1, upstream.shape[-1]]), transpose_a=True)


def _pairs(maps: tf.Tensor) -> tf.Tensor:
    """Products of the vectors at each two positions of each two images: float32 [batch * batch, positions^2]."""
    batch, rows, columns, channels = maps.shape
    positions = rows * columns
    flat = tf.reshape(maps, [batch * positions, channels])
    products = tf.reshape(tf.matmul(flat, flat, transpose_b=True), [batch, positions, batch, positions])
    products = tf.reshape(tf.transpose(products, [0, 2, 1, 3]), [batch * batch, positions * positions])
    return tf.cast(products, tf.float32)


def _same_offset(height: int, width: int, size: int) -> np.ndarray:
    """Which pairs of pixels two patches compare, float32 [positions^2, positions^2]: those at the same offset."""
    places = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), -1).reshape(-1, 2)
    offset = places[:, None] - places[None, :]  # from a patch's middle (second) to a pixel (first)
    inside = (np.abs(offset) <= size // 2).all(-1)
    same = (offset[:, None, :, None] == offset[None, :, None, :]).all(-1)  # [pixel, pixel, middle, middle]
    same &= inside[:, None, :, None]
    return same.reshape(len(places) ** 2, -1).astype(np.float32)
