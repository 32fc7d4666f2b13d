"""The nearest point of the simplex."""

from __future__ import annotations

import tensorflow as tf


def nearest_on_simplex(point: tf.Tensor) -> tf.Tensor:
    """The weights, 0 or more and of sum 1, nearest to a point: `max(point - t, 0)` with the t that makes the sum 1.

    Args:
        point: floating [tasks], finite, of any size.

    Source: Duchi et al., Efficient Projections onto the l1-Ball for Learning in High Dimensions, ICML 2008, figure 1.
    """
    # A shift of all entries moves nothing, and keeps the 1 from being lost beside large ones.
    point = point - tf.reduce_max(point)
    falling = tf.sort(point, direction="DESCENDING")
    counts = tf.cast(tf.range(1, tf.size(point) + 1), point.dtype)
    thresholds = (tf.cumsum(falling) - 1) / counts
    # The thresholds rise as long as the next entry stays positive, so the one wanted is the largest.
    return tf.nn.relu(point - tf.reduce_max(thresholds))
