"""A training that diverges ends in that very step, whatever balances it; one that doesn't is not changed."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mtl.errors import Diverged, UserError
from keras_mtl.models import MultiTaskModel, build_model
from keras_mtl.models.divergence import LEAST_SCALE, DivergenceWatch, check_weights
from keras_mtl.models.objectives import TaskOutput
from keras_mtl.optimizers import AdamW
from keras_mtl.tasks import Task
from keras_mtl.weighting_names import WEIGHTINGS

TASKS = [Task(name, "binary", classes=("no", "yes")) for name in ("hat", "tie")]
ROWS = 4
RANDOM = np.random.default_rng(0)


def tiny(policy="float32") -> MultiTaskModel:
    """A net without convolutions, which is traced in no time."""
    inputs = keras.Input((4,))
    trunk = keras.layers.Dense(3, "tanh", dtype=policy, kernel_initializer=keras.initializers.HeNormal(1))(inputs)
    logits = {
        task.name: keras.layers.Dense(2, name=f"{task.name}_logits", kernel_initializer=keras.initializers.HeNormal(2))
        for task in TASKS
    }
    return MultiTaskModel(inputs, {task.name: TaskOutput(task)(logits[task.name](trunk)) for task in TASKS})


def batches(steps, marked=None):
    """So many batches; labels of `hat` in the batch of number `marked`, from 1, are 9."""
    x = RANDOM.normal(size=(steps * ROWS, 4)).astype("float32")
    y = {task.name: RANDOM.integers(0, 2, steps * ROWS).astype("float32") for task in TASKS}
    if marked:
        y["hat"][(marked - 1) * ROWS : marked * ROWS] = 9
    return x, y


class Steps(keras.callbacks.Callback):
    """What other callbacks hear of."""

    def __init__(self):
        super().__init__()
        self.heard = []

    def on_train_batch_end(self, batch, logs=None):
        self.heard.append(batch + 1)

    def on_epoch_end(self, epoch, logs=None):
        self.heard.append("epoch")


def diverge(model, x, y, epochs=1, **compiled):
    """Fits a model that is to diverge: the error, and what other callbacks heard."""
    # Tracing would take most of the tests' time.
    model.compile(**{"run_eagerly": "steps_per_execution" not in compiled, "jit_compile": False, **compiled})
    steps = Steps()
    with pytest.raises(Diverged) as error:
        model.fit(x, y, batch_size=ROWS, epochs=epochs, shuffle=False, verbose=0, callbacks=[steps])
    assert "\n" not in str(error.value) and isinstance(error.value, UserError)
    return error.value, steps.heard


def on_mark(marked, plain):
    """A loss that is something else where a label is 9."""

    def loss(y_true, y_pred):
        label, output = tf.cast(tf.reshape(y_true, [-1]), tf.float32), tf.reduce_sum(y_pred, -1)
        return marked(label > 5, output) + plain * (output - label) ** 2

    def other(y_true, y_pred):
        return tf.reduce_mean(y_pred**2, -1)

    return {"hat": loss, "tie": other}


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_every_weighting_stops_where_the_weights_explode(weighting):
    sub_batches = [(2, ["hat"]), (2, ["tie"])] if weighting in ("modo", "sdmgrad") else None
    error, heard = diverge(
        *(tiny(), *batches(6)),
        epochs=3,
        optimizer=keras.optimizers.SGD(1e30),
        weighting=weighting,
        loss_weights=1e20,
        sub_batches=sub_batches,
    )
    assert error.step == len(heard) + 1 <= 4
    assert "learning rate below 1e+30" in str(error)


@pytest.mark.parametrize("weighting", ["ew", "upgrad"])
def test_in_bfloat16_too(weighting):
    error, heard = diverge(tiny("mixed_bfloat16"), *batches(6), optimizer=AdamW(1e38), weighting=weighting)
    assert error.step == len(heard) + 1 <= 5


@pytest.mark.parametrize("weighting", ["ew", "mgda"])
def test_the_step_and_the_task_of_a_loss_are_exact(weighting):
    loss = on_mark(lambda marked, output: tf.where(marked, np.inf, 0.0), 1.0)
    sub_batches = None if weighting != "mgda" else [(2, ["hat"]), (2, ["tie"])]
    compiled = {"loss": loss} if sub_batches is None else {"loss": None}
    x, y = batches(6, marked=5)
    if sub_batches is not None:  # of reductions that parts add up of, with rows that make the head's own loss infinite
        y["hat"][y["hat"] == 9] = 0
        x[16:20] = np.inf
    error, heard = diverge(
        tiny(), x, y, optimizer=AdamW(1e-3), weighting=weighting, sub_batches=sub_batches, **compiled
    )
    assert (error.step, heard) == (5, [1, 2, 3, 4])
    assert error.task == "hat" and "the loss of hat is not finite" in str(error)


@pytest.mark.parametrize("steps_per_execution", [1, 4])
def test_a_gradient_that_is_not_finite_is_seen_where_the_loss_is_finite(steps_per_execution):
    # sqrt(0): its value is 0, and its derivative is infinite.
    loss = on_mark(lambda marked, output: tf.sqrt(tf.where(marked, 0.0 * output, 1.0)), 1.0)
    model = tiny()
    optimizer = keras.optimizers.SGD(1e-3)
    error, _ = diverge(
        model, *batches(8, marked=6), optimizer=optimizer, loss=loss, steps_per_execution=steps_per_execution
    )
    assert error.step == 6
    assert "weights of " in str(error) or steps_per_execution > 1  # by then losses have followed


def test_gradients_too_large_to_be_squared_are_told_by_task():
    # Every weight stays finite, and none of them ever moves again: the second moment is infinite.
    error, _ = diverge(tiny(), *batches(6), optimizer=AdamW(1e-3), loss_weights={"hat": 1e30})
    assert error.step == 1 and error.task == "hat" and "hat_logits" in str(error)


def test_steps_that_loss_scaling_skips_are_none_but_not_for_ever():
    loss = on_mark(lambda marked, output: output * tf.where(marked, np.inf, 0.0), 1e-3)
    x, y = batches(40)
    y["hat"][8:16] = 9  # two steps in a row
    model = tiny()
    model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(1e-3)), loss=loss, jit_compile=False)
    model.fit(x, y, batch_size=ROWS, shuffle=False, verbose=0)
    assert int(model.optimizer.iterations) == 38
    y["hat"][8:] = 9
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(1e-3))
    error, heard = diverge(tiny(), x, y, optimizer=optimizer, loss=loss, run_eagerly=False)
    assert float(optimizer.dynamic_scale) == LEAST_SCALE / 2 and heard == list(range(1, 32))
    assert error.step == 3 and error.task == "hat"  # the third is tried over and over


def test_after_good_weights_are_put_back_training_goes_on():
    model, (x, y) = tiny(), batches(3)
    good = model.get_weights()
    diverge(model, x, y, epochs=3, optimizer=keras.optimizers.SGD(1e38), loss_weights=1e20)
    model.set_weights(good)
    model.compile(AdamW(1e-3), run_eagerly=True)
    history = model.fit(x, y, batch_size=ROWS, verbose=0).history
    assert np.isfinite(history["loss"]).all() and model.divergence.found() is None


def test_the_look_changes_no_number(images, monkeypatch):
    def trained(looks):
        if not looks:
            monkeypatch.setattr(DivergenceWatch, "look", lambda self, step: None)
        keras.utils.set_random_seed(3)
        model = build_model(["gender", "smile"], image_size=32, width=4, blocks=(1,), precision="float32")
        model.compile(AdamW(1e-2), jit_compile=False)
        labels = {name: np.arange(12) % 2 for name in model.tasks}
        model.fit(images, labels, batch_size=4, epochs=2, shuffle=False, verbose=0)
        return [variable.numpy() for variable in (*model.variables, *model.optimizer.variables)]

    for one, other in zip(trained(True), trained(False), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_named(value):
    model = tiny()
    check_weights(model, "It")
    model.get_layer("tie_logits").bias.assign([0.0, value])
    with pytest.raises(UserError, match=r"It has weights that are not finite \(tie_logits/bias\)"):
        check_weights(model, "It")
