"""GradNorm: weights are trained until all tasks' gradients have the length that their progress asks for."""

from __future__ import annotations

import keras
import tensorflow as tf

from keras_mtl.balancing.weighting import Weighting

# Adam may step below 0, where a weight would turn its task around.
_LEAST = 1e-3


class GradNorm(Weighting):
    """Trains the weights so that slower tasks get longer gradients.

    With `G_i = w_i |g_i|` and the relative rate `r_i = (L_i / L_i(0)) / mean_j (L_j / L_j(0))`, one step of Adam on

        sum_i |G_i - mean_j(G_j) r_i^alpha|

    with the second term held constant, whose gradient by w_i is `sign(G_i - mean_j(G_j) r_i^alpha) |g_i|`; then the
    weights are scaled to the sum of the number of tasks. A step is taken with the weights from before it. `L_i(0)` is
    the task's loss in the first step that had a label of it. Tasks without a label are left out of the means, and only
    the scaling moves their weights. `g_i` are the gradients of all the shared weights. Heads are trained on the losses
    times the weights, as the paper's algorithm 1 has the whole net (there is no code by its authors); LibMTL trains
    them on the losses as they are.

    Args:
        alpha: how much slower tasks are favoured, 0 for gradients of one length.
        learning_rate: of the weights.

    Source: Chen et al., GradNorm, ICML 2018, equations 1 and 2 and algorithm 1: https://arxiv.org/abs/1711.02257
    """

    name = "gradnorm"
    sees = "gramian"

    def __init__(self, alpha: float = 1.5, learning_rate: float = 0.025):
        super().__init__()
        self.alpha = alpha
        self.learning_rate = learning_rate
        self.check(alpha >= 0, "alpha of 0 or more")
        self.check(learning_rate > 0, "a learning_rate over 0")

    def build(self, tasks, shapes=()):
        super().build(tasks, shapes)
        self.task_weights = self.add_variable(tf.ones(tasks))
        self.first_losses = self.add_variable(tf.zeros(tasks))
        self.optimizer = keras.optimizers.Adam(self.learning_rate)
        self.optimizer.build([self.task_weights])
        self.variables.extend(self.optimizer.variables)

    def weights(self, losses, gramian=None):
        weights = tf.identity(self.task_weights.value)
        labelled = losses > 0
        self.first_losses.assign(tf.where(self.first_losses.value > 0, self.first_losses.value, losses))
        lengths = tf.sqrt(tf.nn.relu(tf.linalg.diag_part(tf.cast(gramian, tf.float64))))
        slope = self._slope(tf.cast(weights, tf.float64), lengths, tf.cast(losses, tf.float64), labelled)
        # Adam squares it in float32.
        slope = tf.cast(tf.clip_by_value(slope, -1e18, 1e18), tf.float32)
        self.optimizer.apply([slope], [self.task_weights])
        stepped = tf.where(labelled, tf.maximum(self.task_weights.value, _LEAST), weights)
        self.task_weights.assign(self.tasks * stepped / tf.reduce_sum(stepped))
        return tf.stop_gradient(weights)

    def own_weights(self, losses, weights):
        return weights

    def _slope(self, weights, lengths, losses, labelled):
        present = tf.cast(labelled, tf.float64)

        def mean(values):
            return tf.math.divide_no_nan(tf.reduce_sum(values * present), tf.reduce_sum(present))

        progress = tf.math.divide_no_nan(losses, tf.cast(self.first_losses.value, tf.float64))
        rates = tf.math.divide_no_nan(progress, mean(progress))
        weighted = weights * lengths
        return tf.sign(weighted - mean(weighted) * rates**self.alpha) * lengths
