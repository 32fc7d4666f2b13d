"""The compare command as a user runs it: from flags to a report in the browser, killed on the way and started again."""

import json
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from browser import browser, errors, requests
from helpers import ROOT, TINY, run_command

from keras_mtl.comparison import CompareConfig, compare
from keras_mtl.errors import UserError

FLAGS = [
    *TINY,
    "--tasks=age,smile",
    "--sources=age=drawn:fraction=0.02,smile=drawn:fraction=0.02",
    "--epochs=2",
    "--seeds=2",
    "--jobs=2",
]
ROWS = ["Multitask-ResNet-6-w8", "ResNet-6-w8-Age", "ResNet-6-w8-Smile"]


def times(folder, pattern: str) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.glob(pattern)}


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    """A comparison that was killed once, and what the second start printed; and the models there were at the kill."""
    workdir = tmp_path_factory.mktemp("compare")
    flagfile = workdir / "tiny.flags"
    flagfile.write_text("\n".join(FLAGS) + "\n")
    command = [sys.executable, "-m", "keras_mtl.compare", f"--flagfile={flagfile}", f"--workdir={workdir}"]
    folder = workdir / "compare"
    first = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while first.poll() is None and not list(folder.glob("cells/*/metrics.json")):
        time.sleep(0.1)
    first.send_signal(signal.SIGKILL)
    first.wait()
    finished = {path.parent.name for path in folder.glob("cells/*/metrics.json")}
    at_kill = {
        name: time_ns
        for name, time_ns in times(folder, "cells/*/model.keras").items()
        if name.split("/")[1] in finished
    }
    done = run_command("compare", f"--flagfile={flagfile}", f"--workdir={workdir}")
    return folder, done.stdout, at_kill


def test_finished_cells_are_not_trained_again_after_a_kill(comparison):
    folder, said, at_kill = comparison
    assert at_kill and f"{len(at_kill)} of 14 nets are trained already" in said
    now = times(folder, "cells/*/model.keras")
    assert len(now) == 14 and {name: now[name] for name in at_kill} == at_kill


def test_it_prints_and_writes_the_table_with_intervals_and_verdicts(comparison):
    folder, said, _ = comparison
    for row in [*ROWS, "ResNet-6-w8-Age-Pruned", "ResNet-6-w8-Smile-Pruned-Frozen"]:
        assert row in said and row in (folder / "epochs" / "table.md").read_text()
    assert "no verdict: too few seeds" in said and "There is no verdict with fewer than 3 seeds" in said
    table = json.loads((folder / "epochs" / "table.json").read_text())
    assert table["split"] == "test" and table["seeds"] == [0, 1]
    csv = pd.read_csv(folder / "epochs" / "table.csv")
    assert csv["net"].nunique() == 7 and (csv["low"] <= csv["high"])[csv["main"] == 1].all()
    assert "drawn" in said


def test_the_report_opens_in_a_browser_with_every_plot_drawn_and_no_request_beyond_the_disk(comparison):
    with browser() as driver:
        driver.get((comparison[0] / "epochs" / "report.html").as_uri())
        drawn, plots = (driver.find_elements("css selector", selector) for selector in (".plot .main-svg", ".plot"))
        assert plots and len(drawn) >= len(plots)
        assert all(address.startswith(("file:", "data:", "blob:")) for address in requests(driver))
        assert errors(driver) == []
        text = driver.find_element("tag name", "main").text
    assert all(row in text for row in ROWS) and "ResNet-6-w8-Age-Pruned-Frozen" in text


def test_the_same_command_again_trains_and_scores_nothing(comparison, command):
    folder, _, _ = comparison
    before = times(folder, "cells/*/*") | times(folder, "cells/*/predictions/*")
    done = command("compare", f"--flagfile={folder / 'flags.txt'}")
    assert "14 of 14 nets are trained already" in done.stdout and "Scoring" not in done.stdout
    assert times(folder, "cells/*/*") | times(folder, "cells/*/predictions/*") == before


def test_the_other_budget_takes_the_multitask_nets_that_are_there(comparison, command):
    folder, _, _ = comparison
    before = times(folder, "cells/multitask-*/model.keras")
    done = command(
        *(
            "compare",
            f"--flagfile={folder / 'flags.txt'}",
            "--budget=compute",
            "--variants=multitask,single",
            "--seeds=1",
        )
    )
    assert "1 of 3 nets are trained already" in done.stdout
    assert times(folder, "cells/multitask-*/model.keras") == before
    images = {
        path.parent.name: json.loads(path.read_text())["training"]["images"]
        for path in folder.glob("cells/*-seed0/metrics.json")
    }
    assert images["single-age-compute-seed0"] == images["multitask-seed0"]
    assert images["single-age-epochs-seed0"] * 2 == pytest.approx(images["multitask-seed0"], rel=0.1)
    assert "compute" in (folder / "compute" / "table.md").read_text()
    assert (folder / "epochs" / "table.md").exists()


def test_frozen_cells_have_the_trunk_of_their_seeds_multitask_net(comparison):
    import keras
    import numpy as np

    cells = comparison[0] / "cells"
    for seed in (0, 1):
        whole = keras.models.load_model(cells / f"multitask-seed{seed}" / "model.keras", compile=False)
        frozen = keras.models.load_model(cells / f"frozen-age-epochs-seed{seed}" / "model.keras", compile=False)
        for layer in frozen.layers:
            if layer.weights and layer.name != "age_logits":
                for mine, theirs in zip(layer.get_weights(), whole.get_layer(layer.name).get_weights(), strict=True):
                    np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"variants": ("single", "double")},
            "--variants takes some of multitask, single, updates, permuted, retrained, pruned, frozen",
        ),
        ({"variants": ("pruned",)}, "are made from multitask"),
        ({"prune_from": "runs/mtl"}, "--prune_from is set by the comparison itself"),
        ({"tasks": ("emotion",)}, "Unknown task 'emotion'"),
        ({"name": "taken"}, "exists and is no comparison"),
    ],
)
def test_every_mistake_is_met_before_anything_is_written(settings, message, tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "holiday.txt").touch()
    with pytest.raises(UserError, match=message) as caught:
        compare(CompareConfig(workdir=str(tmp_path), **settings))
    assert "\n" not in str(caught.value) and len(list(tmp_path.glob("**/*"))) == 2
