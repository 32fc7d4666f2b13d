"""What an export learns from a run's validation images: temperatures of probabilities, and intervals of values.

Validation also chose the epoch, so both may seem a little better than they are; and both hold for photos like those.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pandas as pd

from keras_mtl.errors import UserError
from keras_mtl.evaluation.by_estimate import score_by_estimate
from keras_mtl.evaluation.predictions import labels_and_predictions, predict_split, read_predictions
from keras_mtl.kinds import kind_of
from keras_mtl.tasks import Task
from keras_mtl.training.run_folder import RunFolder
from keras_mtl.uncertainty.conformal import LEVEL

log = logging.getLogger(__name__)

SPLIT = "validation"
Calibration = Mapping[str, Mapping[str, Any]]
"""By task, as plain data: "images" that it was fitted on, and for classes "temperature", for a regression "half_width"
in the task's unit and "level". Tasks without an entry are as the net has them."""


def fit_calibration(frame: pd.DataFrame, tasks: Mapping[str, Task], level: float = LEVEL) -> Calibration:
    """Fits what the images allow: a task with too few labelled ones has no entry.

    Nor has one that is right on all, or at chance: its best temperature is none that is finite.

    Args:
        frame: predictions as the net has them, of images that it was not trained on, as `predict_split` gives.
        tasks: by name.
        level: the share of labels that intervals are to hold.
    """
    fitted = {
        name: kind_of(task).calibrated(*labels_and_predictions(frame, task), level) for name, task in tasks.items()
    }
    return {name: values for name, values in fitted.items() if values}


def calibration_of_run(folder: RunFolder, model, level: float = LEVEL) -> Calibration:
    """Fits on a run's validation images; tells which tasks it can't be fitted for, and why.

    The run's predictions of them are taken where they are of its model; else the images are read.

    Raises:
        UserError: a level out of range.
    """
    if not 0 < level < 1:
        raise UserError(f"--interval_level must lie between 0 and 1. Received: {level:g}")
    try:
        frame = _predictions(folder, model)
    except (UserError, OSError) as error:
        log.warning("Exported without fitted temperatures and intervals: %s", " ".join(str(error).split()))
        return {}
    found = fit_calibration(frame, model.tasks, level)
    if missing := [name for name in model.tasks if name not in found]:
        log.warning("Too few validation images, or too plain ones, to calibrate %s", ", ".join(missing))
    return found


def _predictions(folder: RunFolder, model) -> pd.DataFrame:
    from keras_mtl.data.sources import parse_sources
    from keras_mtl.training.inputs import load_configured_split

    facts = folder.manifest().get("sources", {}) if folder.manifest_path.exists() else {}
    trained_on = {
        name: told["splits"][SPLIT].get("images", 0) for name, told in facts.items() if SPLIT in told.get("splits", {})
    }
    if folder.scored(SPLIT):
        frame = read_predictions(folder.predictions_path / f"{SPLIT}.csv", model.tasks)
        if frame["source"].value_counts().to_dict() == trained_on:  # `evaluate` scores other sources as well.
            return frame
    config = folder.config()
    sources = parse_sources(config.sources, model.tasks, config.data_dir or None)
    if not trained_on or not {source.name for source in sources} >= set(trained_on):
        raise UserError("the run's manifest names no validation images that could be read again")
    data, _ = load_configured_split(config, sources, model.tasks, SPLIT)
    return predict_split(model, data)


def scores_of_run(folder: RunFolder, model, calibration: Calibration) -> dict[str, Any]:
    """What an export tells of how far its estimates may be trusted, by `score_by_estimate`, and of which split.

    Those are the run's test images, where the run has predicted them, or else its validation images. Empty where it has
    predicted neither.
    """
    split = next((split for split in ("test", SPLIT) if folder.scored(split)), None)
    if not split:
        return {}
    frame = read_predictions(folder.predictions_path / f"{split}.csv", model.tasks)
    return {"split": split, "tasks": score_by_estimate(frame, model.tasks, calibration)}
