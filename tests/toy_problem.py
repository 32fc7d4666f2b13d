"""The problem of two tasks and two weights on which papers show where balancing ends: shared by tests and docs.

Source: Liu et al., "Conflict-Averse Gradient Descent for Multi-task Learning", NeurIPS 2021, appendix; with the
five starting points and the first loss scaled by 0.1 of Navon et al., "Multi-Task Learning as a Bargaining Game",
ICML 2022, appendix.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

STARTS = ((-8.5, 7.5), (0.0, 0.0), (9.0, 9.0), (-7.5, -0.5), (9.0, -1.0))
SCALES = (0.1, 1.0)
# Adam's. The papers' 0.001 goes the same ways in five times as many steps.
RATE = 0.005
# What distance from the front, in its objectives' units, counts as there.
ARRIVED = 0.1
# Below both losses' lowest values, -20: methods with a logarithm or a quotient of a loss need positive ones.
LOWEST = -21.0


def objectives(point: tf.Tensor) -> tf.Tensor:
    """Both objectives, unscaled: [..., 2] from points [..., 2]."""
    x, y = point[..., 0], point[..., 1]
    # Above y = 0 valleys that are steep for one task only, below it two bowls.
    upper = tf.maximum(tf.tanh(y / 2), 0)
    lower = tf.maximum(tf.tanh(-y / 2), 0)
    valley_1 = tf.math.log(tf.maximum(tf.abs((-x - 7) / 2 - tf.tanh(-y)), 5e-6)) + 6
    valley_2 = tf.math.log(tf.maximum(tf.abs((-x + 3) / 2 + tf.tanh(-y) + 2), 5e-6)) + 6
    bowl_1 = ((-x + 7) ** 2 + 0.1 * (-y - 8) ** 2) / 10 - 20
    bowl_2 = ((-x - 7) ** 2 + 0.1 * (-y - 8) ** 2) / 10 - 20
    return tf.stack([upper * valley_1 + lower * bowl_1, upper * valley_2 + lower * bowl_2], axis=-1)


def front(points: int = 2001) -> np.ndarray:
    """The Pareto front, unscaled objectives [points, 2], from the best for the first task to that for the second."""
    x = np.linspace(7, -7, points)
    # Lowest along y for equal weights; elsewhere on the front the best y differs by less than 0.4, a loss by 0.01.
    return objectives(tf.constant(np.stack([x, np.full_like(x, -8.3552)], axis=-1))).numpy()


def distance_to_front(point: np.ndarray) -> float:
    """How far this point's objectives are from the front, in their unscaled units."""
    reached = objectives(tf.constant(point, tf.float64)).numpy()
    return float(np.linalg.norm(front() - reached, axis=1).min())


def trajectories(weighting, epochs: int = 250, steps: int = 100, until: float = 0.0) -> list[np.ndarray]:
    """Where Adam goes from each of `STARTS` by a weighting's combined gradients.

    Args:
        weighting: a new one, not built. Its state begins anew at each start.
        epochs: how many; the weighting is told of their ends.
        steps: of an epoch.
        until: the distance to the front at which to stop early.

    Returns:
        For each start float32 [epochs + 1, 2], or fewer: the points at the ends of epochs, after the start.
    """
    weighting.build(2, [(2,)])
    fresh = [variable.numpy().copy() for variable in weighting.variables]
    epoch = _epoch(weighting, steps)
    paths = []
    for start in STARTS:
        for variable, value in zip(weighting.variables, fresh, strict=True):
            variable.assign(value)
        state = (tf.constant(start, tf.float32), tf.zeros(2), tf.zeros(2), tf.constant(0.0))
        points = [np.array(start, np.float32)]
        while len(points) <= epochs and not (until and distance_to_front(points[-1]) < until):
            state = epoch(*state)
            weighting.on_epoch_end()
            points.append(state[0].numpy())
        paths.append(np.stack(points))
    return paths


def _epoch(weighting, steps: int) -> Callable:
    # Compiled by XLA: ten steps a millisecond, where TensorFlow's own loop makes two.
    @tf.function(jit_compile=True)
    def epoch(point, momentum, square, count):
        for _ in tf.range(steps):
            gradient = _gradient(weighting, point)
            count += 1
            momentum = 0.9 * momentum + 0.1 * gradient
            square = 0.999 * square + 0.001 * gradient**2
            unbiased = momentum / (1 - 0.9**count), tf.sqrt(square / (1 - 0.999**count))
            point -= RATE * unbiased[0] / (unbiased[1] + 1e-8)
            if weighting.looks_again:
                weighting.after_step(_losses(point))
        return point, momentum, square, count

    return epoch


def _losses(point: tf.Tensor) -> tf.Tensor:
    return tf.constant(SCALES) * (objectives(point) - LOWEST)


def _gradient(weighting, point: tf.Tensor) -> tf.Tensor:
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(point)
        losses = _losses(point)
        first, second = losses[0], losses[1]
    gradients = tf.stack([tape.gradient(first, point), tape.gradient(second, point)])
    if weighting.sees == "gradients":
        return weighting.combine([[gradients[0]], [gradients[1]]], losses)[0]
    gramian = tf.matmul(gradients, gradients, transpose_b=True) if weighting.sees == "gramian" else None
    return tf.linalg.matvec(gradients, weighting.weights(losses, gramian), transpose_a=True)
