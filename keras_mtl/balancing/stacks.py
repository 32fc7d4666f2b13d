"""Tasks' gradients stacked for each shared weight, [tasks, *shape]; nothing is joined across weights."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from keras_mtl.errors import UserError

_HIGHEST = 1e38


def no_gradients(tasks: int, shapes: Sequence[tuple[int, ...]]) -> list[tf.Tensor]:
    """Stacks of zeros, to start remembering from.

    Raises:
        UserError: shapes that depend on the batch: gradients of features, which no later step has again.
    """
    if any(None in shape for shape in shapes):
        raise UserError(
            "A weighting that remembers gradients needs those of the shared weights: take gradients='trunk'. "
            f"Received: gradients of the shapes {list(shapes)}"
        )
    return [tf.zeros((tasks, *shape)) for shape in shapes]


def stacked(gradients: Sequence[Sequence[tf.Tensor]]) -> list[tf.Tensor]:
    """For each weight the tasks' gradients in one tensor [tasks, *shape].

    Args:
        gradients: for each task the gradient of each weight.
    """
    return [tf.stack(of_weight) for of_weight in zip(*gradients, strict=True)]


def by_task(values: tf.Tensor, stack: tf.Tensor) -> tf.Tensor:
    """A number for each task, [tasks], shaped to be multiplied with a stack."""
    values = tf.cast(tf.clip_by_value(values, -_HIGHEST, _HIGHEST), stack.dtype)
    return tf.reshape(values, [-1] + [1] * (len(stack.shape) - 1))


def gramian(stacks: Sequence[tf.Tensor]) -> tf.Tensor:
    """The inner products of the tasks' whole gradients, float64 [tasks, tasks]."""
    scale = _highest(stacks)
    rows = [_rows(stack / by_task(scale, stack)) for stack in stacks]
    products = tf.add_n([tf.cast(tf.matmul(row, row, transpose_b=True), tf.float64) for row in rows])
    scale = tf.cast(scale, tf.float64)
    return products * scale[:, None] * scale[None, :]


def norms(stacks: Sequence[tf.Tensor]) -> tf.Tensor:
    """The lengths of the tasks' whole gradients, float64 [tasks]."""
    # Scaled, for squares of 1e20 or 1e-20 are out of float32's range.
    scale = _highest(stacks)
    squares = [tf.reduce_sum(tf.square(_rows(stack / by_task(scale, stack))), axis=1) for stack in stacks]
    return tf.sqrt(tf.cast(tf.add_n(squares), tf.float64)) * tf.cast(scale, tf.float64)


def combination(weights: tf.Tensor, stacks: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """For each weight the sum over the tasks of their gradients times the tasks' weights [tasks]."""
    # No matrix product: on a GPU that would round the gradients to TensorFloat32.
    return [tf.reduce_sum(stack * by_task(weights, stack), axis=0) for stack in stacks]


def _rows(stack):
    return tf.reshape(stack, [stack.shape[0], -1])


def _highest(stacks):
    rows = [_rows(stack) for stack in stacks]
    # Without abs, which would copy all of them.
    highest = [tf.maximum(tf.reduce_max(row, axis=1), -tf.reduce_min(row, axis=1)) for row in rows]
    highest = tf.reduce_max(tf.stack(highest), axis=0)
    return tf.where(highest > 0, highest, 1.0)
