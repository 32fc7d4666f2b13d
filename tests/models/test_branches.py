"""Removing, adding and moving branches: what stays is the same bit for bit, and nothing dead is left."""

import itertools

import keras
import numpy as np
import pytest

import keras_mtl
from keras_mtl.models.branches import add_branch, branch_points, cut, freeze, move_branches, remove_branches

TASKS = ("age", "gender", "smile")
SUBSETS = [subset for size in (1, 2, 3) for subset in itertools.combinations(TASKS, size)]


@pytest.fixture(scope="module")
def model():
    """A compiled model whose branches leave at three stages, with moving statistics that are not the initial ones."""
    model = keras_mtl.build_model(
        image_size=32,
        width=8,
        blocks=(1, 1, 1, 1),
        branch_at={"age": "stage4", "smile": "stage3"},
        hidden=4,
        dropout=0.2,
        seed=3,
        precision="float32",
    )
    model.compile("adamw")
    pixels = np.random.default_rng(0).integers(0, 256, (16, 32, 32, 3), np.uint8)
    labels = {"age": np.full(16, 30.0), "gender": np.zeros(16), "smile": np.ones(16)}
    model.fit(pixels, labels, batch_size=8, epochs=1, verbose=0)
    return model


def state(model) -> dict[str, np.ndarray]:
    """Every variable of model and optimizer by its path."""
    variables = [*model.variables, *(model.optimizer.variables if model.optimizer else ())]
    return {f"{number} {variable.path}": np.array(variable) for number, variable in enumerate(variables)}


def weights(model) -> dict[str, list[np.ndarray]]:
    return {layer.name: layer.get_weights() for layer in model.layers if layer.weights}


@pytest.mark.parametrize("keep", SUBSETS, ids="+".join)
def test_kept_outputs_are_bit_identical_and_the_original_is_untouched(model, images, keep):
    before, names, whole = state(model), [layer.name for layer in model.layers], model.predict(images, verbose=0)
    left = remove_branches(model, keep)
    outputs = left.predict(images, verbose=0)
    assert list(left.tasks) == list(outputs) == list(keep)
    for task in keep:
        np.testing.assert_array_equal(outputs[task], whole[task])
    left.compile("sgd")
    left.fit(images, {task: np.zeros(len(images)) for task in keep}, verbose=0)
    after = state(model)
    assert [layer.name for layer in model.layers] == names and after.keys() == before.keys()
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value)


@pytest.mark.parametrize("keep", SUBSETS, ids="+".join)
def test_no_layer_is_left_that_serves_no_kept_task(model, keep):
    left = remove_branches(model, keep)
    needed = {layer.name for task in keep for layer in keras.Model(model.input, model.get_layer(task).output).layers}
    assert {layer.name for layer in left.layers} == needed
    assert {w.path for w in left.weights} == {w.path for w in model.weights if w.path.split("/")[0] in needed}
    assert not any(mine is theirs for mine in left.layers for theirs in model.layers)


def test_the_trunks_tail_goes_with_the_last_branch_that_needed_it(model):
    names = {layer.name for layer in remove_branches(model, ["smile"]).layers}
    assert "stage3" in names and "pool" not in names and not any(name.startswith("stage4") for name in names)
    assert "stage4" in {layer.name for layer in remove_branches(model, ["smile", "age"]).layers}


def test_a_removed_model_is_saved_and_loaded_like_any_other(model, images, tmp_path):
    left = remove_branches(model, "age")
    left.save(tmp_path / "age.keras")
    loaded = keras.models.load_model(tmp_path / "age.keras")
    np.testing.assert_array_equal(loaded.predict(images, verbose=0)["age"], left.predict(images, verbose=0)["age"])


@pytest.mark.parametrize(
    ("keep", "message"), [((), "No task to keep"), (["emotion"], "no task 'emotion' to keep; its tasks are age")]
)
def test_an_unknown_or_empty_choice_is_met_in_one_line(model, keep, message):
    with pytest.raises(keras_mtl.errors.UserError, match=message):
        remove_branches(model, keep)


