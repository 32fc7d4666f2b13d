"""The bins of regressions in saved models: as they were when the model was saved, one unit apart in old ones."""

from __future__ import annotations

import json
import zipfile

import keras
import numpy as np
import pytest
import scipy.special

from keras_mtl.heads import head_of
from keras_mtl.models.multitask import MultiTaskModel, add_head
from keras_mtl.serving.export import describe
from keras_mtl.serving.signatures import readable
from keras_mtl.tasks import BUILT_IN, Task

FEATURES = np.random.default_rng(1).normal(0, 2, (6, 4)).astype(np.float32)


def model_of(*tasks: Task) -> MultiTaskModel:
    inputs = keras.Input((4,))
    model = MultiTaskModel(inputs, {task.name: add_head(inputs, task) for task in tasks})
    model.compile("sgd")
    return model


def without_steps(plain):
    """A saved configuration as it was before bins had a step."""
    if isinstance(plain, dict):
        kept = {name: without_steps(value) for name, value in plain.items() if name != "step"}
        return {name: value for name, value in kept.items() if name != "options" or value}
    return [without_steps(value) for value in plain] if isinstance(plain, list) else plain


@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")  # 0 to 0.4 had a single bin
def test_a_model_saved_with_bins_a_unit_apart_predicts_as_it_did(tmp_path):
    ranges = {"stars": (1, 5), "month": (0, 30), "share": (0, 0.4), "gap": (0.5, 2.9), "iq": (-3, 300), "age": (0, 120)}
    tasks = {
        name: Task(name, "regression", low=low, high=high, head="dex" if name == "month" else "", options={"step": 1.0})
        for name, (low, high) in ranges.items()
    }
    model_of(*tasks.values()).save(tmp_path / "new.keras")
    with zipfile.ZipFile(tmp_path / "new.keras") as new, zipfile.ZipFile(tmp_path / "old.keras", "w") as old:
        for name in new.namelist():
            data = new.read(name)
            if name == "config.json":
                data = json.dumps(without_steps(json.loads(data))).encode()
                assert b'"step"' not in data
            old.writestr(name, data)
    model = keras.models.load_model(tmp_path / "old.keras")
    logits = {name: value.numpy() for name, value in model(FEATURES).items()}
    for name, (low, high) in ranges.items():
        shares = scipy.special.softmax(logits[name].astype(np.float64), axis=-1)
        values = low + np.arange(round(high - low) + 1)
        np.testing.assert_allclose(model.decode(logits)[name], shares @ values, rtol=1e-4, atol=1e-4)
        assert name == "month" or head_of(model.tasks[name]).sigma == 2
    assert not model.tasks["age"].options
    assert model.loss["stars"].task == model.tasks["stars"]

    model.save(tmp_path / "again.keras")
    again = keras.models.load_model(tmp_path / "again.keras")
    assert again.tasks == model.tasks
    np.testing.assert_array_equal(again(FEATURES)["stars"], logits["stars"])


def test_a_new_model_keeps_its_bins(tmp_path):
    model = model_of(Task("beauty", "regression", low=1, high=5), BUILT_IN["age"])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.tasks == model.tasks and dict(loaded.tasks["beauty"].options) == {"step": 0.05}
    assert loaded.tasks["age"] == BUILT_IN["age"]
    logits = loaded(FEATURES)
    assert {name: value.shape[1] for name, value in logits.items()} == {"beauty": 81, "age": 121}
    np.testing.assert_array_equal(loaded.decode(logits)["beauty"], model.decode(model(FEATURES))["beauty"])


def test_an_export_tells_the_bins_and_their_interval():
    task = Task("share", "regression", low=0, high=0.4)
    model = model_of(task)
    values = describe(model, {})["distributions"]["share"]
    np.testing.assert_allclose(values, np.linspace(0, 0.4, 81))
    peak = np.full((1, 81), -30, np.float32)
    peak[0, [20, 30, 40]] = 0  # thirds at 0.1, 0.15 and 0.2, each spread over 0.005
    outputs = readable(model.tasks, {"share": peak}, {})
    np.testing.assert_allclose(outputs["share"], [0.15], atol=1e-6)
    np.testing.assert_allclose(outputs["share_interval"], [[0.1 - 0.001, 0.2 + 0.001]], atol=1e-5)
