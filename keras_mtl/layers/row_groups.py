"""What layers call while gradients of groups of rows are told apart."""

from __future__ import annotations

from typing import Protocol

import keras


class RowGroups(Protocol):
    """Takes the place of a layer's own computation in training; `keras_mtl.balancing.rows.RowGroups` is one."""

    def convolve(self, layer: keras.layers.Conv2D, inputs, kernel):
        """A convolution's outputs, without bias or activation."""

    def normalize(self, layer: keras.layers.BatchNormalization, inputs):
        """A normalisation's outputs in training mode."""
