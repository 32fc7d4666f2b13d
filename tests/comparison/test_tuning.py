"""The search that tunes every method alike: its trials, who wins, what the table's nets get, and what is written."""

import dataclasses
import json
import math

import numpy as np
import pytest
from comparison.fabricated import fabricate, write_trial
from comparison.test_cells import SHARE
from hypothesis import given
from hypothesis import strategies as st

from keras_mtl.comparison import experiment
from keras_mtl.comparison.cells import Lengths, plan
from keras_mtl.comparison.config import CompareConfig
from keras_mtl.comparison.report import write_report
from keras_mtl.comparison.runner import has_ended
from keras_mtl.comparison.table import build_table
from keras_mtl.comparison.table_files import as_dict, as_markdown, as_text
from keras_mtl.comparison.tuning import check_search, draw_trials, loss_weights_of, plan_trials, plan_tuned, tuning_of
from keras_mtl.errors import UserError

LENGTHS = Lengths(100, 5, SHARE)
ENTRIES = ("ew", "uw@learning_rate=0.01", "ew@batch_statistics=source")


def tuned_config(tmp_path, **settings) -> CompareConfig:
    return CompareConfig(**{"workdir": str(tmp_path), "weightings": ENTRIES, "trials": 4, "seeds": 2, **settings})


def planned(config: CompareConfig) -> dict:
    return {cell.config.name: cell for cell in plan_trials(config, LENGTHS)}


@given(st.integers(0, 2**31 - 1), st.integers(2, 12))
def test_draws_are_within_their_factors_and_the_same_whatever_their_number(seed, count):
    trials = draw_trials(CompareConfig(weightings=ENTRIES, trials=count, seed=seed))
    assert len(trials) == count and (trials[0].learning_rate, trials[0].loss_weights) == (1.0, {})
    for trial in trials[1:]:
        factors = np.array(list(trial.loss_weights.values()))
        assert 1 / 4 <= trial.learning_rate <= 4 and set(trial.loss_weights) == {"age", "gender", "smile"}
        assert np.log(factors).sum() == pytest.approx(0, abs=1e-9) and factors.max() / factors.min() <= 100 + 1e-9
    more = draw_trials(CompareConfig(weightings=ENTRIES, trials=count + 3, seed=seed))
    assert more[:count] == trials and draw_trials(CompareConfig(seed=seed)) == []


def test_every_method_gets_the_same_trials_and_the_first_has_the_defaults(tmp_path):
    config = tuned_config(tmp_path)
    cells = planned(config)
    assert len(cells) == 4 * 6 and {"trial0-multitask-ew", "trial3-single-age-epochs"} <= set(cells)
    default = {cell.row.key: cell.config for cell in plan(config, LENGTHS) if cell.seed == 0}
    for number, trial in enumerate(draw_trials(config)):
        for key, own in default.items():
            found = cells[f"trial{number}-{key}" + ("" if "multitask" in key else "-epochs")].config
            assert found.learning_rate == pytest.approx(own.learning_rate * trial.learning_rate, rel=1e-3)
            ratios = {task: loss_weights_of(found)[task] / loss_weights_of(own)[task] for task in own.tasks}
            expected = trial.loss_weights if "multitask" in key and number else dict.fromkeys(own.tasks, 1.0)
            assert ratios == pytest.approx(expected, rel=1e-3)
            same = {"name": "", "seed": 0, "learning_rate": 0.1, "loss_weights": ()}
            assert dataclasses.replace(found, **same) == dataclasses.replace(own, **same)
            if not number:
                assert dataclasses.replace(found, name=own.name, seed=own.seed) == own


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_trials_have_a_seed_of_their_own_which_more_seeds_leave_alone(tmp_path, seed):
    few, many = (planned(tuned_config(tmp_path, seed=seed, seeds=seeds)) for seeds in (2, 9))
    assert {name: cell.config for name, cell in few.items()} == {name: cell.config for name, cell in many.items()}
    assert not {cell.config.seed for cell in many.values()} & set(range(seed, seed + 9))


