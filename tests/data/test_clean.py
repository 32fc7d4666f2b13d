"""The clean split: what is tested or validated on is not trained on, and its two files are one audit's."""

import csv
import dataclasses
import json

import numpy as np
import pytest
from audited_pictures import pictures
from PIL import Image

from keras_mtl.data import clean
from keras_mtl.data.audit.audit import audit_sources, write_audit
from keras_mtl.data.audit.page import write_page
from keras_mtl.data.audit.text import as_text
from keras_mtl.data.clean import Removed, read_clean, write_clean
from keras_mtl.data.sides import Sides
from keras_mtl.data.sources import parse_sources
from keras_mtl.errors import UserError
from keras_mtl.tasks import select_tasks

TASKS = select_tasks(["age", "smile"])
COUNT = 30
ROW = Removed("faces", "test", "a.jpg", "exact duplicate", "faces", "train", "b.jpg", 1.0)


def table(folder, name, task, rows):
    with (folder / name).open("w", newline="") as file:
        csv.writer(file).writerows([("image", "split", task), *rows])


@pytest.fixture
def faces(tmp_path):
    """Ages of 30 photos in train and 4 in test; smiles of other ones, with a validation split of their own.

    Of the first age that is validated on, a copy is smiles' train; of the second a mirror image is in age's train, of
    the third one is tested. Of a smile that is validated on, a copy is in age's train.
    """
    images = pictures(64, seed=11)
    for i, picture in enumerate(images):
        Image.fromarray(picture).save(tmp_path / f"{i}.png")
    table(tmp_path, "ages.csv", "age", [(f"{i}.png", "train", i) for i in range(COUNT)])
    cut = [int(name[:-4]) for name in records(tmp_path, ("age",), "validation")]
    train = [i for i in range(COUNT) if i not in cut]
    assert len(cut) >= 4
    Image.fromarray(images[cut[0]]).save(tmp_path / "50.png", compress_level=0)
    Image.fromarray(np.ascontiguousarray(images[cut[1]][:, ::-1])).save(tmp_path / f"{train[0]}.png")
    Image.fromarray(images[cut[2]]).save(tmp_path / "33.png", compress_level=0)
    Image.fromarray(images[train[1]]).save(tmp_path / "60.png", compress_level=0)
    ages = [(f"{i}.png", "train" if i < COUNT else "test", i) for i in range(COUNT + 4)]
    table(tmp_path, "ages.csv", "age", ages)
    smiles = [(f"{i}.png", "train" if i < 58 else "validation", i % 2) for i in range(40, 64)]
    table(tmp_path, "smiles.csv", "smile", smiles)
    return tmp_path, cut


def sources(folder, tasks=("age", "smile")):
    entries = {"age": f"age=csv:{folder}/ages.csv", "smile": f"smile=csv:{folder}/smiles.csv"}
    return parse_sources([entries[task] for task in tasks], select_tasks(list(tasks)))


def records(folder, tasks, split, clean_folder="", fraction=0.3):
    """The names of a split's images, of all sources that have it."""
    found = sources(folder, tasks)
    sides = Sides(found, fraction, read_clean(clean_folder))
    return [name for one in found if (some := sides.records(one, split)) for name in some.images]


def write(folder, side="test"):
    audit = audit_sources(sources(folder), validation_fraction=0.3, side=side)
    write_audit(audit, folder / side, clean=True)
    return audit, folder / side / "clean"


def test_validation_loses_what_any_source_trains_on_and_train_stays(faces):
    folder, cut = faces
    _, cleaned = write(folder)
    gone = {f"{cut[0]}.png", f"{cut[1]}.png", "60.png"}
    for tasks in (("age", "smile"), ("age",), ("smile",)):
        for split in ("train", "validation"):
            given = records(folder, tasks, split)
            left = records(folder, tasks, split, cleaned)
            assert left == [name for name in given if split == "train" or name not in gone]
    assert gone <= set(records(folder, ("age", "smile"), "validation"))
    # A test image goes where its twin is validated on, and what is tested is no reason not to validate.
    assert records(folder, ("age",), "test", cleaned) == ["30.png", "31.png", "32.png"]
    assert f"{cut[2]}.png" in records(folder, ("age",), "validation", cleaned)
    assert str(read_clean(cleaned)).startswith("clean: 1 images removed from test and 3 from validation, ")
    assert read_clean(cleaned).changes_training


