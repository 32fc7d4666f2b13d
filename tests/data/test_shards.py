import os

import numpy as np
import PIL.Image
import pytest

from keras_mtl.data.shards import write_shards
from keras_mtl.data.sides import Sides
from keras_mtl.data.sources import parse_sources
from keras_mtl.data.splits import load_split
from keras_mtl.errors import UserError
from keras_mtl.files import printable
from keras_mtl.tasks import select_tasks

TASKS = select_tasks(["age", "smile"])


@pytest.fixture
def source(tmp_path):
    """Eight images of noise, some without a label; one is missing and one has an impossible age."""
    rng = np.random.default_rng(0)
    lines = ["image,split,identity,smile,age,site"]
    for i in range(8):
        PIL.Image.fromarray(rng.integers(0, 256, (20, 24, 3), np.uint8)).save(tmp_path / f"{i}.jpg")
        split, person = "train" if i < 6 else "test", f"p{i // 2}" if i < 4 else ""
        lines.append(f"{i}.jpg,{split},{person},{'' if i % 2 else 1},{i + 0.5},{'' if i == 1 else f'site {i % 3}'}")
    lines += ["gone.jpg,train,,1,3,", "7.jpg,train,,1,300,"]
    (tmp_path / "faces.csv").write_text("\n".join(lines) + "\n")
    return parse_sources([f"age+smile=csv:{tmp_path / 'faces.csv'}?group=site"], TASKS)[0]


def packed(folder):
    return parse_sources([f"age+smile=shards:{folder}"], TASKS)[0]


def test_shards_hold_what_their_source_holds(source, tmp_path):
    bad = write_shards(source, tmp_path / "out" / "set")
    assert {one.image: one.reason.split(":")[0] for one in bad} == {
        "gone.jpg": "file is missing",
        "7.jpg": "age label '300' is not a number from 0 to 120",
    }
    shards = packed(tmp_path / "out" / "set")
    assert shards.splits() == ("train", "test")
    for split in shards.splits():
        given, found = source.records(split), shards.records(split)
        rows = [row for row, image in enumerate(given.images) if image != "gone.jpg"]
        assert found.images == [f"{source.root.name}/{given.images[row]}" for row in rows]
        assert found.identities == (given.identities and [given.identities[row] for row in rows])
        assert found.groups == {"site": [given.groups["site"][row] for row in rows]}
        for task in TASKS:
            np.testing.assert_array_equal(found.labels[task], given.labels[task][rows])
        assert shards.encoded(found.images) == source.encoded([given.images[row] for row in rows])
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["set"]


def test_groups_of_any_name_are_kept_apart_from_labels(source, tmp_path):
    table = (tmp_path / "faces.csv").read_text().replace(",age,site", ",age%,land/région")
    (tmp_path / "faces.csv").write_text(table)
    path = f"{tmp_path / 'faces.csv'}?age=age%25&group=land/région&group=age%25&group=smile"
    write_shards(parse_sources([f"age+smile=csv:{path}"], TASKS)[0], tmp_path / "set")
    shards = packed(tmp_path / "set")
    records = shards.records("test")
    assert records.groups == {"land/région": ["site 0", "site 1"], "age%": ["6.5", "7.5"], "smile": ["1", None]}
    assert list(records.labels) == ["age", "smile"] and records.labels["age"].tolist() == [6.5, 7.5]


def test_a_source_without_identities_and_groups_is_read_back_without(source, tmp_path):
    (tmp_path / "faces.csv").write_text((tmp_path / "faces.csv").read_text().replace("identity", "comment"))
    write_shards(parse_sources([f"age+smile=csv:{tmp_path / 'faces.csv'}"], TASKS)[0], tmp_path / "set")
    records = packed(tmp_path / "set").records("train")
    assert records.identities is None and records.groups == {}


def test_plain_tfds_reads_shards(source, tmp_path):
    import tensorflow_datasets as tfds

    write_shards(source, tmp_path / "set")
    test = list(tfds.builder_from_directory(tmp_path / "set").as_data_source("test"))
    assert [(one["file_name"], one["image"].shape) for one in test] == [
        (f"{tmp_path.name}/6.jpg".encode(), (20, 24, 3)),
        (f"{tmp_path.name}/7.jpg".encode(), (20, 24, 3)),
    ]
    assert [one["labels"] for one in test] == [{"age": b"6.5", "smile": b"smiling"}, {"age": b"7.5", "smile": b""}]
    assert [one["groups"] for one in test] == [{"site": b"site 0"}, {"site": b"site 1"}]
    np.testing.assert_array_equal(test[0]["image"], np.array(PIL.Image.open(tmp_path / "6.jpg")))


def test_shards_are_loaded_as_files_are(source, tmp_path):
    write_shards(source, tmp_path / "set")
    options = {"image_size": 16, "cache": "none", "max_bad_share": 0.5}
    given, _ = load_split([source], TASKS, "test", **options)
    found, _ = load_split([packed(tmp_path / "set")], TASKS, "test", **options)
    np.testing.assert_array_equal(found[0].images, given[0].images)


def test_shards_of_rows_with_one_image_and_any_name_are_cut_as_their_files_are(tmp_path):
    odd = os.fsdecode(b"Mu\xf1oz.png")
    for i in range(30):
        PIL.Image.new("L", (4, 4), i).save(tmp_path / (f"{i}.png" if i else odd))
    names = [f"{i}.png" if i else odd for i in range(30)]
    rows = [f"{name},{who},{age},{seen}\n" for name in names for who, age, seen in (("A", 3, "p"), ("B", 4, ""))]
    (tmp_path / "faces.csv").write_bytes(os.fsencode("image,group,age,identity\n" + "".join(rows).replace(",p", ",")))
    (source,) = parse_sources([f"age=csv:{tmp_path}/faces.csv"], select_tasks(["age"]))
    write_shards(source, tmp_path / "set")
    (shards,) = parse_sources([f"age=shards:{tmp_path}/set"], select_tasks(["age"]))
    for split in ("train", "validation"):
        given, found = (Sides([some], 0.2).records(some, split) for some in (source, shards))
        assert found.images == [printable(f"{tmp_path.name}/{name}") for name in given.images]
        assert found.groups == given.groups and len(set(found.images)) == len(found.images) / 2
        assert shards.encoded(found.images) == source.encoded(given.images)


def test_packing_again_replaces_the_set_and_changes_the_fingerprint_only_with_it(source, tmp_path):
    write_shards(source, tmp_path / "set")
    images = packed(tmp_path / "set").records("train").images
    first = packed(tmp_path / "set").fingerprint(images, 16)
    assert packed(tmp_path / "set").fingerprint(images, 16) == first
    contents = {path.name: path.read_bytes() for path in (tmp_path / "set").iterdir() if "array_record" in path.name}
    write_shards(source, tmp_path / "set")
    for name, data in contents.items():
        assert (tmp_path / "set" / name).read_bytes() == data


def test_what_cannot_be_packed_or_read_is_told(source, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="exists and holds no shards"):
        write_shards(source, tmp_path / "full")
    assert (tmp_path / "full" / "thesis.txt").read_text() == "mine"
    with pytest.raises(UserError, match="drawn"):
        write_shards(parse_sources(["age=drawn:fraction=0.01"], select_tasks(["age"]))[0], tmp_path / "set")
    with pytest.raises(UserError, match="holds no shards"):
        packed(tmp_path / "full")
    write_shards(source, tmp_path / "set")
    with pytest.raises(UserError, match="label age, smile, not 'gender'"):
        parse_sources([f"gender=shards:{tmp_path / 'set'}"], select_tasks(["gender"]))
