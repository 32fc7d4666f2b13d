"""The weightings over all tasks: delta-m and mean rank by hand, and what is written of them."""

import csv
import io
import json
import math
import re

import numpy as np
import pytest
from comparison.fabricated import fabricate, rewrite
from comparison.test_tensorboard import read

from keras_mtl.comparison.methods import delta_m, mean_ranks
from keras_mtl.comparison.report import write_report
from keras_mtl.comparison.table import build_table
from keras_mtl.comparison.table_files import as_csv, as_dict, as_markdown, as_text
from keras_mtl.comparison.tensorboard import write_overview
from keras_mtl.evaluation.crossed import Crossed

WEIGHTINGS = ("ew", "uw", "upgrad")


def figure(*by_seed, left_out=(1.0, 2.0)):
    """Figures of so many seeds, each the same without a part."""
    return Crossed(np.array(by_seed), np.tile(np.array(left_out)[:, None], len(by_seed)), np.ones(len(left_out), bool))


def test_delta_m_is_the_mean_gain_in_percent_of_the_single_nets():
    # Seed 0: MAE 7.2 for 8 is 10 % better, accuracy 0.76 for 0.80 is 5 % worse: (10 - 5) / 2 = 2.5.
    # Seed 1: MAE 11 for 10 is 10 % worse, accuracy 0.88 for 0.80 is 10 % better: 0.
    # Without a part: MAE 6 for 8 is 25 % better, accuracy 0.9 for 0.75 is 20 % better: 22.5.
    nets = [figure(7.2, 11.0, left_out=[6.0]), figure(0.76, 0.88, left_out=[0.9])]
    singles = [figure(8.0, 10.0, left_out=[8.0]), figure(0.80, 0.80, left_out=[0.75])]
    found = delta_m(nets, singles, [False, True])
    assert found.by_seed == pytest.approx([2.5, 0.0], abs=1e-12)
    assert found.left_out == pytest.approx(np.array([[22.5, 22.5]]))
    assert found.estimate().value == pytest.approx(1.25)


def test_delta_m_is_undefined_where_a_single_net_makes_no_error():
    found = delta_m([figure(1.0), figure(0.5)], [figure(0.0), figure(0.5)], [False, True])
    assert math.isnan(found.by_seed[0]) and math.isnan(found.estimate().low) and math.isnan(found.p_value())


def test_mean_rank_is_by_the_better_side_and_equal_nets_share():
    # MAE 5, 7, 6: ranks 1, 3, 2. Accuracy 0.8, 0.9, 0.8: ranks 2.5, 1, 2.5. Means: 1.75, 2, 2.25.
    figures = [np.array([[5.0], [7.0], [6.0]]), np.array([[0.8], [0.9], [0.8]])]
    assert mean_ranks(figures, [False, True])[:, 0].tolist() == [1.75, 2.0, 2.25]
    undefined = [np.array([[5.0, 1.0], [math.nan, 2.0]])]
    assert np.isnan(mean_ranks(undefined, [False])[:, 0]).all()
    assert mean_ranks(undefined, [False])[:, 1].tolist() == [1, 2]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """UPGrad knows the ages, so that it is better in one task and like the others in two."""
    found = fabricate(tmp_path_factory.mktemp("weightings"), weightings=WEIGHTINGS, images=200)
    row = next(row for row in found.rows if row.weighting == "upgrad")
    for seed in found.seeds:
        rewrite(found, row, seed, lambda frame: frame.assign(age_predicted=frame["age_predicted"].where(
            frame["age"].isna(), 0.8 * frame["age"] + 0.2 * frame["age_predicted"])))  # fmt: skip
    return found


@pytest.fixture(scope="module")
def table(results):
    return build_table(results)


def score_of(table, weighting):
    return next(score for score in table.methods.scores if score.row.weighting == weighting)


def test_scores_agree_with_the_tables_figures(results, table):
    singles = {row.task: row for row in results.rows if row.variant == "single"}
    for score in table.methods.scores:
        gains = []
        for task, metric, sign in (("age", "mae", -1), ("gender", "accuracy", 1), ("smile", "accuracy", 1)):
            net = np.array(table.entry(score.row, task).by_seed[metric])
            single = np.array(table.entry(singles[task], task).by_seed[metric])
            gains.append(100 * sign * (net - single) / single)
        assert score.delta_by_seed == pytest.approx(np.mean(gains, axis=0).tolist())
        assert score.delta_m.value == pytest.approx(np.mean(gains))
        assert score.delta_m.low < score.delta_m.value < score.delta_m.high
    assert sum(score.rank for score in table.methods.scores) == pytest.approx(1 + 2 + 3)
    assert score_of(table, "ew").time == 1.0