def test_cleaned_from_train_both_go_and_what_went_is_no_twin(faces):
    folder, cut = faces
    Image.open(folder / f"{cut[0]}.png").save(folder / "32.png", compress_level=0)
    audit, cleaned = write(folder, "train")
    # Of the first age two copies are left, in test and in what went from train and validation.
    assert sorted(row.image for row in audit.removed) == sorted([f"{cut[0]}.png", f"{cut[2]}.png", "50.png"])
    assert sorted(row.image for row in audit.not_validated) == sorted([f"{cut[1]}.png", "60.png"])
    validated = records(folder, ("age", "smile"), "validation", cleaned)
    assert not {f"{i}.png" for i in (*cut[:3], 60)} & set(validated) and len(validated) == len(cut) - 3 + 5
    assert len(records(folder, ("age",), "test", cleaned)) == 4


def test_the_audit_tells_of_them(faces):
    folder, cut = faces
    audit, _ = write(folder)
    text = as_text(audit)
    assert (
        f"3 of {len(cut) + 6} validation images are in train as well, of some source; a clean split is without 3"
        in text
    )
    assert "1 of 4 test images are in train or validation as well" in text
    assert sum("TWINS" in line for line in text.splitlines()) == 3
    facts = json.loads((folder / "test" / "audit.json").read_text())
    assert facts["not_validated"] == {"csv_age": 2, "csv_smile": 1}
    assert facts["twins"]["csv_age train – csv_smile validation"] == {"exact": 1}
    write_page(audit, sources(folder), folder / "page.html")
    assert f"3 of {len(cut) + 6} validation images are in train" in (folder / "page.html").read_text()


def test_another_share_than_the_audits_is_refused_where_it_is_cut_off(faces):
    folder, _ = faces
    _, cleaned = write(folder)
    with pytest.raises(UserError, match=r"cut off 0.3 of train.*--validation_fraction is 0.2; run keras_mtl.audit"):
        records(folder, ("age", "smile"), "validation", cleaned, fraction=0.2)
    assert len(records(folder, ("age",), "test", cleaned, fraction=0.2)) == 3
    assert len(records(folder, ("smile",), "validation", cleaned, fraction=0.2)) == 5


def test_folders_of_before_are_read_and_leave_validation_alone(faces):
    folder, cut = faces
    _, cleaned = write(folder)
    facts = json.loads((cleaned / clean.FACTS).read_text())
    (cleaned / clean.FACTS).write_text(json.dumps({"side": facts["side"], "seen": facts["seen"]}))
    rows = (cleaned / clean.LEDGER).read_text().splitlines(keepends=True)
    (cleaned / clean.LEDGER).write_text("".join(row for row in rows if ",validation," not in row.split("duplicate")[0]))
    found = read_clean(cleaned)
    assert str(found) == f"clean: 1 images removed from test, {cleaned / clean.LEDGER}" and not found.changes_training
    for fraction in (0.3, 0.2):
        given = records(folder, ("age",), "validation", fraction=fraction)
        assert records(folder, ("age",), "validation", cleaned, fraction=fraction) == given
    assert len(records(folder, ("age",), "test", cleaned)) == 3


def test_killed_between_its_two_files_a_clean_split_stays_the_one_of_before(tmp_path, monkeypatch):
    write_clean(tmp_path, "test", [ROW], {})

    def die(path, value):
        raise KeyboardInterrupt

    monkeypatch.setattr(clean, "write_json", die)
    with pytest.raises(KeyboardInterrupt):
        write_clean(tmp_path, "train", [], {})
    assert read_clean(tmp_path).removed == {"faces": {"a.jpg"}} and read_clean(tmp_path).side == "test"


def test_a_ledger_that_is_not_the_facts_own_is_refused(tmp_path):
    write_clean(tmp_path / "one", "test", [ROW], {})
    write_clean(tmp_path / "other", "test", [dataclasses.replace(ROW, image="c.jpg")], {})
    (tmp_path / "other" / clean.LEDGER).replace(tmp_path / "one" / clean.LEDGER)
    with pytest.raises(
        UserError, match=r"removed.csv is not the one that clean.json was written with.*--write_clean"
    ) as told:
        read_clean(tmp_path / "one")
    assert len(str(told.value).splitlines()) == 1
