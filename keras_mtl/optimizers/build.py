"""Optimizers by name."""

from __future__ import annotations

import keras

from keras_mtl.optimizers.adamw import AdamW
from keras_mtl.values import check_number


def build_optimizer(name: str, schedule, weight_decay: float) -> keras.optimizers.Optimizer:
    """An optimizer by name: "adamw", "adam" (no weight decay) or "sgd" (Nesterov momentum 0.9).

    Weight decay is decoupled and leaves out biases and BatchNormalization's scales and offsets.

    Raises:
        UserError: a weight decay that is no number of 0 or more.
    """
    check_number("weight_decay", weight_decay, low=0.0)
    if name == "adam":
        return keras.optimizers.Adam(schedule)
    if name == "sgd":
        optimizer = keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True, weight_decay=weight_decay or None)
    else:
        optimizer = AdamW(schedule, weight_decay=weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
