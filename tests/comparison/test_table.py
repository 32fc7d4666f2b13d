from __future__ import annotations

import csv
import dataclasses
import io
import json
import math

import numpy as np
import pandas as pd
import pytest
from comparison.fabricated import fabricate, rewrite

from keras_mtl.comparison.table import build_table
from keras_mtl.comparison.table_files import as_csv, as_dict, as_markdown, as_text, write_table
from keras_mtl.comparison.verdicts import verdict
from keras_mtl.errors import UserError
from keras_mtl.evaluation.metrics import main_metric, metrics_for
from keras_mtl.files import read_json
from keras_mtl.tasks import BUILT_IN, Task


@dataclasses.dataclass(frozen=True)
class FakeCost:
    """As `keras_mtl.models.cost.Cost`, without TensorFlow."""

    parameters: int
    megabytes: float
    flops: int
    training_flops: float
    latency_ms: dict[int, float]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return fabricate(tmp_path_factory.mktemp("comparison"))


@pytest.fixture(scope="module")
def table(results):
    return build_table(results)


@pytest.fixture
def costs(results):
    return {
        row.key: FakeCost(11_250_000, 45.0, 300, 9e15, {1: 5.0, 64: 60.0})
        if row.task is None
        else FakeCost(11_180_000, 44.7, 297, 3e15 if row.variant == "single" else math.nan, {1: 5.0, 64: 59.4})
        for row in results.rows
    }


def row_of(results, key):
    return next(row for row in results.rows if row.key == key)


def verdicts(table):
    return {(found.row.key, found.task): found.verdict for found in table.differences}


def test_every_row_has_the_figures_of_its_tasks(results, table):
    assert [(entry.row.key, entry.task) for entry in table.entries] == [
        (row.key, task) for row in results.rows for task in results.tasks_of(row)
    ]
    for entry in table.entries:
        assert entry.images == 200
        assert set(entry.estimates) == set(entry.by_seed) == set(metrics_for(results.tasks[entry.task]))
        for name, estimate in entry.estimates.items():
            assert estimate.value == pytest.approx(np.mean(entry.by_seed[name]))
            assert estimate.low <= estimate.value <= estimate.high
    assert table.entry(row_of(results, "single-age"), "gender") is None


def test_figures_are_those_of_each_seeds_predictions(results, table):
    row = row_of(results, "multitask")
    for position, seed in enumerate(results.seeds):
        frame = results.predictions(row, seed)
        faces = frame[frame["source"] == "csv_age"]
        error = (faces["age_predicted"] - faces["age"]).abs().mean()
        assert table.entry(row, "age").by_seed["mae"][position] == pytest.approx(error)
        faces = frame[frame["source"] == "csv_smile"]
        right = (faces["smile_predicted"] == faces["smile"]).mean()
        assert table.entry(row, "smile").by_seed["accuracy"][position] == pytest.approx(right)


def test_differences_are_to_the_single_net_of_the_task(results, table):
    assert len(table.differences) == 3 + 3 + 3
    for found in table.differences:
        single = table.entry(row_of(results, f"single-{found.task}"), found.task)
        ours = table.entry(found.row, found.task)
        assert found.metric == main_metric(results.tasks[found.task]).name
        assert found.estimate.value == pytest.approx(
            ours.estimates[found.metric].value - single.estimates[found.metric].value
        )
        assert found.p_value <= found.adjusted_p <= 1
    assert table.difference(row_of(results, "single-age"), "age") is None


def test_pairs_are_narrower_than_figures_where_nets_agree_on_what_is_hard(results, table):
    found = table.difference(row_of(results, "multitask"), "age")
    single = table.entry(row_of(results, "single-age"), "age").estimates["mae"]
    ours = table.entry(found.row, "age").estimates["mae"]
    unpaired = math.hypot(single.high - single.low, ours.high - ours.low)
    assert found.estimate.high - found.estimate.low < unpaired


def test_a_clear_difference_has_a_verdict_and_an_absent_one_has_none(tmp_path):
    results = fabricate(tmp_path, images=60, tasks=("age", "smile"), variants=("multitask", "single", "pruned"))

    def wrong(frame):
        return frame.assign(
            **{
                "age_predicted": 120.0,
                "smile_smiling": frame["smile_not smiling"],
                "smile_not smiling": frame["smile_smiling"],
            }
        )

    for seed in results.seeds:
        rewrite(results, row_of(results, "multitask"), seed, wrong)
        single = results.predictions(row_of(results, "single-smile"), seed)
        rewrite(results, row_of(results, "pruned-smile"), seed, lambda frame, single=single: single)
        rewrite(
            results,
            row_of(results, "pruned-age"),
            seed,
            lambda frame: frame.assign(age_predicted=frame["age"]),
        )
    table = build_table(results)
    assert verdicts(table) == {
        ("multitask", "age"): "worse",
        ("multitask", "smile"): "worse",
        ("pruned-age", "age"): "better",
        ("pruned-smile", "smile"): "no difference shown",
    }
    same = table.difference(row_of(results, "pruned-smile"), "smile")
    assert (same.estimate.value, same.estimate.low, same.estimate.high, same.p_value) == (0, 0, 0, 1)


