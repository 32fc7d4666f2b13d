"""A CSV with groups, packed into shards, trained on and evaluated: each by the command line."""

import csv
import json

import pandas as pd
from helpers import TINY
from PIL import Image


def test_a_set_packed_into_shards_is_trained_on_and_its_groups_reach_the_results(command, tmp_path):
    rows = []
    for number in range(36):
        Image.new("RGB", (40, 36), (5 * number, 90, 60)).save(tmp_path / f"{number}.png")
        split = ("train", "validation", "test")[number % 3]
        rows.append((f"{number}.png", split, 2 * number, ("north", "south", "")[number // 3 % 3]))
    with open(tmp_path / "faces.csv", "w", newline="") as file:
        csv.writer(file).writerows([("image", "split", "age", "region"), *rows])
    source = f"--sources=age=csv:{tmp_path / 'faces.csv'}?group=region"
    packed = command("prepare", source, "--format=shards", f"--out={tmp_path / 'out'}")
    shards = tmp_path / "out" / "csv_age" / "shards"
    assert f"--sources='age=shards:{shards}'" in packed.stdout

    flags = [f"--sources=age=shards:{shards}", "--tasks=age", "--steps=2", f"--workdir={tmp_path}", "--name=run"]
    command("train", *TINY, *flags)
    run = tmp_path / "run"
    sources = json.loads((run / "manifest.json").read_text())["sources"]
    assert sources["shards_age"]["splits"]["train"]["images"] == 12

    done = command("evaluate", f"--run={run}", "--resamples=50")
    by_region = json.loads((run / "metrics.json").read_text())["test"]["tasks"]["age"]["by_group"]["region"]
    frame = pd.read_csv(run / "predictions" / "test.csv")
    error = (frame["age"] - frame["age_predicted"]).abs()
    for region in ("north", "south"):
        inside = frame["group:region"] == region
        assert by_region[region]["images"] == inside.sum() == 4
        assert abs(by_region[region]["metrics"]["mae"]["value"] - error[inside].mean()) < 1e-3
        assert any(line.split()[:4] == ["age", "region", region, "mae"] for line in done.stdout.splitlines())
    assert set(by_region) == {"north", "south"}
