"""--log_conflict_every on the command line: the file, TensorBoard's curves and picture, one line for what is wrong."""

import pytest
from helpers import ROOT
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from keras_mtl.training.conflict_rows import read_rows

SMOKE = f"--flagfile={ROOT / 'flags' / 'smoke.flags'}"


def test_a_training_shows_its_conflict_by_stage(command, tmp_path):
    flags = ["--branch_at=smile:stage3", "--weighting=ew:weights=1/0.5/2", "--log_conflict_every=4", "--steps=8"]
    done = command("train", SMOKE, *flags, f"--workdir={tmp_path}")
    assert "age and gender: not told by 2 looks; ±0.1 needs " in done.stdout
    run = tmp_path / "smoke"
    rows = read_rows(run / "conflict.csv")
    assert {row["step"] for row in rows} == {"4", "8"}
    assert {row["stage"] for row in rows} == {"stem", "stage1", "stage2", "stage3", "stage4", "whole"}
    assert {(row["task"], row["other"]) for row in rows if row["stage"] == "stage4"} == {("age", "gender")}
    assert all(-1 <= float(row["cosine"]) <= 1 and 0 <= float(row["magnitude_similarity"]) <= 1 for row in rows)
    assert {row["weight"] for row in rows if row["task"] == "gender"} == {"0.5"}

    events = EventAccumulator(str(run / "logs" / "train"), size_guidance={"tensors": 0})
    events.Reload()
    tags = set(events.Tags()["tensors"])
    whole = {f"cosine_of_batch/{pair}" for pair in ("age-gender", "gender-smile")}
    whole |= {"magnitude/smile", "weight/age", "share", "share_by_chance", "share_of_pairs"}
    assert {f"conflict/{name}" for name in whole} | {
        "conflict/cosines",
        "conflict_stage4/cosine_of_batch/age-gender",
    } <= tags
    assert not tags & {"conflict_stage4/cosine_of_batch/age-smile", "conflict_stage4/magnitude/smile"}
    assert {event.step for event in events.Tensors("conflict/share")} == {4, 8}


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--tasks=age"], "it needs 2 or more. Received: age"),
        (["--freeze=trunk"], "no weight that two tasks share"),
        (["--batch_size=4"], "needs 2 images of each source in a batch. Received: 1 for"),
    ],
)
def test_nothing_to_compare_is_one_line_and_leaves_nothing(command, tmp_path, flags, message):
    done = command("train", SMOKE, *flags, "--log_conflict_every=2", f"--workdir={tmp_path}", check=False)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
