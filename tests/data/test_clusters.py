"""Which images of a split are drawn together: of one person, one file, one photo, over all sources."""

import csv

import numpy as np
import pytest
from audited_pictures import pictures
from PIL import Image

from keras_mtl.data import clusters
from keras_mtl.data.sides import Sides
from keras_mtl.data.sources import parse_sources
from keras_mtl.data.splits import load_split
from keras_mtl.tasks import select_tasks

TASKS = select_tasks(["age", "smile"])


@pytest.fixture
def photos(tmp_path):
    """Eight different photos, `0.png` to `7.png`."""
    for i, picture in enumerate(pictures(8, seed=7)):
        Image.fromarray(picture).save(tmp_path / f"{i}.png")
    return tmp_path


def table(folder, name, rows, task="age"):
    columns = ("image", "split", task, "identity")
    with (folder / f"{name}.csv").open("w", newline="") as file:
        csv.writer(file).writerows([columns[: len(rows[0])], *rows])
    return f"{task}=csv:{folder / name}.csv"


def clusters_of(folder, *entries, split="test", image_size=64, cache="auto"):
    tasks = {name: task for name, task in TASKS.items() if any(entry.startswith(name) for entry in entries)}
    data, _ = load_split(
        parse_sources(entries, tasks), tasks, split,
        image_size=image_size, cache_dir=folder / "cache", cache=cache, clusters=True,
    )  # fmt: skip
    assert all(part.clusters.dtype == np.int64 and len(part.clusters) == len(part.keys) for part in data)
    return [part.clusters.tolist() for part in data]


def test_images_of_nobody_known_are_all_alone(photos):
    rows = [(f"{i}.png", "test", 3) for i in range(8)]
    assert clusters_of(photos, table(photos, "a", rows)) == [list(range(8))]


def test_nobody_asks_while_training(photos):
    entry = table(photos, "a", [(f"{i}.png", "test", 3) for i in range(8)])
    tasks = select_tasks(["age"])
    (part,), _ = load_split(parse_sources([entry], tasks), tasks, "test", image_size=64, cache="none")
    assert part.clusters is None


def test_a_person_is_one_cluster_over_sources_and_splits_and_numbers_come_in_order(photos):
    """0 and 3 are told by their own source, 5 by the other one, and 6 and 1 by train's records."""
    first = [(f"{i}.png", "test", 3, {0: "p", 3: "p"}.get(i, "")) for i in (0, 1, 3, 5)]
    second = [("6.png", "test", 1, ""), ("5.png", "test", 1, "q"), ("7.png", "test", 1, "q"), ("2.png", "test", 1, "p")]
    told = [("6.png", "train", 1, "r"), ("1.png", "train", 1, "r")]
    entries = (
        table(photos, "first", first),
        table(photos, "second", [*second, *told], "smile"),
    )
    # Who is called p here is not who is called so there.
    assert clusters_of(photos, *entries) == [[0, 1, 0, 2], [1, 2, 2, 3]]
    assert clusters_of(photos, *entries[::-1]) == [[0, 1, 1, 2], [3, 0, 3, 1]]


def test_several_records_of_one_image_and_links_to_it_are_one_cluster(photos):
    (photos / "link.png").symlink_to("2.png")
    first = table(photos, "first", [(name, "test", 3) for name in ("2.png", "0.png", "2.png", "./0.png")])
    second = table(photos, "second", [("link.png", "test", 1), ("1.png", "test", 1)], "smile")
    assert clusters_of(photos, first, second, cache="none") == [[0, 1, 0, 1], [0, 2]]


@pytest.mark.parametrize("image_size", [32, 64])
def test_copies_and_near_duplicates_are_one_cluster_whatever_the_net_sees(photos, image_size):
    Image.open(photos / "1.png").save(photos / "copy.png", compress_level=0)
    near = Image.open(photos / "4.png").transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((90, 90))
    near.save(photos / "near.jpg", quality=70)
    first = table(photos, "first", [(f"{i}.png", "test", 3) for i in range(6)])
    names = ("near.jpg", "copy.png", "6.png")
    second = table(photos, "second", [(name, "test", 1) for name in names], "smile")
    found = [[*range(6)], [4, 1, 6]]
    assert clusters_of(photos, first, second, image_size=image_size) == found
    assert clusters_of(photos, first, second, image_size=image_size, cache="none") == found


def test_a_chain_of_people_and_photos_is_one_cluster(photos):
    Image.open(photos / "1.png").save(photos / "copy.png", compress_level=0)
    rows = [("0.png", "p"), ("1.png", "p"), ("copy.png", "q"), ("3.png", "q"), ("4.png", "")]
    entry = table(photos, "a", [(image, "test", 3, who) for image, who in rows])
    assert clusters_of(photos, entry) == [[0, 0, 0, 0, 1]]


def test_the_same_photos_are_searched_once_and_changed_or_damaged_finds_anew(photos, monkeypatch):
    searched = []
    find = clusters._find_photos
    monkeypatch.setattr(clusters, "_find_photos", lambda *args: searched.append(1) or find(*args))
    entry = table(photos, "a", [(f"{i}.png", "test", 3) for i in range(8)])
    assert clusters_of(photos, entry) == clusters_of(photos, entry) == [list(range(8))]
    assert len(searched) == 1
    Image.fromarray(pictures(8, seed=7)[0]).save(photos / "5.png")
    found = [[0, 1, 2, 3, 4, 0, 5, 6]]
    assert clusters_of(photos, entry) == clusters_of(photos, entry) == found and len(searched) == 2
    (path,) = (path for path in (photos / "cache").glob("photos-*.json") if "5" in path.read_text().split("crc32")[0])
    whole = path.read_text()
    for damaged in (whole[:-9], whole.replace("5", "6", 1), "null", '{"pairs": 3}'):
        path.write_text(damaged)
        assert clusters_of(photos, entry) == found
        assert path.read_text() == whole


def test_drawn_faces_are_each_their_own():
    sources = parse_sources(["age=drawn:fraction=0.01", "smile=drawn:fraction=0.01"], TASKS)
    data, _ = load_split(sources, TASKS, "test", image_size=32, cache="none", clusters=True)
    assert np.concatenate([part.clusters for part in data]).tolist() == list(range(sum(len(x.keys) for x in data)))
    assert clusters.find_clusters(Sides(sources, 0.1), data[:1])[0].tolist() == list(range(len(data[0].keys)))