def test_verdict_goes_by_the_metrics_direction_and_the_corrected_p():
    mae, accuracy = main_metric(BUILT_IN["age"]), main_metric(BUILT_IN["gender"])
    assert verdict(-1.0, 0.05, mae, 0.95, 3) == verdict(0.1, 0.01, accuracy, 0.95, 3) == "better"
    assert verdict(1.0, 0.05, mae, 0.95, 3) == verdict(-0.1, 0.01, accuracy, 0.95, 3) == "worse"
    assert verdict(-1.0, 0.06, mae, 0.95, 3) == verdict(0.0, 0.01, mae, 0.95, 3) == "no difference shown"
    assert verdict(-1.0, math.nan, mae, 0.95, 3) == "no difference shown"
    assert verdict(-1.0, 0.06, mae, 0.9, 3) == "better"
    assert verdict(-1.0, 0.001, mae, 0.95, 2) == "no verdict: too few seeds"


def test_two_seeds_have_intervals_and_no_verdict(tmp_path):
    results = fabricate(tmp_path, seeds=2, images=60, tasks=("age",), variants=("multitask", "single"))
    (found,) = build_table(results).differences
    assert found.verdict == "no verdict: too few seeds" and math.isnan(found.p_value)
    assert found.estimate.low < found.estimate.value < found.estimate.high
    assert "There is no verdict with fewer than 3 seeds: train more (--seeds)." in "\n".join(build_table(results).notes)
    assert as_text(build_table(results), results).splitlines()[7].split()[-6:] == [
        "-",
        *["no", "verdict:", "too", "few", "seeds"],
    ]


def equal_ages(results, off):
    """Makes the multitask net's ages those of the single net, each farther from the label by `off` years."""
    for seed in results.seeds:
        single = results.predictions(row_of(results, "single-age"), seed)
        away = np.sign(single["age_predicted"] - single["age"]).replace(0, 1)
        rewrite(
            results,
            row_of(results, "multitask"),
            seed,
            lambda frame, p=single["age_predicted"] + off * away: frame.assign(age_predicted=p),
        )


@pytest.mark.parametrize(
    ("off", "margin", "verdict_", "as_good"),
    [
        (0.3, "0.5", "worse", True),
        (0.6, "0.5", "worse", False),
        (0.0, "0.5", "no difference shown", True),
        (-0.2, "0.1", "better", True),
    ],
)
def test_as_good_is_a_question_of_its_own(tmp_path, off, margin, verdict_, as_good):
    results = fabricate(
        tmp_path, images=60, tasks=("age",), variants=("multitask", "single"), margins=(f"age={margin}",)
    )
    equal_ages(results, off)
    table = build_table(results)
    (found,) = table.differences
    assert (found.verdict, found.as_good, found.margin) == (verdict_, as_good, float(margin))
    told = f"{'yes' if as_good else 'not shown'}, within {float(margin):.2f}"
    assert f"| {told} |" in as_markdown(table, results) and told in as_text(table, results)
    (line,) = [line for line in csv.DictReader(io.StringIO(as_csv(table, results))) if line["as_good"]]
    assert line["as_good"] == str(int(as_good)) and float(line["margin"]) == float(margin)


def test_margins_of_classes_are_in_points_and_bad_ones_are_refused(tmp_path):
    settings = {"images": 20, "tasks": ("smile",), "variants": ("multitask", "single")}
    (found,) = build_table(fabricate(tmp_path / "points", margins=("smile=1.5",), **settings)).differences
    assert found.margin == pytest.approx(0.015)
    for margin, message in (
        ("age=1", "--margins names 'age'; the tasks are smile"),
        ("smile=0", "--margins takes a number above 0. Received: smile=0"),
        ("smile", "--margins takes NAME=NUMBER. Received: 'smile'"),
    ):
        with pytest.raises(UserError, match=message):
            build_table(fabricate(tmp_path / margin, margins=(margin,), **settings))