@pytest.mark.parametrize("at", ["stem", "stage2", "pool"])
def test_cut_gives_the_trunk_up_to_a_stage(model, images, at):
    trunk = cut(model, at)
    np.testing.assert_array_equal(
        trunk.predict(images, verbose=0),
        keras.Model(model.input, model.get_layer(at).output).predict(images, verbose=0),
    )
    assert not any(layer.name.startswith(TASKS) for layer in trunk.layers)


def test_cut_names_the_stages_there_are(model):
    with pytest.raises(keras_mtl.errors.UserError, match="no layer 'stage9'; its stages are stem, stage1, .*, pool"):
        cut(model, "stage9")


def test_add_branch_undoes_remove_branches_and_leaves_other_outputs_alone(model, images, emotion):
    left = remove_branches(model, ["age"])
    more = add_branch(left, emotion, at="stage2", hidden=4)
    assert set(more.tasks) == {"age", "emotion"} and set(left.tasks) == {"age"}
    assert branch_points(more) == {"age": "stage4", "emotion": "stage2"}
    outputs = more.predict(images, verbose=0)
    assert outputs["emotion"].shape == (len(images), 7)
    np.testing.assert_array_equal(outputs["age"], left.predict(images, verbose=0)["age"])
    again = remove_branches(more, ["age"])
    assert weights(again).keys() == weights(left).keys()
    with pytest.raises(keras_mtl.errors.UserError, match="has a branch for 'age' already"):
        add_branch(model, model.tasks["age"])


def test_a_branch_can_be_put_on_a_cut_trunk(model, images, emotion):
    fresh = add_branch(cut(model, "stage3"), emotion, at="stage3")
    assert list(fresh.tasks) == ["emotion"] and "stage4" not in {layer.name for layer in fresh.layers}
    assert fresh.predict(images, verbose=0)["emotion"].shape == (len(images), 7)


def test_moved_branches_leave_from_the_new_stage_and_others_stay(model, images):
    moved = move_branches(model, {"age": "stage2", "smile": "stage3"})
    assert branch_points(moved) == {"age": "stage2", "gender": "pool", "smile": "stage3"}
    before, after = model.predict(images, verbose=0), moved.predict(images, verbose=0)
    np.testing.assert_array_equal(after["smile"], before["smile"])
    np.testing.assert_array_equal(after["gender"], before["gender"])


@pytest.mark.parametrize(("upto", "frozen"), [("none", 0), ("stem", 1), ("stage2", 3), ("trunk", 5)])
def test_frozen_layers_keep_weights_and_moving_statistics_and_the_rest_learns(images, upto, frozen):
    net = keras_mtl.build_model(["age"], image_size=32, width=8, blocks=(1, 1, 1, 1), precision="float32")
    freeze(net, upto)
    before = weights(net)
    net.compile(keras.optimizers.AdamW(0.01, weight_decay=0.1))
    net.fit(images, {"age": np.full(len(images), 40.0)}, epochs=2, verbose=0)
    parts = ["stem", "stage1", "stage2", "stage3", "stage4"]
    for name, values in weights(net).items():
        part = name.split("_")[0]
        same = [np.array_equal(old, new) for old, new in zip(before[name], values, strict=True)]
        assert all(same) if part in parts[:frozen] else not any(same), name


def test_freezing_is_undone_by_none_and_kept_by_the_file(tiny_model, tmp_path):
    freeze(tiny_model, "trunk")
    tiny_model.save(tmp_path / "frozen.keras")
    loaded = keras.models.load_model(tmp_path / "frozen.keras")
    assert {w.path for w in loaded.trainable_weights} == {w.path for w in tiny_model.trainable_weights}
    assert all(w.path.split("/")[0].endswith("logits") for w in loaded.trainable_weights)
    freeze(loaded, "none")
    assert len(loaded.trainable_weights) > len(tiny_model.trainable_weights)
    with pytest.raises(keras_mtl.errors.UserError, match="freeze takes none, trunk, stem, stage1"):
        freeze(loaded, "stage7")


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ({"age": "stage5"}, "A branch can leave from stem, stage1, .*, pool. Received: age:stage5"),
        ({"x": "stem"}, "'x'"),
    ],
)
def test_a_branch_that_cannot_leave_there_is_met_in_one_line(places, message):
    with pytest.raises(keras_mtl.errors.UserError, match=message):
        keras_mtl.build_model(image_size=32, width=8, blocks=(1, 1, 1, 1), branch_at=places)
