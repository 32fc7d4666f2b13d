"""TensorBoard's overview: what its own reader and its own server find in it."""

import json
import math
import re
import socket
import subprocess
import sys
import time
import types
import urllib.error
import urllib.request

import pytest
from comparison.fabricated import fabricate
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from keras_mtl.comparison.colours import RUN_GROUPS
from keras_mtl.comparison.tensorboard import write_overview

SEEN = 120 * 64  # images in a fabricated multitask training


def figures(results):
    """A stand-in for the table: the mean error of each task and seed is made up, and one is undefined."""
    by_seed = {"mae": [5.0, 7.0], "rmse": [6.0, math.nan]}

    def entry(row, task):
        return types.SimpleNamespace(by_seed=by_seed if task == "age" else {"accuracy": [0.5, 0.75]})

    return types.SimpleNamespace(entry=entry, methods=None, notes=["Measured on test."])


@pytest.fixture(scope="module")
def overview(tmp_path_factory):
    folder = tmp_path_factory.mktemp("overview")
    results = fabricate(folder, seeds=2, images=20)
    for cell in results.cells:
        training = json.loads(cell.run.metrics_path.read_text())["training"]
        cell.run.update_metrics(training={**training, "images": (cell.config.steps or 120) * cell.config.batch_size})
    write_overview(results, figures(results), folder)
    return results, folder / "logs"


@pytest.fixture(scope="module")
def server(overview):
    """Asks a TensorBoard server of the overview for a path's JSON, in patience until it has loaded."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", f"--logdir={overview[1]}", f"--port={port}"]
    process = subprocess.Popen([*command, "--load_fast=false"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ask(path, body=None):
        request = urllib.request.Request(
            f"http://localhost:{port}/data/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        for _ in range(120):
            try:
                found = json.load(urllib.request.urlopen(request))
                if found and (path != "runs" or len(found) == 10 * 5 + 1):
                    return found
            except urllib.error.URLError:
                pass
            time.sleep(0.5)
        raise AssertionError(f"no answer for {path}")

    ask("runs")
    yield ask
    process.terminate()
    process.wait(30)


def read(folder):
    events = EventAccumulator(str(folder))
    events.Reload()
    return {
        tag: [(event.step, float(make_ndarray(event.tensor_proto))) for event in events.Tensors(tag)]
        for tag in events.Tags()["tensors"]
        if "hparams" not in tag and tag != "notes"
    }


def test_a_cell_has_its_curves_by_images_seen_and_its_scores_at_their_end(overview):
    results, logs = overview
    row = next(row for row in results.rows if row.key == "multitask")
    history = results.training(row, 1)["history"]
    found = read(logs / "Multitask-ResNet-18" / "seed1")
    assert [step for step, _ in found["age/mae"]] == [SEEN // 4, SEEN // 2, SEEN * 3 // 4, SEEN]
    assert [value for _, value in found["age/mae"]] == pytest.approx([epoch["val_age_mae"] for epoch in history])
    assert found["test/age_mae"] == [(SEEN, 7.0)] and found["test/smile_accuracy"] == [(SEEN, 0.75)]
    assert "test/age_rmse" not in found  # undefined
    train = read(logs / "Multitask-ResNet-18" / "seed1" / "train")
    assert [value for _, value in train["age/mae"]] == pytest.approx([epoch["age_mae"] for epoch in history])
    assert "skill" in found and "images_per_second" in train and "images_per_second" not in found


def test_tags_are_those_of_training_for_a_single_net_too(overview):
    results, logs = overview
    multitask, single = read(logs / "Multitask-ResNet-18" / "seed0"), read(logs / "ResNet-18-Age" / "seed0")
    assert {"age/loss", "age/mae", "loss", "skill", "test/age_mae"} <= set(single) <= set(multitask)
    assert not any(tag.startswith(("gender", "test/gender")) for tag in single)


def test_the_mean_is_over_seeds(overview):
    results, logs = overview
    row = next(row for row in results.rows if row.key == "pruned-smile")
    accuracy = [results.training(row, seed)["history"][0]["val_smile_accuracy"] for seed in (0, 1)]
    found = read(logs / "ResNet-18-Smile-Pruned" / "mean")
    assert found["smile/accuracy"][0][1] == pytest.approx(sum(accuracy) / 2)
    assert found["test/smile_accuracy"][0][1] == pytest.approx(0.625)
    assert "test/age_rmse" not in read(logs / "ResNet-18-Age-Pruned" / "mean")


def test_writing_again_replaces_the_whole_folder(overview):
    results, logs = overview
    (logs / "left").mkdir()
    before = {path.parent.relative_to(logs) for path in logs.rglob("events*")}
    write_overview(results, figures(results), logs.parent)
    assert {path.parent.relative_to(logs) for path in logs.rglob("events*")} == before
    assert not (logs / "left").exists() and len(list(logs.rglob("events*"))) == len(before)


def test_tensorboard_serves_every_run_by_its_rows_name_in_the_order_that_colours_need(overview, server):
    results, _ = overview
    runs = server("runs")
    assert {run.split("/")[0] for run in runs} == {"about", *(row.title for row in results.rows)}
    groups = list(dict.fromkeys(re.match(RUN_GROUPS, run).groups() for run in runs))
    assert groups == [
        (None, "Multitask-", None),
        (None, None, None),
        (None, None, "-Pruned"),
        ("about", None, None),
        (None, None, "-Pruned-Frozen"),
    ]


def test_tensorboard_serves_curves_and_notes(server):
    tags = server("plugin/scalars/tags")
    assert {"age/mae", "loss", "test/age_mae"} <= set(tags["ResNet-18-Age/seed0"])
    assert server("plugin/text/tags") == {"about": ["notes"]}
    notes = server("plugin/text/text?run=about&tag=notes")[0]["text"]
    assert "Measured on test." in notes and "budget epochs" in notes


def test_tensorboard_lists_each_cell_with_settings_and_scores(overview, server):
    results, _ = overview
    experiment = server("plugin/hparams/experiment", {"experimentName": ""})
    listed = {info["name"] for info in experiment["hparamInfos"]}
    assert listed == {"net", "variant", "task", "seed", "learning_rate", "images", "freeze"}  # what differs
    asked = {"experimentName": "", "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_RUNNING"]}
    asked |= {"colParams": [{"metric": {"group": "", "tag": "test/age_mae"}}], "startIndex": 0, "sliceSize": 100}
    groups = server("plugin/hparams/session_groups", asked)["sessionGroups"]
    assert len(groups) == len(results.cells)
    one = next(group for group in groups if group["name"] == "ResNet-18-Age-Pruned-Frozen/seed1")
    assert one["hparams"]["variant"] == "frozen" and one["hparams"]["seed"] == 1
    scores = {value["name"]["tag"]: value["value"] for value in one["metricValues"]}
    assert scores["test/age_mae"] == 7.0 and "test/gender_accuracy" not in scores
