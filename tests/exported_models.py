"""A tiny net with one task of each kind, for tests of what is exported."""

from __future__ import annotations

import numpy as np

from keras_mtl.models import build_model
from keras_mtl.tasks import BUILT_IN, Task

TASKS = {
    "age": BUILT_IN["age"],
    "smile": BUILT_IN["smile"],
    "emotion": Task("emotion", "multiclass", classes=("angry", "happy", "très calme")),
    "stage": Task("stage", "ordinal", classes=("child", "adult", "old")),
}
SIZE = 32


def random_model(precision=None, tasks=TASKS):
    """A tiny model whose every variable, BatchNormalization's statistics included, has a random value."""
    model = build_model(tasks, image_size=SIZE, width=4, blocks=(1, 1), precision=precision)
    random = np.random.default_rng(0)
    for variable in model.variables:
        if variable.dtype == "float32":
            low = 0.5 if "variance" in variable.path else -0.3
            variable.assign(random.uniform(low, low + 0.6, variable.shape))
    return model
