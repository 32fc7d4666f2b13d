import numpy as np
import PIL.Image
import pytest

from keras_mtl.data.shards import write_shards
from keras_mtl.data.sources import parse_sources
from keras_mtl.data.splits import load_split
from keras_mtl.errors import UserError
from keras_mtl.tasks import select_tasks

TASKS = select_tasks(["age", "smile"])


@pytest.fixture
def source(tmp_path):
    """Eight images of noise, some without a label; one is missing and one has an impossible age."""
    rng = np.random.default_rng(0)
    lines = ["image,split,identity,age,smile"]
    for i in range(8):
        PIL.Image.fromarray(rng.integers(0, 256, (20, 24, 3), np.uint8)).save(tmp_path / f"{i}.jpg")
        lines.append(
            f"{i}.jpg,{'train' if i < 6 else 'test'},{f'p{i // 2}' if i < 4 else ''},{i + 0.5},{'' if i % 2 else 1}"
        )
    lines += ["gone.jpg,train,,3,1", "7.jpg,train,,300,1"]
    (tmp_path / "faces.csv").write_text("\n".join(lines) + "\n")
    return parse_sources([f"age+smile=csv:{tmp_path / 'faces.csv'}"], TASKS)[0]


def packed(folder):
    return parse_sources([f"age+smile=shards:{folder}"], TASKS)[0]


def test_shards_hold_what_their_source_holds(source, tmp_path):
    bad = write_shards(source, tmp_path / "out" / "set")
    assert {one.image: one.reason.split(":")[0] for one in bad} == {
        "gone.jpg": "file can't be read",
        "7.jpg": "age label '300' is not a number from 0 to 120",
    }
    shards = packed(tmp_path / "out" / "set")
    assert shards.splits() == ("train", "test")
    for split in shards.splits():
        given, found = source.records(split), shards.records(split)
        rows = [given.images.index(image) for image in found.images]
        assert found.images == [image for image in given.images if image != "gone.jpg"]
        assert found.identities == [given.identities[row] for row in rows]
        for task in TASKS:
            np.testing.assert_array_equal(found.labels[task], given.labels[task][rows])
        assert shards.encoded(found.images) == source.encoded(found.images)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["set"]


def test_shards_are_loaded_as_files_are(source, tmp_path):
    write_shards(source, tmp_path / "set")
    options = {"image_size": 16, "cache": "none", "max_bad_share": 0.5}
    given, _ = load_split([source], TASKS, "test", **options)
    found, _ = load_split([packed(tmp_path / "set")], TASKS, "test", **options)
    np.testing.assert_array_equal(found[0].images, given[0].images)


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
