"""What is not finite is not scored, not calibrated, and not trained on from."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from evaluation.test_evaluate import run as run  # the fixture

import keras_mtl
from keras_mtl.errors import UserError
from keras_mtl.evaluation.evaluate import evaluate_run
from keras_mtl.evaluation.predictions import labels_and_predictions
from keras_mtl.pruning.retraining import prune
from keras_mtl.pruning.settings import PruneConfig
from keras_mtl.serving.calibration import fit_calibration
from keras_mtl.serving.export import export_run
from keras_mtl.tasks import BUILT_IN
from keras_mtl.training.initial_model import initialise
from keras_mtl.uncertainty.temperature import fit_temperature, reliability


def spoil(run, value):
    import keras

    model = keras.models.load_model(run.model_path, compile=False)
    kernel = model.get_layer("age_logits").kernel
    kernel.assign(np.full(kernel.shape, value, np.float32))
    model.save(run.model_path)


def test_a_run_whose_weights_are_not_finite_is_good_for_nothing(run, tmp_path):
    spoil(run, np.nan)
    model = keras_mtl.build_model(["age", "smile"], image_size=32, width=8, blocks=(1, 1))
    before = run.metrics_path.read_text()
    for use in (
        lambda: evaluate_run(run.path),
        lambda: export_run(run.path, tmp_path / "saved_models"),
        lambda: prune(PruneConfig(run=str(run.path), keep=("age",))),
        lambda: initialise(model, str(run.path)),
    ):
        with pytest.raises(
            UserError, match=r"model.keras has weights that are not finite \(age_logits/kernel\)"
        ) as error:
            use()
        assert "\n" not in str(error.value)
    assert run.metrics_path.read_text() == before and not (tmp_path / "saved_models").exists()
    assert np.isfinite(model.get_weights()[0]).all()


def test_predictions_that_are_not_finite_are_not_scored(run):
    spoil(run, 3e38)
    with pytest.raises(
        UserError, match=r"The model has values of age that are not finite for \d+ of \d+ images"
    ) as error:
        evaluate_run(run.path, resamples=20)
    assert "\n" not in str(error.value) and not run.predictions_path.exists()


def test_a_table_of_before_is_neither_scored_nor_calibrated():
    smile = BUILT_IN["smile"]
    frame = pd.DataFrame({"smile": ["smiling"] * 60, "smile_not smiling": 0.5, "smile_smiling": 0.5})
    labels, probabilities = labels_and_predictions(frame, smile)
    assert fit_calibration(frame, {"smile": smile}) is not None
    frame.loc[7, "smile_smiling"] = np.nan
    for use in (lambda: labels_and_predictions(frame, smile), lambda: fit_calibration(frame, {"smile": smile})):
        with pytest.raises(
            UserError, match="A table of predictions has values of smile that are not finite for 1 of 60 images"
        ):
            use()
    probabilities = probabilities.copy()
    probabilities[3] = np.nan
    for fit in (fit_temperature, reliability):
        with pytest.raises(ValueError, match="not finite for . of 60"):
            fit(labels, probabilities)