def test_the_best_trial_by_validation_gives_the_settings_of_all_seeds(tmp_path):
    config = tuned_config(tmp_path)
    # The default wins a draw with a later trial; a training without a score never wins.
    scores = {
        "multitask-ew": [0.3, 0.5, 0.4, 0.1],
        "multitask-uw-learning_rate=0.01": [0.5, 0.5, 0.2, 0.5],
        "single-age": [math.nan, 0.1, None, 0.2],
    }
    cells = plan_trials(config, LENGTHS)
    for index, cell in enumerate(cells):
        write_trial(cell, scores.get(cell.row.key, [0.0, 0.0, 0.1, 0.0])[index // 6])
    tuning = tuning_of(config, cells)
    chosen = {key: search.chosen for key, search in tuning.searches.items()}
    assert chosen == {
        **{"multitask-ew": 1, "multitask-uw-learning_rate=0.01": 0, "multitask-ew-batch_statistics=source": 2},
        **{"single-age": 3, "single-gender": 2, "single-smile": 2},
    }
    trials = {cell.config.name: cell.config for cell in cells}
    tuned = {cell.config.name: cell for cell in plan_tuned(config, LENGTHS, tuning)}
    assert len(tuned) == 2 * 6
    for seed in (0, 1):
        for stem, number in (("multitask-ew", 1), ("single-age-epochs", 3)):
            found, trial = tuned[f"{stem}-tuned4-seed{seed}"].config, trials[f"trial{number}-{stem}"]
            assert found == dataclasses.replace(trial, name=found.name, seed=seed)
    told = tuning.to_dict()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert [trial["score"] for trial in told["methods"]["single-age"]["trials"]] == [None, 0.1, None, 0.2]


def test_a_trial_that_diverged_never_wins_and_a_method_needs_one_that_did_not(tmp_path):
    config = tuned_config(tmp_path)
    cells = plan_trials(config, LENGTHS)
    for index, cell in enumerate(cells):
        if cell.row.key == "single-age" and index // 6 != 2:
            cell.run.begin(cell.config)
            cell.run.update_metrics(diverged={"step": 3, "task": "age", "what": "the loss of age is not finite"})
        else:
            write_trial(cell, -0.5)
    search = tuning_of(config, cells).searches["single-age"]
    assert search.chosen == 2 and [math.isnan(score) for score in search.scores] == [True, True, False, True]
    lost = next(cell for cell in cells if cell.row.key == "single-age")
    assert has_ended(lost, may_diverge=True) and not has_ended(lost, may_diverge=False)
    search = dataclasses.replace(search, scores=[math.nan] * 4)
    with pytest.raises(UserError, match="All 4 trials of .*Age diverged.*lower --learning_rate"):
        assert search.chosen


def test_without_trials_the_cells_are_those_of_before(tmp_path):
    config = tuned_config(tmp_path, trials=0)
    assert plan_trials(config, LENGTHS) == [] and tuning_of(config, []) is None
    assert plan_tuned(config, LENGTHS, None) == plan(config, LENGTHS)


def test_another_search_has_folders_of_its_own_and_a_changed_one_is_refused(tmp_path):
    config = tuned_config(tmp_path)
    cells = plan_trials(config, LENGTHS)
    for cell in cells:
        write_trial(cell, 0.5)
    tuning, wider = tuning_of(config, cells), dataclasses.replace(config, trials=5)
    ours = {cell.config.name for cell in plan_tuned(config, LENGTHS, tuning)}
    assert not ours & {cell.config.name for cell in plan_tuned(wider, LENGTHS, tuning)}
    assert set(planned(config)) < set(planned(wider))
    changed = planned(dataclasses.replace(config, learning_rate=0.1))["trial2-multitask-ew"]
    with pytest.raises(UserError, match="holds a run with other flags .*--learning_rate was") as caught:
        changed.run.check(changed.config)
    assert "\n" not in str(caught.value)


def test_a_trial_that_was_judged_by_something_else_is_no_trial(tmp_path):
    config = tuned_config(tmp_path)
    cells = plan_trials(config, LENGTHS)
    for cell in cells:
        write_trial(cell, 0.5, best_by="val_loss")
    with pytest.raises(UserError, match="was judged by val_loss, but --trials compares by val_skill"):
        tuning_of(config, cells)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"trials": 1}, "--trials takes 2 or more"),
        ({"weightings": ()}, "--trials tunes the methods of --weightings"),
        ({"variants": ("multitask", "single", "pruned")}, "leave pruned out of --variants"),
        ({"best_by": "val_loss"}, "leave --best_by at it, not val_loss"),
        ({"weightings": ("ew", "uw@best_by=val_age_mae")}, "leave --best_by at it, not val_age_mae"),
    ],
)
def test_what_can_not_be_tuned_is_refused_in_a_line(tmp_path, settings, message):
    with pytest.raises(UserError, match=message) as caught:
        check_search(tuned_config(tmp_path, **settings))
    assert "\n" not in str(caught.value)
    check_search(tuned_config(tmp_path, **settings | {"trials": 0}))


def test_table_and_report_say_how_it_was_tuned(tmp_path):
    results = fabricate(tmp_path, weightings=("ew", "uw"), trials=3, seeds=2, images=40)
    table = build_table(results)
    text, markdown = as_text(table, results), as_markdown(table, results)
    assert "tried with the same 3 settings" in text and "nothing was tuned" not in text
    assert "### What the search chose, by validation" in markdown
    line = next(line for line in markdown.splitlines() if line.startswith("| UW | 2 |"))
    chosen = results.tuning.searches["multitask-uw"].cells[2].config
    assert f"| {chosen.learning_rate:.3g} |" in line and f"| {loss_weights_of(chosen)['age']:.3g} |" in line
    assert line.endswith("| 0.6100 | 0.5100 |")
    assert as_dict(table, results)["tuning"]["methods"]["multitask-uw"]["chosen"] == 2
    write_report(results, table, {}, tmp_path / "report.html")
    assert "What the search chose, by validation" in (tmp_path / "report.html").read_text()


class _Stopped(Exception):
    pass


def test_trials_are_trained_first_and_their_choice_is_written_before_the_nets_of_the_table(tmp_path, monkeypatch):
    trained = []

    def train_cells(cells, *rest, **options):
        trained.append([cell.config.name for cell in cells])
        if len(trained) > 1:
            raise _Stopped
        for number, cell in enumerate(cells):
            write_trial(cell, 0.5 - 0.01 * number)

    monkeypatch.setattr(experiment, "train_cells", train_cells)
    monkeypatch.setattr(experiment, "lengths_of", lambda *settings: LENGTHS)
    config = tuned_config(tmp_path, precision="float32", seeds=1, trials=2)
    with pytest.raises(UserError, match="12 of 12 are not"):
        experiment.compare(dataclasses.replace(config, plan=("age=1",)), lambda text: None)
    with pytest.raises(_Stopped):
        experiment.compare(config, lambda text: None)
    trials, table = trained
    assert len(trials) == 12 and all(name.startswith("trial") for name in trials)
    assert len(table) == 6 and all(name.endswith("-tuned2-seed0") for name in table)
    told = json.loads((tmp_path / "compare" / "epochs-tuned2" / "trials.json").read_text())["methods"]
    assert {method["chosen"] for method in told.values()} == {0} and len(told) == 6
