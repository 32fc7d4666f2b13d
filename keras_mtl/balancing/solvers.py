"""The small problems that weightings of a Gramian solve at each step, as TensorFlow ops in float64.

All are posed in the lengths and cosines of the gradients rather than in the Gramian: a variable x stands for
weight times length. So the answers hold at any scale of the gradients, and for each gradient at its own.
"""

from __future__ import annotations

import tensorflow as tf

ENUMERATED_TASKS = 5
"""Up to so many tasks all sets of active constraints are tried at once, which is quicker than iterations."""


def minimize_quadratic(matrix: tf.Tensor, linear: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Minimises 1/2 x'Px + q'x over x >= 0.

    Few variables: the best of all active sets. More: Mehrotra's predictor-corrector interior point method (Nocedal &
    Wright 2006, algorithm 16.4), and then the active set that it found, solved exactly.

    Args:
        matrix: P, float64 [n, n], positive definite.
        linear: q, float64 [batch, n]; a problem each.

    Returns:
        x, float64 [batch, n], and which of them are free of their bound, bool [batch, n].
    """
    scale = tf.reduce_max(tf.abs(linear), axis=-1, keepdims=True)
    linear = tf.math.divide_no_nan(linear, scale)
    tasks = linear.shape[-1]
    if tasks <= ENUMERATED_TASKS:
        free = _all_sets(tasks)[None]
        x, violation = _solve_free(matrix, linear[:, None], free)
        best = tf.argmin(violation, axis=-1)
        return tf.maximum(tf.gather(x, best, batch_dims=1), 0.0) * scale, tf.gather(free[0], best)
    x, slack = _interior_point(matrix, linear)
    free = x > slack
    exact, violation = _solve_free(matrix, linear, free)
    # At a degenerate solution the set may be wrong by a variable that is nearly zero.
    return tf.where(violation[:, None] <= 1e-7, tf.maximum(exact, 0.0), x) * scale, free


def _all_sets(tasks: int) -> tf.Tensor:
    return tf.constant([[bool(number >> task & 1) for task in range(tasks)] for number in range(2**tasks)])


def _masked_solve(matrix: tf.Tensor, right: tf.Tensor, free: tf.Tensor) -> tf.Tensor:
    """P_FF^-1 r_F for r [..., n, columns] and sets F of free variables [..., n]; 0 outside of F."""
    both = tf.logical_and(free[..., :, None], free[..., None, :])
    kept = tf.where(both, matrix, tf.eye(tf.shape(matrix)[-1], dtype=tf.float64))
    right = tf.where(free[..., None], right, 0.0)
    return tf.linalg.cholesky_solve(tf.linalg.cholesky(kept), right)


def _solve_free(matrix: tf.Tensor, linear: tf.Tensor, free: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The solution with only these variables free, and by how much it is none of the whole problem; relative."""
    x = _masked_solve(matrix, -linear[..., None], free)[..., 0]
    slack = tf.linalg.matvec(matrix, x) + linear
    return x, _violation(x, slack, free, tf.reduce_max(tf.abs(x), axis=-1, keepdims=True))