def test_control_arms_tell_what_a_difference_is_owed_to(tmp_path):
    variants = ("multitask", "single", "updates", "permuted", "retrained", "pruned")
    results = fabricate(tmp_path, images=60, tasks=("age", "smile"), variants=variants)
    table = build_table(results)
    assert {found.row.variant for found in table.differences} == {"multitask", "pruned"}
    steps = [(part.of, part.owed_to, part.difference.base.key, part.difference.row.key) for part in table.parts[:5]]
    assert steps == [
        ("multitask", "updates", "single-age", "updates-age"),
        ("multitask", "images", "updates-age", "permuted-age"),
        ("multitask", "labels", "permuted-age", "multitask"),
        ("pruned", "longer training", "single-age", "retrained-age"),
        ("pruned", "the multitask start", "retrained-age", "pruned-age"),
    ]
    whole = {(found.row.variant, found.task): found.estimate.value for found in table.differences}
    for of, task in whole:
        own = [part.difference.estimate.value for part in table.parts if (part.of, part.difference.task) == (of, task)]
        assert sum(own) == pytest.approx(whole[of, task])
    text = as_text(table, results)
    assert "What of the difference to the single net is owed to what" in text and "  labels  " in text
    plain = as_dict(table, results)["parts"]
    assert plain[2]["owed_to"] == "labels" and plain[2]["base"] == "permuted-age"
    # Without the arm between, its step is one with the next.
    few = dataclasses.replace(
        results, config=dataclasses.replace(results.config, variants=variants[:2] + ("permuted",))
    )
    assert [part.owed_to for part in build_table(few).parts[:2]] == ["updates and images", "labels"]
    none = dataclasses.replace(results, config=dataclasses.replace(results.config, variants=variants[:2]))
    assert build_table(none).parts == [] and "control arms" in "\n".join(build_table(none).notes)


def test_images_of_one_cluster_are_left_out_together(tmp_path):
    results = fabricate(tmp_path, images=60, tasks=("age",), variants=("multitask", "single"))
    before = build_table(results).entries[0].estimates["mae"]
    for row in results.rows:
        for seed in results.seeds:
            # Of each image 9 copies, all of one person.
            rewrite(results, row, seed, lambda frame: pd.concat([frame.assign(cluster=range(60))] * 9))
    after = build_table(results).entries[0]
    assert after.images == 540 and after.estimates["mae"].value == pytest.approx(before.value)
    assert after.estimates["mae"].high - after.estimates["mae"].low == pytest.approx(before.high - before.low, rel=0.02)


def test_the_order_of_the_images_does_not_matter(tmp_path):
    results = fabricate(tmp_path, images=40, tasks=("age",), variants=("multitask", "single"))
    before = build_table(results)
    for seed in results.seeds:
        rewrite(results, row_of(results, "single-age"), seed, lambda frame: frame.sample(frac=1, random_state=1))
    after = build_table(results)
    for ours, theirs in zip(before.differences, after.differences, strict=True):
        assert ours.estimate.low == pytest.approx(theirs.estimate.low)
        assert ours.p_value == theirs.p_value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame[1:], r"20 and 19 labelled images, UTKFace/\S+ in one of them only, in ResNet-18-Age with"),
        (lambda frame: frame.assign(age=frame["age"] + 1), r"other labels, for instance of UTKFace/"),
        (lambda frame: frame.assign(image="other.jpg"), "20 and 20 labelled images"),
    ],
)
def test_nets_scored_on_other_images_are_refused(tmp_path, change, message):
    results = fabricate(tmp_path, images=20, tasks=("age",), variants=("multitask", "single"))
    rewrite(results, row_of(results, "single-age"), 1, change)
    with pytest.raises(UserError, match=message):
        build_table(results)


def test_an_image_that_a_source_lists_twice_counts_twice(tmp_path):
    results = fabricate(tmp_path, seeds=1, images=20, tasks=("age",), variants=("multitask", "single"))
    for row in results.rows:
        rewrite(results, row, 0, lambda frame: pd.concat([frame, frame[:3]]))
    assert [entry.images for entry in build_table(results).entries] == [23, 23]


def test_any_task_has_its_column(tmp_path):
    mood = Task("mood_of_day", "multiclass", classes=("low", "even", "high"))
    size = Task("size", "ordinal", classes=("s", "m", "l"))
    weight = Task("weight", "regression", low=0, high=5)
    results = fabricate(tmp_path, seeds=2, images=30, tasks=(mood, size, weight))
    table = build_table(results)
    text = as_text(table, results)
    for heading in ("Mood of day accuracy (%)", "Size accuracy (%)", "Weight MAE  "):
        assert heading in text.splitlines()[1] + "  "
    assert "ResNet-18-MoodOfDay-Pruned-Frozen" in text
    assert "Mood of day accuracy (points)" in text
    assert len(table.differences) == 9


