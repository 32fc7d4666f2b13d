"""The audit and the clean split, as a user runs them, on drawn faces saved as files."""

import csv
import json

import numpy as np
import PIL.Image
import pytest
from helpers import TINY, run_command

from keras_mtl.data.drawn import DrawnFaces
from keras_mtl.tasks import BUILT_IN


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """40 faces: 30 in train, 10 in test, of which two are in train as well, one mirrored and as PNG; one is damaged."""
    folder = tmp_path_factory.mktemp("faces")
    source = DrawnFaces("drawn", {"age": BUILT_IN["age"]}, "fraction=0.02")
    records = source.records("train")
    pixels, _ = source.decode(records.images[:40], 96)
    rows = []
    for i, (picture, age) in enumerate(zip(pixels, records.labels["age"], strict=False)):
        PIL.Image.fromarray(picture).save(folder / f"{i}.png")
        rows.append([f"{i}.png", "train" if i < 30 else "test", int(age)])
    PIL.Image.fromarray(pixels[3]).save(folder / "38.png", compress_level=0)
    PIL.Image.fromarray(np.ascontiguousarray(pixels[4][:, ::-1])).resize((80, 80)).save(folder / "39.png")
    rows[3][2], rows[38][2] = 20, 60
    rows[4][2] = rows[39][2] = 33
    (folder / "37.png").write_bytes(b"no image")
    rows[36][2] = 104
    with (folder / "faces.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image", "split", "age"), *rows])
    return folder


@pytest.fixture(scope="module")
def audited(folder):
    done = run_command("audit", *flags(folder), "--write_clean", f"--workdir={folder / 'runs'}")
    return folder / "runs" / "audit", done.stdout


def flags(folder):
    return ["--tasks=age", f"--sources=age=csv:{folder / 'faces.csv'}", "--max_bad_share=0.2"]


def test_the_leaks_the_conflict_the_damage_and_the_unseen_label_are_told(audited):
    folder, printed = audited
    facts = json.loads((folder / "audit.json").read_text())
    assert facts["sources"]["csv_age"]["test"]["images"] == 9
    assert sum(count.get("exact", 0) for count in facts["leaks"].values()) == 1
    assert sum(count.get("near", 0) for count in facts["leaks"].values()) == 1
    assert sum(count.get("exact", 0) for count in facts["conflicting"].values()) == 1
    assert "2 of 9 test images are in train or validation as well" in printed
    assert "37.png: not a readable image" in printed
    assert "train_classes = [" in printed and "len(train_classes) = " in printed and "valid_classes = [" in printed
    unseen = next(line for line in printed.splitlines() if "never in train" in line)
    assert "104" in unseen.split(": ")[1].split(", ")
    with (folder / "clean" / "removed.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["image"], row["twin"], row["reason"]) for row in rows] == [
        ("38.png", "3.png", "exact duplicate"),
        ("39.png", "4.png", "near duplicate"),
    ]


def test_the_page_needs_nothing_else_and_shows_the_pairs(audited):
    page = (audited[0] / "audit.html").read_text()
    assert page.count("data:image/jpeg;base64,") >= 4 and "age differs" in page
    assert "http" not in page and 'src="data' in page


def test_the_same_audit_gives_the_same_files(folder, audited):
    run_command("audit", *flags(folder), "--write_clean", f"--workdir={folder / 'again'}")
    for name in ("clean/removed.csv", "clean/clean.json", "duplicates.csv", "audit.json", "quarantine.csv"):
        assert (folder / "again" / "audit" / name).read_bytes() == (audited[0] / name).read_bytes()


def test_train_and_evaluate_take_the_clean_split_and_say_so(folder, audited, trained_run):
    clean = audited[0] / "clean"
    given = [*flags(folder), *TINY, "--epochs=1", f"--workdir={folder / 'runs'}"]
    run_command("train", *given, f"--clean={clean}", "--name=cleaned")
    run = f"--run={folder / 'runs' / 'cleaned'}"
    printed = run_command("evaluate", run, "--split=test").stdout
    assert "7 images of csv_age" in printed and "clean: 2 images removed from test" in printed
    assert "; as given" in run_command("evaluate", f"--run={trained_run}", "--split=test").stdout
    metrics = json.loads((folder / "runs" / "cleaned" / "metrics.json").read_text())
    assert metrics["test"]["splits"].startswith("clean: 2 images removed from test")


def test_a_clean_split_of_other_data_is_refused(folder, audited, tmp_path):
    (tmp_path / "faces.csv").write_text(f"image,age\n{folder / '0.png'},3\n{folder / '1.png'},4\n")
    done = run_command(
        "train", "--tasks=age", f"--sources=age=csv:{tmp_path / 'faces.csv'}", f"--clean={audited[0] / 'clean'}",
        f"--workdir={tmp_path}", check=False,
    )  # fmt: skip
    assert done.returncode == 2 and "saw other images" in done.stderr and "Traceback" not in done.stderr
    done = run_command("evaluate", "--run=nowhere", "--clean=nowhere", check=False)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    done = run_command("train", *flags(folder), f"--clean={tmp_path}", f"--workdir={tmp_path}", check=False)
    assert done.returncode == 2 and "--write_clean" in done.stderr
