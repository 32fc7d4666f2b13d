"""The report's section on conflict: only where a training looked, and with the file's own figures."""

import re

import pytest
from comparison.fabricated import fabricate
from comparison.test_report import headings, text_of

from keras_mtl.comparison.report import conflict, write_report
from keras_mtl.comparison.report.context import Context
from keras_mtl.comparison.table import build_table
from keras_mtl.files import write_csv
from keras_mtl.training.conflict_cosine import SIGNAL
from keras_mtl.training.conflict_rows import COLUMNS


@pytest.fixture
def results(tmp_path):
    return fabricate(tmp_path, seeds=2, images=60, variants=("multitask",))


def _write_looks(results, seed: int, cosines, signal=()) -> None:
    """Looks at steps 1, 2, …, each with a cosine of age and gender; in the stem those of smile too."""
    rows = []
    for step, cosine in enumerate(cosines, start=1):
        rows += [(step, "stem", "age", "gender", -cosine), (step, "stem", "age", "smile", 0.5)]
        rows.append((step, "whole", "age", "gender", cosine))
    path = results.cell(results.rows[0], seed).run.conflict_path
    columns = COLUMNS if signal else [column for column in COLUMNS if column not in SIGNAL]
    write_csv(path, columns, [(*row, 0.8, 1.0, 2.0, "", "", *signal) for row in rows])


def _page(results, path) -> str:
    write_report(results, build_table(results), {}, path)
    return path.read_text("utf-8")


def test_there_is_no_section_where_no_training_looked(results):
    assert conflict.section(Context(results, build_table(results), {})) is None


def test_the_section_has_cosines_without_noise(results, tmp_path):
    # |G|^2 is 0.04 of age's 1 and 0.16 of gender's 4, and their product is -0.04: -0.04 / (0.2 * 0.4) = -0.5, in every
    # look the same, so that two looks are enough. With smile the same, and one file without: "".
    _write_looks(results, 0, [0.2, -0.4], signal=(-0.04, 0.04, 0.16))
    _write_looks(results, 1, [-0.6, -0.4], signal=("", "", ""))
    page = _page(results, tmp_path / "report.html")
    assert "Conflict" in headings(page)
    seen = text_of(page)
    assert "over 4 looks. Red: conflict; blue: agreement; grey: not told." in seen
    assert "In 75.0 % of the looks some pair conflicted; gradients with nothing in common would in 50.0 %." in seen
    # Stem: age and gender conflict once in four looks, age and smile never.
    assert "Stem −0.50 2, 0, 0 about 2 4.0 % +0.40 25.0 % 75.0 % 12.5 % 0.80" in seen
    assert (
        "Whole trunk −0.50 −0.50 to −0.50; needs about 2 looks 1, 0, 0 about 2 4.0 % −0.30 75.0 % 50.0 % 75.0 % 0.80"
        in seen
    )
    assert "age and gender −0.50 −0.50 to −0.50; needs about 2 looks −0.50 −0.50 to −0.50; needs about 2 looks" in seen
    assert len(re.findall(r'"type":"heatmap"', page.replace(" ", ""))) >= 2


def test_too_few_looks_are_said_to_tell_nothing(results, tmp_path):
    _write_looks(results, 0, [0.2], signal=(-0.04, 0.04, 0.16))
    seen = text_of(_page(results, tmp_path / "report.html"))
    assert "Whole trunk ? needs more looks 0, 0, 1 more 4.0 % +0.20 0.0 % 50.0 % 0.0 % 0.80" in seen
    assert "age and gender ? needs more looks ? needs more looks" in seen


def test_files_from_before_have_the_means_of_the_batches(results, tmp_path):
    _write_looks(results, 0, [0.2, -0.4])
    _write_looks(results, 1, [-0.6, -0.4])
    seen = text_of(_page(results, tmp_path / "report.html"))
    assert "looked at before noise was told apart" in seen
    assert "Stem +0.40 – – – +0.40 25.0 % 75.0 % 12.5 % 0.80" in seen
    assert "age and gender +0.30 −0.30" in seen
