"""How far a net may be trusted where it says something: its errors on images of which it said the like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from keras_mtl.evaluation.predictions import labels_and_predictions
from keras_mtl.kinds import kind_of
from keras_mtl.tasks import Task


def score_by_estimate(
    frame: pd.DataFrame, tasks: Mapping[str, Task], calibration: Mapping[str, Mapping[str, Any]]
) -> dict[str, list[dict[str, Any]]]:
    """By task, what came of the images that a net said the like of; by the estimate, since no label is known later.

    Args:
        frame: predictions as `predict_split` gives them.
        tasks: by name.
        calibration: what was fitted for the tasks, as `serving.calibration` has it.

    Returns:
        For each task with labels a list of plain dicts. For a regression "from" and "below" (the range of estimates),
        "images", "mae" in the task's unit, and where there is a half-width "covered", the share of labels in the
        interval. For classes "class" (as estimated), "images" and "right", the share of labels that are that class.
        What was never estimated is left out.

    Raises:
        UserError: a prediction is not finite.

    Example:
        >>> smile = Task("smile", "binary", classes=("no", "yes"))
        >>> frame = pd.DataFrame({"smile": ["no", "yes"], "smile_no": [0.9, 0.8], "smile_yes": [0.1, 0.2]})
        >>> score_by_estimate(frame, {"smile": smile}, {})
        {'smile': [{'class': 'no', 'images': 2, 'right': 0.5}]}
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for name, task in tasks.items():
        labels, predictions = labels_and_predictions(frame, task)
        if not len(labels):
            continue
        found[name] = kind_of(task).by_estimate(labels, predictions, calibration.get(name, {}))
    return found