def test_without_single_nets_there_are_no_differences(tmp_path):
    results = fabricate(tmp_path, seeds=1, images=20, tasks=("age",), variants=("multitask", "pruned"))
    table = build_table(results)
    assert table.differences == []
    assert "There are no differences to single nets to show." in table.notes
    assert "Verdict" not in as_text(table, results) and "Verdict" not in as_markdown(table, results)


def test_a_task_without_labels_in_the_split_is_told_and_left_out(tmp_path):
    results = fabricate(tmp_path, images=20, tasks=("age", "smile"), variants=("multitask", "single"))
    for row in results.rows:
        for seed in results.seeds:
            if "smile" in results.tasks_of(row):
                rewrite(results, row, seed, lambda frame: frame.assign(smile=None))
    table = build_table(results)
    assert {entry.task for entry in table.entries} == {found.task for found in table.differences} == {"age"}
    assert "No image of the test split is labelled for smile." in table.notes
    assert as_text(table, results).splitlines()[2].endswith("-")
    as_markdown(table, results), as_csv(table, results), as_dict(table, results)


def notes(tmp_path, **settings):
    results = fabricate(tmp_path, **{"images": 12, "tasks": ("age",), **settings})
    return "\n".join(build_table(results).notes)


def test_notes_of_the_usual_comparison(tmp_path):
    told = notes(tmp_path)
    assert "Measured on the test split; labelled images: 12 for age; splits as given." in told
    assert "Equal epochs" in told and "as long as a single net" in told
    assert "Intervals hold 95 % over seeds and images" in told and "for 3 seeds crossed" in told
    assert "5 seeds or more are advised" in told and "does not mean as good" in told
    assert "corrected for 3 comparisons (Holm 1979); a verdict needs p of 0.05 or less" in told
    assert "drawn faces" not in told


def test_notes_of_other_settings(tmp_path):
    told = notes(tmp_path, seeds=1, budget="compute", retrain_share=0.5, confidence=0.9, tasks=("age", "smile"))
    assert "Equal compute" in told and "50 % as long as a single net" in told
    assert "one seed" in told and "not that of another training" in told
    assert "90 %" in told and "no verdict with fewer than 3 seeds" in told


@pytest.mark.parametrize(("wanted", "told"), [("test", True), ("validation", False)])
def test_notes_say_that_validation_is_optimistic_and_why_it_was_taken(tmp_path, wanted, told):
    results = fabricate(tmp_path, images=12, tasks=("age",), split="validation")
    results = dataclasses.replace(results, config=dataclasses.replace(results.config, split=wanted))
    found = "\n".join(build_table(results).notes)
    assert "best epoch was chosen" in found
    assert ("no test split" in found) == told
    assert "validation split" in as_text(build_table(results), results).splitlines()[0]


def test_drawn_faces_are_named_first(tmp_path):
    results = fabricate(tmp_path, images=12, tasks=("age",))
    run = results.cells[0].run
    run.update_metrics(test={**read_json(run.metrics_path)["test"], "drawn": ["drawn_age"]})
    assert build_table(results).notes[0].startswith("drawn_age: drawn faces, not people.")


def test_text_shows_the_seeds_table_and_the_differences(results, table):
    first, second, *rest = as_text(table, results).split("\n\n")
    lines = first.splitlines()
    assert lines[0] == "Figures on the test split, mean and 95 % interval:"
    assert lines[1].split("  ")[0] == "Net"
    assert lines[1].split()[1:] == ["Age", "MAE", "(years)", "Gender", "accuracy", "(%)", "Smile", "accuracy", "(%)"]
    assert [line.split()[0] for line in lines[2:]] == [row.title for row in results.rows]
    estimate = table.entry(results.rows[0], "age").estimates["mae"]
    assert f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})" in lines[2]
    assert lines[3].split()[-2:] == ["-", "-"]
    assert len(second.splitlines()) == 2 + len(table.differences)
    for line, found in zip(second.splitlines()[2:], table.differences, strict=True):
        assert line.startswith(found.row.title) and line.endswith(found.verdict)
    assert as_text(table, results).isascii()
    assert rest == ["\n".join(table.notes)]


