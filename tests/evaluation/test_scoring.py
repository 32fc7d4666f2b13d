from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from keras_mtl.evaluation.metrics import main_metric
from keras_mtl.evaluation.scoring import readable, report, score
from keras_mtl.tasks import BUILT_IN, Task


def test_report_shows_units_intervals_numbers_and_what_is_missing():
    frame = pd.DataFrame(
        {
            "source": "faces",
            "image": [f"{i}.jpg" for i in range(1200)],
            "age": np.tile([30.0, 40.0], 600),
            "age_predicted": np.tile([33.0, 36.0], 600),
            "smile": None,
        }
    )
    tasks = {name: BUILT_IN[name] for name in ("age", "smile")}
    result = {
        "images": 1200,
        "quarantined": 0,
        "splits": "as given",
        "sources": ["faces"],
        "drawn": [],
        "confidence": 0.9,
        "tasks": score(frame, tasks, resamples=300, confidence=0.9, seed=0),
    }
    text = report(result, tasks, run="runs/x", split="test")
    lines = [line.split() for line in text.splitlines()]
    assert text.startswith("runs/x on split 'test': 1,200 images of faces; 0 quarantined")
    assert "drawn" not in text and "90 % interval" in text
    (mae,) = [line for line in lines if line[:2] == ["age", "mae"]]
    assert mae[2:4] == ["3.50", "years"] and mae[7] == "1,200" and mae[-1] == "years"
    (within,) = [line for line in lines if line[:2] == ["age", "within_5"]]
    assert within[2:4] == ["100.0", "%"]
    assert text.endswith("smile: no labelled image in this split.")


@pytest.mark.parametrize(("low", "high", "told"), [(0, 120, "0.05"), (0, 0.4, "0.0457"), (0, 5000, "0.0")])
def test_an_error_is_told_as_finely_as_its_range_asks_for(low, high, told):
    task = Task("v", "regression", low=low, high=high)
    assert readable(0.0456712, main_metric(task), task) == told
