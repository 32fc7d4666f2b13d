"""Gradient surgery on the Gramian: how PCGrad and GradVac turn each task's gradient, in terms of all of them."""

from __future__ import annotations

import keras
import tensorflow as tf

_STEEPEST = 1 - 1e-6


def random_orders(tasks: int, seed: keras.random.SeedGenerator) -> tf.Tensor:
    """For each task all the others in a random order, int32 [tasks, tasks - 1]."""
    drawn = keras.random.uniform((tasks, tasks), seed=seed)
    # The task itself is put last, and cut off.
    drawn = tf.linalg.set_diag(drawn, tf.fill([tasks], 2.0))
    return tf.argsort(drawn, axis=1)[:, : tasks - 1]


def operate(gramian: tf.Tensor, orders: tf.Tensor, targets: tf.Tensor | None = None) -> tuple[tf.Tensor, tf.Tensor]:
    """Turns each task's gradient towards those of the others that it meets at a cosine under the target.

    With `d = <h_i, g_j>`, `h_i` being task i's gradient as turned so far, and the target cosine `t`, where
    `d < t |h_i| |g_j|` the gradient becomes `h_i + a g_j` with

        a = (t / sqrt(1 - t^2) sqrt(|h_i|^2 |g_j|^2 - d^2) - d) / |g_j|^2

    and then has that cosine. At t = 0 this is the projection `h_i - d / |g_j|^2 g_j`.

    Args:
        gramian: [tasks, tasks], the inner products of the gradients.
        orders: int32 [tasks, tasks - 1], for each task the others in the order in which they are met.
        targets: [tasks, tasks], the target cosine of task i's gradient with j's; None for 0 everywhere.

    Returns:
        coefficients: float64 [tasks, tasks]; row i combines the gradients into task i's as turned.
        cosines: float64 [tasks, tasks], entry [i, j] that of `h_i` and `g_j` as they met; 0 on the diagonal, and
            everywhere without targets.
    """
    gramian = tf.cast(gramian, tf.float64)
    tasks, meetings = gramian.shape[0], orders.shape[1]
    # All tasks' rows are turned at once: row i meets its k-th other at step k.
    others = tf.transpose(orders)
    met = _of_steps(tf.one_hot(others, tasks, dtype=tf.float64))
    rows = _of_steps(tf.gather(gramian, others))
    squares = _of_steps(tf.gather(tf.linalg.diag_part(gramian), others))
    slopes = _slopes(targets, orders)

    coefficients, products = tf.eye(tasks, dtype=tf.float64), gramian
    cosines = tf.zeros_like(gramian)
    for k in range(meetings):
        product = tf.reduce_sum(products * met[k], axis=1)
        if slopes is None:
            amount = tf.math.divide_no_nan(tf.nn.relu(-product), squares[k])
        else:
            cosine, slope = slopes[k]
            both = tf.nn.relu(tf.reduce_sum(coefficients * products, axis=1)) * squares[k]
            across = tf.sqrt(tf.nn.relu(both - tf.square(product)))
            towards = tf.math.divide_no_nan(slope * across - product, squares[k])
            amount = tf.where(product < cosine * tf.sqrt(both), towards, 0.0)
            met_at = tf.clip_by_value(tf.math.divide_no_nan(product, tf.sqrt(both)), -1.0, 1.0)
            cosines += met[k] * met_at[:, None]
        coefficients += met[k] * amount[:, None]
        products += rows[k] * amount[:, None]
    return coefficients, cosines


def scaled(gramian: tf.Tensor) -> tf.Tensor:
    """The Gramian in float64 over its largest diagonal entry, so that its products neither overflow nor vanish."""
    gramian = tf.cast(gramian, tf.float64)
    return tf.math.divide_no_nan(gramian, tf.reduce_max(tf.linalg.diag_part(gramian)))


def _slopes(targets, orders):
    if targets is None:
        return None
    # A target of 1 can be reached by no finite step.
    targets = tf.clip_by_value(tf.cast(targets, tf.float64), -_STEEPEST, _STEEPEST)
    cosines = tf.transpose(tf.gather(targets, orders, batch_dims=1))
    return list(zip(_of_steps(cosines), _of_steps(cosines / tf.sqrt(1 - tf.square(cosines))), strict=True))


def _of_steps(values):
    return tf.unstack(values)