def test_markdown_is_a_table_with_minus_signs_and_costs(results, table, costs):
    text = as_markdown(table, results, costs)
    estimate = table.entry(results.rows[0], "age").estimates["mae"]
    assert "| Net | Age MAE (years) | Gender accuracy (%) | Smile accuracy (%) |\n| --- | ---: | ---: | ---: |" in text
    assert f"| {estimate.value:.2f} ({estimate.low:.2f}–{estimate.high:.2f}) |" in text
    age = table.difference(results.rows[0], "age").estimate
    assert age.value < 0 and f"| −{-age.value:.2f} | −{-age.low:.2f} to " in text
    assert "| Multitask-ResNet-18 | 1.00 | 1.00 | 1.00 | 1.00 | 1.00 |" in text
    assert "| ResNet-18-Age-Pruned | 0.99 | 0.99 | - | 1.00 | 0.99 |" in text
    assert (
        "Multitask-ResNet-18 against all single nets together: parameters 0.34, FLOPs 0.34, training compute 1.00, "
        "latency (1 image) 0.33, latency (64 images) 0.34."
    ) in text
    for block in text.split("\n\n"):
        if block.startswith("|"):
            assert len({line.count("|") for line in block.splitlines()}) == 1
    assert all(f"- {note}" in text for note in table.notes)


def test_costs_without_a_multitask_net_are_relative_to_the_first_row(tmp_path):
    results = fabricate(tmp_path, seeds=1, images=12, tasks=("age", "smile"), variants=("single",))
    costs = {row.key: FakeCost(100 + index, 1, 1, 1, {}) for index, row in enumerate(results.rows)}
    text = as_markdown(build_table(results), results, costs)
    assert "Cost relative to ResNet-18-Age" in text and "together" not in text


def test_csv_has_a_line_for_each_row_task_and_metric(results, table):
    lines = list(csv.DictReader(io.StringIO(as_csv(table, results))))
    assert len(lines) == sum(len(entry.estimates) for entry in table.entries)
    for line in lines:
        seeds = [float(line[f"seed_{seed}"]) for seed in results.seeds]
        assert float(line["mean"]) == pytest.approx(np.mean(seeds))
        assert (line["verdict"] != "") == (line["main"] == "1" and line["variant"] != "single")
    (line,) = [line for line in lines if line["net"] == "ResNet-18-Age-Pruned" and line["metric"] == "mae"]
    found = table.difference(row_of(results, "pruned-age"), "age")
    assert float(line["difference_low"]) == found.estimate.low and float(line["p_holm"]) == found.adjusted_p
    assert line["unit"] == "years"


def test_undefined_figures_are_empty_in_csv_and_null_in_json(tmp_path):
    results = fabricate(tmp_path, images=12, tasks=("smile",), variants=("multitask", "single"))
    for row in results.rows:
        for seed in results.seeds:
            rewrite(results, row, seed, lambda frame: frame.assign(smile="smiling"))
    table = build_table(results)
    lines = list(csv.DictReader(io.StringIO(as_csv(table, results))))
    assert {line["mean"] for line in lines if line["metric"] == "roc_auc"} == {""}
    plain = as_dict(table, results)
    assert plain["entries"][0]["metrics"]["roc_auc"]["value"] is None
    json.dumps(plain, allow_nan=False)


def test_all_files_are_written_and_json_holds_everything(results, table, costs, tmp_path):
    write_table(table, results, costs, tmp_path / "new" / "folder")
    folder = tmp_path / "new" / "folder"
    assert sorted(path.name for path in folder.iterdir()) == ["table.csv", "table.json", "table.md"]
    assert (folder / "table.md").read_text("utf-8") == as_markdown(table, results, costs)
    assert (folder / "table.csv").read_text("utf-8") == as_csv(table, results)
    plain = json.loads((folder / "table.json").read_text("utf-8"), parse_constant=pytest.fail)
    assert plain["seeds"] == [0, 1, 2] and plain["split"] == "test" and plain["notes"] == table.notes
    assert plain["config"]["sources"] == list(results.config.sources)
    assert [row["title"] for row in plain["rows"]] == [row.title for row in results.rows]
    assert plain["entries"][0]["metrics"]["mae"]["by_seed"] == table.entries[0].by_seed["mae"]
    assert plain["differences"][0]["estimate"]["low"] == table.differences[0].estimate.low
    assert plain["costs"]["multitask"]["latency_ms"] == {"1": 5.0, "64": 60.0}
    assert plain["costs"]["pruned-age"]["training_flops"] is None
    write_table(table, results, None, folder)
    assert json.loads((folder / "table.json").read_text("utf-8"))["costs"] is None
