"""Training cells in processes: what happens when one fails or its folder is taken."""

import pytest

from keras_mtl.comparison.cells import Cell, Row
from keras_mtl.comparison.runner import train_cells
from keras_mtl.errors import UserError
from keras_mtl.training import Config


def cell(workdir, **settings) -> Cell:
    config = Config(tasks=("age",), workdir=str(workdir / "cells"), name="age", **settings)
    return Cell(Row("single", "age", "ResNet-18-Age"), 0, config)


def test_a_cell_that_fails_is_named_with_its_reason_and_the_file_that_tells_all(tmp_path):
    told = []
    with pytest.raises(UserError, match=r"cells/age failed: A source must be .*output/age.txt\)") as caught:
        train_cells([cell(tmp_path, sources=("nonsense",))], 1, tmp_path / "output", told.append)
    assert "\n" not in str(caught.value) and told == []
    assert "nonsense" in (tmp_path / "output" / "age.txt").read_text()


def test_a_folder_that_holds_something_else_is_met_before_anything_is_trained(tmp_path):
    (tmp_path / "cells" / "age").mkdir(parents=True)
    (tmp_path / "cells" / "age" / "holiday.txt").touch()
    with pytest.raises(UserError, match="exists and is no run folder"):
        train_cells([cell(tmp_path)], 1, tmp_path / "output")
    assert not (tmp_path / "output").exists()
