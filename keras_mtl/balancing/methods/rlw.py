"""RLW: weights drawn anew in each step."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_mtl.balancing.weighting import Weighting
from keras_mtl.values import SEEDS, is_seed


class RandomLossWeighting(Weighting):
    """Weights from a normal distribution, through a softmax: a litmus test for methods that claim more.

        w = softmax(z),   z_i ~ N(0, 1)

    The sum is 1, as in the authors' code: steps are T times shorter than those of EW, which matters with SGD.

    Args:
        seed: of the draws.

    Source: Lin et al., "Reasonable Effectiveness of Random Weighting: A Litmus Test for Multi-Task Learning",
    TMLR 2022, section 3 (their default among six distributions).
    """

    name = "rlw"
    sees = "losses"

    def __init__(self, seed: int = 0):
        super().__init__()
        self.seed = seed
        self.check(is_seed(seed), f"a whole number from 0 to {SEEDS - 1} as seed")

    def build(self, tasks: int, shapes: Sequence[tuple[int, ...]] = ()) -> None:
        super().build(tasks, shapes)
        self.generator = keras.random.SeedGenerator(self.seed)
        self.variables.append(self.generator.state)

    def weights(self, losses: tf.Tensor, gramian: tf.Tensor | None = None) -> tf.Tensor:
        return tf.nn.softmax(keras.random.normal([self.tasks], dtype="float32", seed=self.generator))
