"""Conflict: cosines known by hand, what is left out, and a training that looks being the one that does not."""

import dataclasses
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import DRAWN
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import keras_mtl
from keras_mtl.data.batches import TrainingBatches
from keras_mtl.data.splits import SplitData
from keras_mtl.errors import UserError
from keras_mtl.models.multitask import MultiTaskModel
from keras_mtl.models.objectives import TaskOutput
from keras_mtl.tasks import Task
from keras_mtl.training.checkpoint import Checkpoint
from keras_mtl.training.conflict import COLUMNS, read_rows, shares
from keras_mtl.training.conflict_meter import WHOLE, ConflictMeter, agreement, mean_matrix
from keras_mtl.training.conflict_picture import AGREEMENT, CONFLICT, NOTHING, heat_maps

TINY = keras_mtl.Config(
    sources=tuple(DRAWN.split(",")),
    image_size=32,
    width=8,
    stages=(1, 1, 1),
    batch_size=12,
    epochs=2,
    steps_per_epoch=6,
    dropout=0.2,
    precision="float32",
)


@pytest.fixture
def two_heads():
    """h = x W with W = 1 [2, 2], then one linear unit a task: (1, 0) for one, (1, 1) for the other; squared errors."""
    inputs = keras.Input((2,))
    shared = keras.layers.Dense(2, use_bias=False, kernel_initializer="identity")(inputs)
    outputs = {}
    for name, kernel in (("one", [[1.0], [0.0]]), ("other", [[1.0], [1.0]])):
        head = keras.layers.Dense(1, use_bias=False, kernel_initializer=keras.initializers.Constant(kernel))
        task = Task(name, "regression", low=0, high=10, head="l1")
        outputs[name] = TaskOutput(task)(head(shared))
    model = MultiTaskModel(inputs, outputs)
    loss = {name: keras.losses.MeanSquaredError(reduction="mean_with_sample_weight") for name in outputs}
    model.compile("sgd", loss=loss, loss_weights={"one": 1.0, "other": 0.5})
    return model


@pytest.mark.parametrize("sub_batches", [None, [(2, ("one", "other"))], [(1, ("one",)), (1, ("other",))]])
def test_cosines_are_those_computed_by_hand(two_heads, sub_batches):
    # Both rows are x = (1, 0), so both tasks' gradients of W are 2 r x^T k with the head's k and the residual r, and
    # lie in W's first row. "one" predicts 1 for 0, r = 1: gradient 2 * 1 * (1, 0) = (2, 0). "other" predicts 1 for 3,
    # r = -2, and counts a half: 0.5 * 2 * -2 * (1, 1) = (-2, -2). So the magnitudes are 2 and sqrt(8), the inner
    # product is -4, the cosine -4 / (2 sqrt(8)) = -1 / sqrt(2), and the similarity 2 * 2 sqrt(8) / (4 + 8).
    x = np.array([[1.0, 0.0], [1.0, 0.0]], np.float32)
    y = {"one": tf.constant([0.0, 0.0]), "other": tf.constant([3.0, 3.0])}
    weights = {"one": tf.constant([1.0, 1.0]), "other": tf.constant([1.0, 1.0])}
    found = ConflictMeter(two_heads, sub_batches).look(x, y, weights)
    assert list(found) == ["trunk", WHOLE]
    magnitudes, cosines, similarities = agreement(found[WHOLE])
    np.testing.assert_allclose(magnitudes, [2, math.sqrt(8)], rtol=1e-6)
    np.testing.assert_allclose(cosines, [[1, -math.sqrt(0.5)], [-math.sqrt(0.5), 1]], rtol=1e-6)
    np.testing.assert_allclose(similarities[0, 1], math.sqrt(8) / 3, rtol=1e-6)


def test_a_task_without_a_label_is_left_out(two_heads):
    x = np.ones((2, 2), np.float32)
    y = {"one": tf.zeros(2), "other": tf.zeros(2)}
    found = ConflictMeter(two_heads, None).look(x, y, {"one": tf.ones(2), "other": tf.zeros(2)})
    magnitudes, cosines, similarities = agreement(found[WHOLE])
    assert magnitudes[0] > 0 and np.isnan(magnitudes[1])
    assert np.isnan(cosines[0, 1]) and np.isnan(similarities[0, 1])


def test_a_branch_that_leaves_early_has_no_gradient_above(images):
    model = keras_mtl.build_model(
        image_size=32, width=8, blocks=(1, 1, 1), branch_at={"smile": "stage1"}, dropout=0.5, precision="float32"
    )
    model.compile("sgd")
    before = [np.array(variable) for variable in model.variables]
    y = {"age": tf.fill([12], 30.0), "gender": tf.ones(12), "smile": tf.ones(12)}
    sub_batches = [(6, ("age", "gender")), (6, ("smile",))]
    meter = ConflictMeter(model, sub_batches)
    found = meter.look(images, y, {task: tf.ones(12) for task in y})
    assert list(found) == ["stem", "stage1", "stage2", "stage3", WHOLE]
    for stage, inner in found.items():
        cosines = agreement(inner)[1]
        np.testing.assert_array_equal(np.isnan(cosines[2]), [stage in ("stage2", "stage3")] * 3)
        assert np.isfinite(cosines[:2, :2]).all()
    # Neither the moving statistics nor the dropout's seeds nor any weight has moved.
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(np.array(variable), value, err_msg=variable.path)
    again = meter.look(images, y, {task: tf.ones(12) for task in y})
    np.testing.assert_array_equal(again[WHOLE], found[WHOLE])


