from __future__ import annotations

import numpy as np
import pandas as pd

from keras_mtl.evaluation.scoring import report, score
from keras_mtl.tasks import BUILT_IN


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