def test_the_best_comes_first_and_differences_are_to_plain_ew(table):
    methods = table.methods
    assert methods.base.weighting == "ew" and methods.scores[0].row.weighting == "upgrad"
    assert len(methods.differences) == 2 * (1 + 3)
    best = methods.scores[0].row
    assert methods.difference(best).verdict == methods.difference(best, "age").verdict == "better"
    assert methods.difference(best, "smile").verdict == "no difference shown"
    gain = score_of(table, "upgrad").delta_m.value - score_of(table, "ew").delta_m.value
    assert methods.difference(best).estimate.value == pytest.approx(gain)


def test_markdown_and_terminal_mark_the_best_and_say_that_tuning_was_equal(results, table):
    text = as_markdown(table, results)
    line = next(line for line in text.splitlines() if line.startswith("| UPGrad | **"))
    assert re.search(r"\*\*\+\d+\.\d\d \(\+", line)
    assert "| Single nets |" in text and "### Difference to EW" in text and "- Equal tuning for all" in text
    assert "above 0 is better" in text and "benchmarks/balancing_speed.py" in text
    assert "authors' defaults" in text and "besides what stands behind its name" not in text
    assert re.search(r"UPGrad +\d\.\d\d \(.*\) \*", as_text(table, results))


def test_csv_and_json_hold_the_scores(results, table):
    lines = list(csv.DictReader(io.StringIO(as_csv(table, results))))
    (line,) = [line for line in lines if line["weighting"] == "upgrad" and line["metric"] == "delta_m"]
    assert float(line["mean"]) == score_of(table, "upgrad").delta_m.value and line["base_verdict"] == "better"
    assert [float(line[f"seed_{seed}"]) for seed in results.seeds] == score_of(table, "upgrad").delta_by_seed
    plain = json.loads(json.dumps(as_dict(table, results), allow_nan=False))["methods"]
    assert plain["base"] == "multitask-ew" and plain["scores"][0]["row"] == "multitask-upgrad"
    assert plain["scores"][0]["delta_m"]["value"] == score_of(table, "upgrad").delta_m.value


def test_tensorboard_has_each_seeds_scores(results, table, tmp_path):
    write_overview(results, table, tmp_path)
    found = read(tmp_path / "logs" / "Multitask-ResNet-18 UPGrad" / "seed1")
    assert found["test/delta_m"][-1][1] == pytest.approx(score_of(table, "upgrad").delta_by_seed[1], rel=1e-5)
    assert "test/mean_rank" in found
    assert "test/delta_m" not in read(tmp_path / "logs" / "ResNet-18-Age" / "seed0")


def test_the_report_has_a_section_with_plots_table_and_verdicts(results, table, tmp_path):
    write_report(results, table, {}, tmp_path / "report.html", with_pictures=False)
    page = (tmp_path / "report.html").read_text("utf-8")
    own = re.search(r'<section id="weightings".*?</section>', page, re.S)[0]
    assert own.count('class="plot"') == 2 and "Mean gain over the single nets: UPGrad +" in own
    assert "By delta-m UPGrad is better by" in own and "Equal tuning for all" in own
    assert re.search(r'class="better best number">\+\d', own)


def test_without_single_nets_there_is_no_delta_m(tmp_path):
    settings = {"variants": ("multitask",), "tasks": ("age", "smile"), "images": 20, "seeds": 1}
    results = fabricate(tmp_path, weightings=("uw", "dwa"), **settings)
    table = build_table(results)
    assert table.methods.base.weighting == "uw"
    assert all(score.delta_m is None for score in table.methods.scores)
    text = as_markdown(table, results)
    assert "Delta-m" not in text and "Single nets" not in text and "### Difference to UW" in text
    assert all("delta_m" not in line for line in as_csv(table, results).splitlines())
    write_report(results, table, {}, tmp_path / "report.html", with_pictures=False)
    assert "There is no delta-m" in (tmp_path / "report.html").read_text("utf-8")


def test_other_comparisons_have_none_of_it(tmp_path):
    settings = {"tasks": ("age",), "images": 20, "seeds": 1}
    results = fabricate(tmp_path, variants=("multitask", "single"), **settings)
    table = build_table(results)
    assert table.methods is None and "methods" not in as_dict(table, results)
    assert "weighting" not in as_csv(table, results).splitlines()[0]
