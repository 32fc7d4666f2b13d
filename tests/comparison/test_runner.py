"""Training cells in processes: what happens when one fails or its folder is taken."""

import sys

import pytest

from keras_mtl.comparison import runner
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


@pytest.mark.parametrize("may_diverge", [True, False])
def test_a_cell_that_diverges_ends_a_comparison_but_not_a_search(tmp_path, monkeypatch, may_diverge):
    # In place of a training that takes seconds: what one leaves that has diverged.
    one, told = cell(tmp_path), []
    left = (
        f"from keras_mtl.training.run_folder import RunFolder; run = RunFolder({str(one.run.path)!r})\n"
        "run.update_metrics(diverged={'step': 3, 'task': 'age', 'what': 'the loss of age is not finite'})\n"
        "raise SystemExit('Error: Training diverged in step 3')"
    )
    one.run.begin(one.config)
    monkeypatch.setattr(runner.cli, "to_arguments", lambda config: [])
    monkeypatch.setattr(runner.sys, "executable", str(script(tmp_path, left)))

    def trained():
        train_cells([one], 1, tmp_path / "output", told.append, may_diverge=may_diverge)

    if may_diverge:
        trained()
        assert len(told) == 1 and told[0].startswith("[1/1] age: diverged after ")
        trained()
        assert told[1:] == ["1 of 1 nets are trained already"]
    else:
        with pytest.raises(UserError, match="cells/age failed: Training diverged in step 3"):
            trained()


def script(folder, code: str):
    """A program that runs some Python, whatever its arguments are."""
    path = folder / "python"
    path.write_text(f"#!{sys.executable}\n{code}\n")
    path.chmod(0o755)
    return path


def test_a_folder_that_holds_something_else_is_met_before_anything_is_trained(tmp_path):
    (tmp_path / "cells" / "age").mkdir(parents=True)
    (tmp_path / "cells" / "age" / "holiday.txt").touch()
    with pytest.raises(UserError, match="exists and is no run folder"):
        train_cells([cell(tmp_path)], 1, tmp_path / "output")
    assert not (tmp_path / "output").exists()
