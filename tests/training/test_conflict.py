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
from keras_mtl.training.conflict import _of_pair
from keras_mtl.training.conflict_cosine import WHOLE, Cosine
from keras_mtl.training.conflict_meter import ConflictMeter, agreement
from keras_mtl.training.conflict_picture import AGREEMENT, CONFLICT, NOTHING, colour, heat_maps
from keras_mtl.training.conflict_rows import COLUMNS, gather, read_rows, shares

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


TOGETHER, APART = [(2, ("one", "other"))], [(2, ("one",)), (2, ("other",))]


def _look(model, sub_batches, one, other, labelled=(1.0, 1.0)):
    """Images x = (1, 0) only, with these two labels of each task, in a source of both or in one each."""
    rows = sum(size for size, _ in sub_batches)
    x = np.tile(np.array([[1.0, 0.0]], np.float32), (rows, 1))
    y = {"one": tf.constant((*one, 0.0, 0.0)[:rows]), "other": tf.constant((0.0, 0.0, *other)[-rows:])}
    weights = {"one": tf.constant((1.0, 1.0, 0.0, 0.0)[:rows]), "other": tf.constant((0.0, 0.0, *labelled)[-rows:])}
    found = ConflictMeter(model, sub_batches).look(x, y, weights)
    assert list(found) == ["trunk", WHOLE]
    return found[WHOLE]


@pytest.mark.parametrize("sub_batches", [TOGETHER, APART])
def test_cosines_are_those_computed_by_hand(two_heads, sub_batches):
    # All rows are x = (1, 0), so both tasks' gradients of W are 2 r x^T k with the head's k and the residual r, and
    # lie in W's first row. "one" predicts 1 for 0, r = 1: gradient 2 * 1 * (1, 0) = (2, 0). "other" predicts 1 for 3,
    # r = -2, and counts a half: 0.5 * 2 * -2 * (1, 1) = (-2, -2). So the magnitudes are 2 and sqrt(8), the inner
    # product is -4, the cosine -4 / (2 sqrt(8)) = -1 / sqrt(2), and the similarity 2 * 2 sqrt(8) / (4 + 8).
    found = _look(two_heads, sub_batches, (0.0, 0.0), (3.0, 3.0))
    magnitudes, cosines, similarities = agreement(found.batch)
    np.testing.assert_allclose(magnitudes, [2, math.sqrt(8)], rtol=1e-6)
    np.testing.assert_allclose(cosines, [[1, -math.sqrt(0.5)], [-math.sqrt(0.5), 1]], rtol=1e-6)
    np.testing.assert_allclose(similarities[0, 1], math.sqrt(8) / 3, rtol=1e-6)
    np.testing.assert_allclose(found.signal, found.batch, rtol=1e-6)  # the images are all the same: no noise


@pytest.mark.parametrize(("sub_batches", "inner"), [(TOGETHER, 3.0), (APART, 1.5)])
def test_the_signal_is_of_images_that_have_nothing_in_common(two_heads, sub_batches, inner):
    # Residuals 1 and -2 of "one", a half each: gradients (2, 0) and (-4, 0), in the mean (-1, 0). Residuals -2 and -1
    # of "other": (-2, -2) and (-1, -1), in the mean (-1.5, -1.5). Squares between halves: -8 and 4. On the same images
    # only products between halves are without bias: (2 * -1 + -4 * -2) / 2 = 3; on different ones all are: 1.5.
    found = _look(two_heads, sub_batches, (0.0, 3.0), (3.0, 2.0))
    np.testing.assert_allclose(found.batch, [[1, 1.5], [1.5, 4.5]], rtol=1e-6)
    np.testing.assert_allclose(found.signal, [[-8, inner], [inner, 4]], rtol=1e-6)


@pytest.mark.parametrize("sub_batches", [TOGETHER, APART])
def test_a_task_without_a_label_is_left_out(two_heads, sub_batches):
    found = _look(two_heads, sub_batches, (0.0, 0.0), (3.0, 3.0), labelled=(0.0, 0.0))
    magnitudes, cosines, similarities = agreement(found.batch)
    assert magnitudes[0] > 0 and np.isnan(magnitudes[1])
    assert np.isnan(cosines[0, 1]) and np.isnan(similarities[0, 1])


@pytest.mark.parametrize("sub_batches", [TOGETHER, APART])
def test_without_a_label_in_a_half_there_is_no_signal_but_a_cosine(two_heads, sub_batches):
    found = _look(two_heads, sub_batches, (0.0, 0.0), (5.0, 3.0), labelled=(0.0, 1.0))
    np.testing.assert_allclose(found.batch, [[4, -4], [-4, 8]], rtol=1e-6)  # as by hand above
    np.testing.assert_allclose(found.signal, [[4, np.nan], [np.nan, np.nan]], rtol=1e-6)