def _violation(x: tf.Tensor, slack: tf.Tensor, free: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    return tf.reduce_max(tf.where(free, -tf.math.divide_no_nan(x, size), -slack), axis=-1)


def _interior_point(matrix: tf.Tensor, linear: tf.Tensor, tolerance: float = 1e-11, steps: int = 60):
    """x and the slack Px + q, both [batch, n], where max |q| = 1."""

    def unfinished(x, slack, gap):
        return tf.reduce_any(gap > tolerance)

    def step(x, slack, gap):
        residual = tf.linalg.matvec(matrix, x) + linear - slack
        factor = tf.linalg.cholesky(matrix + tf.linalg.diag(slack / x))

        def direction(target):
            move = tf.linalg.cholesky_solve(factor, (target / x - slack - residual)[..., None])[..., 0]
            return move, (target - slack * move) / x - slack

        mean = tf.reduce_mean(x * slack, axis=-1, keepdims=True)
        move, slack_move = direction(tf.zeros_like(x))
        length = _step_length(x, move, slack, slack_move, 1.0)
        ahead = tf.reduce_mean((x + length * move) * (slack + length * slack_move), axis=-1, keepdims=True)
        move, slack_move = direction((ahead / mean) ** 3 * mean - move * slack_move)
        length = _step_length(x, move, slack, slack_move, 0.995)
        # Problems of the batch that are done stay as they are.
        length = tf.where(gap > tolerance, length, 0.0)
        x, slack = x + length * move, slack + length * slack_move
        residual = tf.linalg.matvec(matrix, x) + linear - slack
        worst = tf.reduce_max(tf.abs(residual), axis=-1, keepdims=True)
        size = tf.maximum(tf.reduce_max(x, axis=-1, keepdims=True), 1.0)
        return x, slack, tf.maximum(tf.reduce_mean(x * slack, axis=-1, keepdims=True), worst) / size

    start = tf.ones_like(linear)
    return tf.while_loop(unfinished, step, (start, start, start[..., :1]), maximum_iterations=steps)[:2]


def _step_length(x, move, slack, slack_move, share: float) -> tf.Tensor:
    """The longest step up to 1 that goes only this share of the way to where a variable becomes 0."""
    fall = tf.reduce_max(tf.maximum(-move / x, -slack_move / slack), axis=-1, keepdims=True)
    return share / tf.maximum(fall, share)


def minimize_with_norm(matrix: tf.Tensor, linear: tf.Tensor, sides: tf.Tensor, radius: tf.Tensor) -> tf.Tensor:
    """The y >= 0 that solves min b'x + k sqrt(x'Cx) over x >= 0 with a'x = 1, as y = k x / sqrt(x'Cx).

    By its KKT conditions y minimises 1/2 y'Cy + (b - v a)'y over y >= 0, for that number v at which y'Cy = k^2; v is
    the minimum. Where sqrt(x'Cx) is 0, or so small after cancellation that it is rounding, x has no direction; then v
    is 0, and the answer is the shortest y that does it.

    Args:
        matrix: C, float64 [n, n], positive definite.
        linear: b, float64 [n].
        sides: a, float64 [n], 0 to 1, not all 0.
        radius: k, float64 [], 0 or more.
    """
    shortest = minimize_quadratic(matrix, linear[None])[0][0]
    length = tf.sqrt(tf.reduce_sum(shortest * tf.linalg.matvec(matrix, shortest)))
    few = linear.shape[-1] <= ENUMERATED_TASKS
    y = (_best_with_norm if few else _search_with_norm)(matrix, linear, sides, radius)
    cancelled = tf.logical_and(tf.reduce_sum(y**2) > 1e5 * radius**2, length <= radius)
    # With v = 0 the cone of the gradients may be all of space, and its slightest change a different set.
    at_zero = tf.abs(length - radius) <= 1e-7 * radius
    return tf.where(tf.logical_or(cancelled, at_zero), shortest, tf.maximum(y, 0.0))


def _best_with_norm(matrix, linear, sides, radius) -> tf.Tensor:
    """y of the best of all active sets."""
    free = _all_sets(linear.shape[-1])[1:]
    y, level, _ = _solve_free_with_norm(matrix, linear, sides, radius, free)
    slack = tf.linalg.matvec(matrix, y) + linear - level[:, None] * sides
    violation = _violation(y, slack / (tf.reduce_max(tf.abs(linear)) + radius), free, radius)
    usable = tf.reduce_any(tf.logical_and(free, sides > 0.0), axis=-1)
    return y[tf.argmin(tf.where(usable, violation, 1e300))]


def _search_with_norm(matrix, linear, sides, radius, steps: int = 25) -> tf.Tensor:
    """y by Newton's method on v, inside a bracket; on one active set it is exact, and few sets are met."""

    def unfinished(y, level, low, high, free, go_on):
        return go_on

    def step(y, level, low, high, free, go_on):
        before = free
        y, free = (found[0] for found in minimize_quadratic(matrix, (linear - level * sides)[None]))
        long = tf.reduce_sum(y * tf.linalg.matvec(matrix, y)) >= radius**2
        low, high = tf.where(long, low, level), tf.where(long, level, high)
        exact, root, real = _solve_free_with_norm(matrix, linear, sides, radius, free)
        margin = 1e-6 * (tf.abs(low) + tf.abs(high))
        changed = tf.reduce_any(tf.not_equal(free, before))
        slack = tf.linalg.matvec(matrix, exact) + linear - root * sides
        solves = _violation(exact, slack / (tf.reduce_max(tf.abs(linear)) + radius), free, radius) <= 1e-6
        real = tf.reduce_all([real, root >= low - margin, root <= high + margin, tf.logical_or(changed, solves)])
        level = tf.where(real, root, (low + high) / 2.0)
        return tf.where(real, exact, y), level, low, high, free, tf.logical_or(changed, tf.logical_not(real))

    # Up to the first y is 0; with the second one task alone has the length.
    low, high = (
        tf.reduce_min(tf.where(sides > 0.0, ends / tf.where(sides > 0.0, sides, 1.0), 1e300))
        for ends in (linear, linear + radius)
    )
    state = tf.zeros_like(linear), high, low, high, tf.zeros(linear.shape, tf.bool), tf.constant(True)
    return tf.while_loop(unfinished, step, state, maximum_iterations=steps)[0]


def _solve_free_with_norm(matrix, linear, sides, radius, free) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """y and v with only these variables [..., n] free, and whether there are such."""
    right = tf.broadcast_to(tf.stack([sides, linear], axis=-1), tf.concat([tf.shape(free), [2]], axis=0))
    solved = _masked_solve(matrix, right, free)
    up, back = solved[..., 0], solved[..., 1]
    aa, ab, bb = (tf.reduce_sum(u * v, -1) for u, v in ((sides, up), (linear, up), (linear, back)))
    square = ab**2 - aa * (bb - radius**2)
    level = tf.math.divide_no_nan(ab + tf.sqrt(tf.maximum(square, 0.0)), aa)
    return level[..., None] * up - back, level, square >= 0.0


def solve_power(
    matrix: tf.Tensor, right: tf.Tensor, power: float, tolerance: float = 1e-6, steps: int = 100
) -> tf.Tensor:
    """Solves Cx = b x^-p for x > 0: the stationary point of 1/2 x'Cx - sum b x^(1-p) / (1-p), or log x where p = 1.

    Newton's method on the pair z = Cx, log z + p log x = log b, shortened so that both stay positive.

    Args:
        matrix: C, float64 [n, n], positive definite, ones (nearly) on its diagonal.
        right: b, float64 [n], positive.
        power: p, positive.
        tolerance: a step that changes no x by more than this share is the last; what is left is its square.
    """
    largest = tf.reduce_max(right)
    right = right / largest

    def unfinished(x, z, change):
        return change > tolerance

    def step(x, z, change):
        residual = tf.linalg.matvec(matrix, x) - z
        log_residual = tf.math.log(right / z) - power * tf.math.log(x)
        factor = tf.linalg.cholesky(matrix + tf.linalg.diag(power * z / x))
        move = tf.linalg.cholesky_solve(factor, (z * log_residual - residual)[:, None])[:, 0]
        z_move = z * (log_residual - power * move / x)
        length = _step_length(x, move, z, z_move, 0.9)
        return x + length * move, z + length * z_move, tf.reduce_max(tf.abs(move / x))

    start = right ** (1.0 / (1.0 + power))
    one = tf.constant(1.0, tf.float64)
    x = tf.while_loop(unfinished, step, (start, start, one), maximum_iterations=steps)[0]
    return x * largest ** (1.0 / (1.0 + power))