def test_there_must_be_tasks_that_share_what_is_trained():
    single = keras_mtl.build_model(["age"], image_size=32, width=8, blocks=(1,))
    single.compile("sgd")
    with pytest.raises(UserError, match="2 or more. Received: age"):
        ConflictMeter(single, None)
    frozen = keras_mtl.build_model(["age", "smile"], image_size=32, width=8, blocks=(1,))
    for layer in frozen.layers:
        layer.trainable = layer.name.startswith(("age", "smile"))
    frozen.compile("sgd")
    with pytest.raises(UserError, match="no weight that two tasks share"):
        ConflictMeter(frozen, None)


@given(arrays.arrays(np.float64, (3, 5), elements=st.floats(-10, 10).map(lambda value: round(value, 3))))
def test_agreement_is_symmetric_bounded_and_blind_to_scale(gradients):
    inner = gradients @ gradients.T
    magnitudes, cosines, similarities = agreement(inner)
    np.testing.assert_array_equal(np.isnan(magnitudes), ~gradients.any(1))
    for matrix in (cosines, similarities):
        np.testing.assert_allclose(matrix, matrix.T)
        assert np.nanmax(np.abs(matrix), initial=0) <= 1 + 1e-12
    scales = np.array([1.0, 7.0, 0.5])
    np.testing.assert_allclose(agreement(inner * np.outer(scales, scales))[1], cosines, atol=1e-9)


def test_shares_count_looks_and_pairs():
    def row(step, cosine, stage=WHOLE):
        return {"step": str(step), "stage": stage, "cosine": str(cosine), "task": "a", "other": "b"}

    rows = [row(1, 0.5), row(1, -0.5), row(2, 0.0), row(2, 0.1), row(2, 0.2, "stem")]
    counted = shares(rows)
    assert (counted[WHOLE].of_looks, counted[WHOLE].of_pairs) == (1 / 2, 1 / 4)
    assert counted["stem"].of_looks == 0
    shares([row(3, -1)], counted)
    assert counted[WHOLE].of_looks == 2 / 3
    mean = mean_matrix(rows, ["a", "b", "c"], WHOLE)
    assert mean[0, 1] == mean[1, 0] == pytest.approx(0.025) and np.isnan(mean[2]).all()


@pytest.mark.parametrize("tasks", [2, 40])
def test_the_picture_has_the_cosines_colours(tasks):
    matrix = np.full((tasks, tasks), np.nan)
    matrix[0, 1], matrix[1, 0] = 1.0, -1.0
    picture = heat_maps({"stem": matrix, "stage1": np.full_like(matrix, np.nan)}, [f"t{i}" for i in range(tasks)], 3)
    seen = {tuple(pixel) for pixel in picture.reshape(-1, 3).tolist()}
    assert {CONFLICT, AGREEMENT, NOTHING} <= seen


def test_a_plain_batch_is_the_steps_own_without_augmentation():
    pixels = np.random.default_rng(2).integers(0, 256, (7, 4, 4, 3), np.uint8)
    labels = np.array([1, 2, np.nan, 4, 5, 6, 7], np.float32)
    data = [SplitData("faces", pixels, list("abcdefg"), {"age": labels})]
    batches = TrainingBatches(data, ["age"], batch_size=3, seed=4, augment=None)
    batches.epoch = 1
    for step, yielded in enumerate(batches.dataset()):
        tf.nest.map_structure(np.testing.assert_array_equal, yielded, batches.plain_batch(1, step))


def _train(path, **settings):
    return keras_mtl.train(dataclasses.replace(TINY, workdir=str(path), **settings))


def _state(run) -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(run.checkpoints_path)))
    names = [name for name in reader.get_variable_to_shape_map() if name.startswith("variables/")]
    return {name: reader.get_tensor(name) for name in names}


@pytest.mark.parametrize("weighting", ["ew", "upgrad"])
def test_a_training_that_looks_is_the_one_that_does_not_bit_by_bit(tmp_path, weighting):
    plain = _train(tmp_path, name="plain", weighting=weighting)
    looking = _train(tmp_path, name="looking", weighting=weighting, log_conflict_every=3)
    ours, theirs = _state(plain), _state(looking)
    assert ours.keys() == theirs.keys() and len(ours) > 80
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name], err_msg=name)
    assert not plain.conflict_path.exists()
    rows = read_rows(looking.conflict_path)
    assert list(rows[0]) == list(COLUMNS) and {row["step"] for row in rows} == {"3", "6", "9", "12"}
    assert len(rows) == 4 * 5 * 3  # looks; stem, three stages and the whole; pairs
    assert all((row["weight"] == "") == (weighting == "ew") for row in rows)


def test_a_resumed_training_goes_on_with_its_looks(tmp_path, monkeypatch):
    settings = {"log_conflict_every": 3, "checkpoint_steps": 4}
    whole = _train(tmp_path, name="whole", **settings)

    def dies(self, epoch, logs=None):
        if epoch == 1:
            raise InterruptedError
        real(self, epoch, logs)

    # Between the file of the epoch's end and its checkpoint: the file is then ahead of what is gone on from.
    real = Checkpoint.on_epoch_end
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "on_epoch_end", dies)
        with pytest.raises(InterruptedError):
            _train(tmp_path, name="broken", **settings)
    broken = _train(tmp_path, name="broken", **settings)
    assert broken.conflict_path.read_bytes() == whole.conflict_path.read_bytes()
