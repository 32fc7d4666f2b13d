"""How far a net may be trusted where it says something: its errors on images of which it said the like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from keras_mtl.evaluation.conformal import covers
from keras_mtl.evaluation.predictions import labels_and_predictions
from keras_mtl.tasks import Task

STEPS = 12
"""About how many parts a regression's range is looked at in: decades, for ages."""


def score_by_estimate(
    frame: pd.DataFrame, tasks: Mapping[str, Task], half_widths: Mapping[str, float]
) -> dict[str, list[dict[str, Any]]]:
    """By task, what came of the images that a net said the like of; by the estimate, since no label is known later.

    Args:
        frame: predictions as `predict_split` gives them.
        tasks: by name.
        half_widths: of the regressions whose intervals have one, in the task's unit.

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
        if task.classes:
            likeliest = predictions.argmax(-1)
            found[name] = [
                {"class": label, "images": int(said.sum()), "right": round(float((labels[said] == index).mean()), 4)}
                for index, label in enumerate(task.classes)
                if (said := likeliest == index).any()
            ]
        else:
            found[name] = _by_value(task, labels, predictions, half_widths.get(name))
    return found


def _by_value(task: Task, labels: np.ndarray, predictions: np.ndarray, half: float | None) -> list[dict[str, Any]]:
    step, (low, high) = task.round_part(STEPS), task.bounds
    # The range's end is the end of its last part.
    last = np.ceil(high / step - 1e-9) - 1
    parts = np.clip(np.floor(predictions / step + 1e-9), np.floor(low / step + 1e-9), last).astype(int)
    rows = []
    for part in np.unique(parts).tolist():
        there = parts == part
        row = {
            "from": round(part * step, 9),
            "below": round((part + 1) * step, 9),
            "images": int(there.sum()),
            "mae": round(float(np.abs(labels - predictions)[there].mean()), 4),
        }
        if half is not None:
            row["covered"] = round(float(covers(labels, predictions, half)[there].mean()), 4)
        rows.append(row)
    return rows
