"""The report's section on conflict: only where a training looked, and with the file's own figures."""

import re

import pytest
from comparison.fabricated import fabricate
from comparison.test_report import headings, text_of

from keras_mtl.comparison.report import conflict, write_report
from keras_mtl.comparison.report.context import Context
from keras_mtl.comparison.table import build_table
from keras_mtl.files import write_csv
from keras_mtl.training.conflict import COLUMNS


@pytest.fixture
def results(tmp_path):
    return fabricate(tmp_path, seeds=2, images=60, variants=("multitask",))


def _write_looks(results, seed: int, cosines) -> None:
    """Looks at steps 1, 2, …, each with a cosine of age and gender; in the stem those of smile too."""
    rows = []
    for step, cosine in enumerate(cosines, start=1):
        rows += [(step, "stem", "age", "gender", -cosine), (step, "stem", "age", "smile", 0.5)]
        rows.append((step, "whole", "age", "gender", cosine))
    path = results.cell(results.rows[0], seed).run.conflict_path
    write_csv(path, COLUMNS, [(*row, 0.8, 1.0, 2.0, "", "") for row in rows])


def test_there_is_no_section_where_no_training_looked(results):
    assert conflict.section(Context(results, build_table(results), {})) is None


def test_the_section_has_the_means_of_all_seeds(results, tmp_path):
    _write_looks(results, 0, [0.2, -0.4])
    _write_looks(results, 1, [-0.6, -0.4])
    path = tmp_path / "report.html"
    write_report(results, build_table(results), {}, path)
    page = path.read_text("utf-8")
    assert "Conflict" in headings(page)
    seen = text_of(page)
    assert "Mean cosine over 4 looks." in seen and "In 75.0 % of the looks some pair conflicted." in seen
    # Stem: age and gender conflict once in four looks, age and smile never.
    assert "Stem 25.0 % 12.5 % +0.40 0.80" in seen and "Whole trunk 75.0 % 75.0 % −0.30 0.80" in seen
    assert "age and gender +0.30 25 % −0.30 75 %" in seen
    assert len(re.findall(r'"type":"heatmap"', page.replace(" ", ""))) >= 2