def test_one_pass_finds_what_a_pass_a_half_finds(images):
    model = keras_mtl.build_model(image_size=32, width=8, blocks=(1,), precision="float32")
    model.compile("sgd")
    y = {"age": tf.range(12.0) * 5, "gender": tf.constant([0.0, 1, 1] * 4), "smile": tf.ones(12)}
    labelled = {name: tf.constant([1.0, 0, 1, 1, 1, 1] * 2) for name in y}
    sub_batches = [(5, ("age",)), (4, ("gender",)), (3, ("smile",))]
    one, many = ConflictMeter(model, sub_batches), ConflictMeter(model, sub_batches)
    assert one._step._is_one_pass
    many._step._is_one_pass = False
    for a, b in zip(one.look(images, y, labelled).values(), many.look(images, y, labelled).values(), strict=True):
        np.testing.assert_allclose(a.batch, b.batch, rtol=1e-3, atol=1e-4 * np.abs(b.batch).max())
        np.testing.assert_allclose(a.signal, b.signal, rtol=1e-3, atol=1e-3 * np.abs(b.batch).max())


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
        cosines = agreement(inner.batch)[1]
        np.testing.assert_array_equal(np.isnan(cosines[2]), [stage in ("stage2", "stage3")] * 3)
        assert np.isfinite(cosines[:2, :2]).all()
    # Neither the moving statistics nor the dropout's seeds nor any weight has moved.
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(np.array(variable), value, err_msg=variable.path)
    again = meter.look(images, y, {task: tf.ones(12) for task in y})
    np.testing.assert_array_equal(again[WHOLE].batch, found[WHOLE].batch)


def test_there_must_be_tasks_that_share_what_is_trained():
    single = keras_mtl.build_model(["age"], image_size=32, width=8, blocks=(1,))
    single.compile("sgd")
    with pytest.raises(UserError, match="2 or more. Received: age"):
        ConflictMeter(single, [(2, ("age",))])
    frozen = keras_mtl.build_model(["age", "smile"], image_size=32, width=8, blocks=(1,))
    for layer in frozen.layers:
        layer.trainable = layer.name.startswith(("age", "smile"))
    frozen.compile("sgd")
    with pytest.raises(UserError, match="no weight that two tasks share"):
        ConflictMeter(frozen, [(2, ("age", "smile"))])


def test_there_must_be_halves_to_tell_noise_by(two_heads):
    with pytest.raises(UserError, match="2 images of each source in a batch. Received: 1 for other; take a larger"):
        ConflictMeter(two_heads, [(2, ("one",)), (1, ("other",))])


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
    assert (counted[WHOLE].by_chance, counted["stem"].by_chance) == ((0.75 + 0.75 + 0.5) / 3, 0.5)


def test_files_from_before_the_noise_was_told_are_read():
    old = {"step": "1", "stage": WHOLE, "task": "a", "other": "b", "cosine": "0.5"}
    new = old | {"signal": "1.5", "task_signal": "-2", "other_signal": "3"}
    assert gather([new, old])[WHOLE, "a", "b"] == [(1.5, -2, 3), pytest.approx((np.nan,) * 3, nan_ok=True)]


def test_curves_have_the_cosine_so_far_where_it_is_told():
    row = {"stage": "stem", "task": "a", "other": "b", "cosine": "0.01"}
    curves = _of_pair(row, Cosine(-0.3, -0.5, -0.1, 900, 3600.0))
    assert curves.pop("conflict_stem/cosine_of_batch/a-b") == 0.01
    assert curves.pop("conflict_stem/looks_needed/a-b") == 3600
    ends = {"": -0.3, "_low": -0.5, "_high": -0.1}
    assert curves == {f"conflict_stem/cosine_so_far{end}/a-b": value for end, value in ends.items()}
    untold = _of_pair({**row, "stage": WHOLE}, Cosine(0.3, -1.0, 1.0, 9, 90000.0))
    assert set(untold) == {"conflict/cosine_of_batch/a-b", "conflict/looks_needed/a-b"}


@pytest.mark.parametrize("tasks", [2, 40])
def test_the_picture_has_the_cosines_colours(tasks):
    cosines = {
        ("stem", "t0", "t1"): Cosine(1.0, 0.9, 1.0, 3, 9.0),
        ("stage1", "t0", "t1"): Cosine(-1.0, -1.0, -0.9, 3, 9.0),
        ("stage2", "t0", "t1"): Cosine(0.5, -1.0, 1.0, 3, 900.0),  # not told, so grey
    }
    picture = heat_maps(cosines, [f"t{i}" for i in range(tasks)], 3)
    seen = {tuple(pixel) for pixel in picture.reshape(-1, 3).tolist()}
    assert {CONFLICT, AGREEMENT, NOTHING} <= seen and colour(0.5) not in seen


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
    settings = {"log_conflict_every": 3, "checkpoint_steps": 4, "stages": (1,)}
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
