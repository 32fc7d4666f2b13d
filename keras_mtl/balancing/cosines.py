"""A Gramian as lengths and cosines of the gradients, in float64."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

RIDGE = 1e-8
"""Added to the cosines' diagonal: as if each gradient had, orthogonal to all others, 1e-4 of its own length more.

It makes every problem strictly convex, also for dependent gradients, where it picks the smallest weights. Half the
digits of a float32 Gramian, so nothing that could be known is lost."""

RANK_TOLERANCE = 1.2e-7
"""The resolution of float32: an eigenvalue of a Gramian below this share of tasks times the largest is rounding."""


class Cosines(NamedTuple):
    """A Gramian taken apart, all in float64.

    Attributes:
        matrix: [tasks, tasks], the inner products of the unit gradients, without negative eigenvalues, plus RIDGE;
            a row of the identity for a gradient that is zero.
        lengths: [tasks], the gradients' lengths; 1 for a gradient that is zero.
        present: [tasks], True where a gradient is not zero.
    """

    matrix: tf.Tensor
    lengths: tf.Tensor
    present: tf.Tensor


def as_double(gramian: tf.Tensor) -> tf.Tensor:
    """A Gramian in float64, symmetric to the last digit.

    All zeros where an entry is not finite, for eigenvalues of it would be an error: the gradients, or their squares,
    overflowed, and the step's weights are NaN whatever is made of it.
    """
    gramian = tf.cast(gramian, tf.float64)
    gramian = (gramian + tf.transpose(gramian)) / 2.0
    return tf.where(tf.reduce_all(tf.math.is_finite(gramian)), gramian, 0.0)


def cosines(gramian: tf.Tensor) -> Cosines:
    """Lengths and cosines of the gradients of a Gramian [tasks, tasks] of any dtype."""
    unit, lengths, present = _unit_gramian(gramian)
    values, vectors = tf.linalg.eigh(unit)
    # In float32 a Gramian can have slightly negative eigenvalues.
    matrix = tf.matmul(vectors * tf.maximum(values, 0.0), vectors, transpose_b=True)
    diagonal = tf.where(present, tf.ones_like(lengths) * RIDGE, 1.0)
    return Cosines(matrix + tf.linalg.diag(diagonal), lengths, present)


def even_direction(gramian: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, Cosines]:
    """The combination of unit gradients whose inner product with each unit gradient is 1.

    For dependent gradients it is the smallest of those whose inner products are closest to 1 in least squares.

    Returns:
        Coefficients x [tasks] of the unit gradients, the inner products [tasks], and the cosines, without RIDGE.
    """
    unit, lengths, present = _unit_gramian(gramian)
    values, vectors = tf.linalg.eigh(unit)
    reliable = values > RANK_TOLERANCE * unit.shape[0] * values[-1]
    inverse = tf.where(reliable, 1.0 / tf.where(reliable, values, 1.0), 0.0)
    ones = tf.cast(present, tf.float64)
    x = tf.linalg.matvec(vectors, inverse * tf.linalg.matvec(vectors, ones, transpose_a=True))
    return x, tf.linalg.matvec(unit, x), Cosines(unit, lengths, present)


def _unit_gramian(gramian: tf.Tensor) -> Cosines:
    gramian = as_double(gramian)
    squares = tf.linalg.diag_part(gramian)
    present = squares > 0.0
    lengths = tf.sqrt(tf.where(present, squares, 1.0))
    both = tf.logical_and(present[:, None], present[None, :])
    return Cosines(tf.where(both, gramian / lengths[:, None] / lengths[None, :], 0.0), lengths, present)
