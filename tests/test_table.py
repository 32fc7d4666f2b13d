from __future__ import annotations

from keras_mtl.table import aligned


def test_columns_are_as_wide_as_their_widest_cell_and_lines_end_without_blanks():
    text = aligned([("task", "mae", "note"), ("age", 7.25, ""), ("expression", 12, "ok")], right=[1])
    assert text.splitlines() == [
        "task         mae  note",
        "age         7.25",
        "expression    12  ok",
    ]
