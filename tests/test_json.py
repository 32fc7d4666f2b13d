"""No JSON that this package writes has NaN or Infinity, which other readers refuse, in it."""

from __future__ import annotations

import ast
import json
import math
import pathlib

from hypothesis import given
from hypothesis import strategies as st

import keras_mtl
from keras_mtl.evaluation.metrics import metrics_for
from keras_mtl.evaluation.scoring import score
from keras_mtl.files import json_text, write_json

PACKAGE = pathlib.Path(keras_mtl.__file__).parent
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def refuse(word):
    raise AssertionError(f"{word} is no JSON")


@given(values)
def test_any_plain_data_is_written_as_json_and_read_again(value):
    read = json.loads(json_text(value), parse_constant=refuse)

    def same(one, other):
        if isinstance(one, float) and not math.isfinite(one):
            return other is None
        if isinstance(one, list):
            return len(one) == len(other) and all(map(same, one, other))
        if isinstance(one, dict):
            return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
        return one == other

    assert same(value, read)


def test_a_file_too(tmp_path):
    write_json(tmp_path / "a.json", {"a": math.nan, 1: (math.inf, 2)})
    assert json.loads((tmp_path / "a.json").read_text(), parse_constant=refuse) == {"a": None, "1": [None, 2]}


def test_one_place_writes_json():
    places = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if called in ("json.dump", "json.dumps", "orjson.dumps"):
                places.add(str(path.relative_to(PACKAGE)))
    # The server's answers are by orjson, which writes null; of what a model gives, `Served.predict` has looked at it.
    assert places == {"files.py", "serving/server/answers.py"}


def test_an_undefined_figure_is_null_and_has_its_reason():
    import pandas as pd

    from keras_mtl.tasks import BUILT_IN

    task = BUILT_IN["smile"]
    frame = pd.DataFrame(
        {
            **{"source": ["a"] * 3, "image": ["1", "2", "3"], "smile": ["smiling"] * 3},
            **{
                "smile_predicted": ["smiling"] * 3,
                "smile_not smiling": [0.1, 0.2, 0.3],
                "smile_smiling": [0.9, 0.8, 0.7],
            },
        }
    )
    found = score(frame, {"smile": task}, resamples=20)["smile"]["metrics"]
    assert json.loads(json_text(found), parse_constant=refuse) == found
    assert found["roc_auc"]["value"] is None
    assert found["roc_auc"]["reason"] == "undefined without labels of two classes"
    assert "reason" not in found["accuracy"] and set(found) == set(metrics_for(task))
