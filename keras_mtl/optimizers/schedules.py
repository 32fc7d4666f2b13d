"""Learning-rate schedules with a rise at the start."""

from __future__ import annotations

import keras

from keras_mtl.values import check_number


@keras.saving.register_keras_serializable(package="keras_mtl")
class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """Lets another schedule begin with a linear rise from 0.

    Args:
        schedule: the `LearningRateSchedule` to follow after `steps` steps, as from its own step 0.
        steps: length of the rise; 0 for none.
    """

    def __init__(self, schedule, steps: int):
        self.schedule = schedule
        self.steps = steps

    def __call__(self, step):
        step = keras.ops.cast(step, "float32")
        rise = keras.ops.minimum(1.0, (step + 1.0) / max(self.steps, 1))
        return rise * self.schedule(keras.ops.maximum(0.0, step - self.steps))

    def get_config(self):
        return {"schedule": keras.saving.serialize_keras_object(self.schedule), "steps": self.steps}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config["schedule"]), config["steps"])


def build_schedule(name: str, learning_rate: float, steps: int, warmup: float) -> WarmUp:
    """The learning rate over a training.

    Args:
        name: "cosine" and "linear" fall to 0 at the last step, "constant" stays.
        learning_rate: the highest value.
        steps: the training's steps.
        warmup: share of the steps in which it rises from 0, 0 to 0.9.

    Raises:
        UserError: a learning rate or a warmup that is no such number.
    """
    check_number("learning_rate", learning_rate, low=0.0)
    check_number("warmup", warmup, low=0.0, high=0.9)
    rise = round(steps * warmup)
    fall = max(steps - rise, 1)
    schedules = keras.optimizers.schedules
    if name == "cosine":
        schedule = schedules.CosineDecay(learning_rate, fall)
    else:
        end = learning_rate if name == "constant" else 0.0
        schedule = schedules.PolynomialDecay(learning_rate, fall, end_learning_rate=end)
    return WarmUp(schedule, rise)
