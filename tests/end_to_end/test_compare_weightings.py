"""The comparison of weightings as a user runs it: stopped on the way, started again, and then with one more."""

import json
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from end_to_end.test_compare import FLAGS, times
from helpers import ROOT, run_command

WEIGHTINGS = "ew,uw,ew@batch_statistics=source"


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    """A comparison that was killed once, what the second start printed, and the models there were at the kill."""
    workdir = tmp_path_factory.mktemp("weightings")
    flagfile = workdir / "tiny.flags"
    flagfile.write_text("\n".join([*FLAGS, "--seeds=1", f"--weightings={WEIGHTINGS}", f"--workdir={workdir}"]) + "\n")
    folder = workdir / "compare"
    command = [sys.executable, "-m", "keras_mtl.compare", f"--flagfile={flagfile}"]
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
    done = run_command("compare", f"--flagfile={flagfile}")
    return folder, done.stdout, at_kill


def test_there_is_a_cell_for_each_weighting_and_finished_ones_are_kept(comparison):
    folder, said, at_kill = comparison
    now = times(folder, "cells/*/model.keras")
    assert {name.split("/")[1] for name in now} == {
        "multitask-seed0",
        "multitask-uw-seed0",
        "multitask-ew-batch_statistics=source-seed0",
        "single-age-epochs-seed0",
        "single-smile-epochs-seed0",
    }
    assert at_kill and f"{len(at_kill)} of 5 nets are trained already" in said
    assert {name: now[name] for name in at_kill} == at_kill


def test_table_and_report_compare_them(comparison):
    folder, said, at_kill = comparison
    text = (folder / "epochs" / "table.md").read_text()
    for wanted in (
        "| EW |",
        "| UW |",
        "| EW batch_statistics=source |",
        "Delta-m (%)",
        "Mean rank",
        "### Difference to EW",
    ):
        assert wanted in text
    assert "Equal tuning for all" in said
    methods = json.loads((folder / "epochs" / "table.json").read_text())["methods"]
    assert methods["base"] == "multitask-ew" and len(methods["scores"]) == 3
    assert all(score["time"] > 0 for score in methods["scores"])
    # Of cells that a killed comparison trained nobody knows the memory; the others hold TensorFlow at least.
    assert any((score["memory"] or 0) > 2**27 for score in methods["scores"])
    csv = pd.read_csv(folder / "epochs" / "table.csv")
    assert set(csv[csv["metric"] == "delta_m"]["weighting"]) == set(WEIGHTINGS.split(","))
    assert 'id="weightings"' in (folder / "epochs" / "report.html").read_text()
    assert (folder / "epochs" / "logs" / "Multitask-ResNet-6-w8 UW" / "seed0").is_dir()


def test_one_more_weighting_trains_its_own_nets_only(comparison):
    folder, _, _ = comparison
    before = times(folder, "cells/*/model.keras")
    done = run_command("compare", f"--flagfile={folder / 'flags.txt'}", f"--weightings={WEIGHTINGS},pcgrad")
    assert "5 of 6 nets are trained already" in done.stdout and "PCGrad" in done.stdout
    now = times(folder, "cells/*/model.keras")
    assert {name: now[name] for name in before} == before and len(now) == 6
