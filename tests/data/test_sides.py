"""The sides of validation of all sources of a training together: by file, by identity, by the sources' own splits."""

import os
import pathlib

from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mtl.data.sides import Sides, in_validation
from keras_mtl.data.source import Entry, Source
from keras_mtl.data.sources import parse_sources
from keras_mtl.data.splits import load_split
from keras_mtl.tasks import select_tasks

TASKS = select_tasks(["age", "smile"])


class Listed(Source):
    """`entries` {split: [(image, identity)]}, all of them aged 3."""

    def __init__(self, name, entries):
        super().__init__(name, select_tasks(["age"]), base=pathlib.Path("/photos"))
        self.entries = entries

    def splits(self):
        return tuple(self.entries)

    def records(self, split):
        return self.collect(split, (Entry(image, {"age": 3}, identity) for image, identity in self.entries[split]))


def sides_of(sources, fraction=0.3):
    """[(source, image, identity, split)] of all records of train and validation."""
    sides = Sides(sources, fraction)
    found = []
    for source in sources:
        for split in ("train", "validation"):
            records = sides.records(source, split)
            identities = records.identities or [None] * len(records.images)
            found += [(source.name, *row, split) for row in zip(records.images, identities, strict=True)]
    return found


def test_a_file_is_on_one_side_whatever_tables_call_it(tmp_path):
    (tmp_path / "photos").mkdir()
    for i in range(200):
        (tmp_path / "photos" / f"{i}.jpg").touch()
    (tmp_path / "linked").symlink_to(tmp_path / "photos")
    (tmp_path / "single").mkdir()
    for i in range(200):
        (tmp_path / "single" / f"photo{i}").symlink_to(f"../photos/{i}.jpg")
    names = {"photos/a": "{}.jpg", "b": "photos/{}.jpg", "c": "linked/{}.jpg", "d": "./photos/../single/photo{}"}
    for table, name in names.items():
        rows = "".join(f"{name.format(i)},{i % 90}\n" for i in range(200))
        (tmp_path / f"{table}.csv").write_text("image,age\n" + rows)
    sources = parse_sources([f"age=csv:{tmp_path}/{table}.csv" for table in names], select_tasks(["age"]))
    for chosen in (sources, *([source] for source in sources)):
        sides = Sides(chosen, 0.1)
        files = [{(x.root / name).resolve() for name in sides.records(x, "validation").images} for x in chosen]
        names = [f"photos/{i}.jpg" for i in range(200)]
        cut = {tmp_path / name for name, take in zip(names, in_validation(names, 0.1), strict=True) if take}
        assert all(some == cut for some in files)


def test_an_identity_known_to_one_source_holds_for_the_file_in_another():
    images = [f"{i}.jpg" for i in range(60)]
    known = Listed("known", {"train": [(image, f"p{i // 10}") for i, image in enumerate(images)]})
    unknown = Listed("unknown", {"train": [(image, None) for image in images]})
    found = sides_of([unknown, known])
    for first in range(0, 60, 10):
        assert len({split for _, image, _, split in found if image in images[first : first + 10]}) == 1
    assert {split for *_, split in found} == {"train", "validation"}


def test_rows_of_one_image_are_on_one_side_where_one_of_them_has_no_identity_or_no_label(tmp_path):
    rows = [
        f"{i}.jpg,{age},{smile},{who}\n" for i in range(40) for age, smile, who in ((3, "", f"p{i // 8}"), ("", 1, ""))
    ]
    (tmp_path / "people.csv").write_text("image,age,smile,identity\n" + "".join(rows))
    one = parse_sources([f"smile=csv:{tmp_path}/people.csv"], select_tasks(["smile"]))
    both = parse_sources([f"age+smile=csv:{tmp_path}/people.csv"], TASKS)
    validated = [set(Sides(sources, 0.3).records(sources[0], "validation").images) for sources in (one, both)]
    assert validated[0] == validated[1] != set()
    assert len(validated[0]) % 8 == 0


def test_numbers_of_people_in_two_sources_are_not_the_same_people():
    first = Listed("first", {"train": [(f"{i}.jpg", str(i)) for i in range(100)]})
    second = Listed("second", {"train": [(f"{i}.jpg", str((i + 1) % 100)) for i in range(100)]})
    found = sides_of([first, second])
    # Were they, all images would be of one person, and on one side.
    assert 20 < sum(split == "validation" for *_, split in found) < 120
    assert all(len({split for _, image, _, split in found if image == f"{i}.jpg"}) == 1 for i in range(100))


def test_what_one_source_validates_on_another_does_not_train_on(tmp_path, caplog):
    from PIL import Image

    for i in range(40):
        Image.new("L", (4, 4), i).save(tmp_path / f"{i}.png")
    rows = [f"{i}.png,{i},{'train' if i < 30 else 'validation'}" for i in range(40)]
    (tmp_path / "own.csv").write_text("\n".join(["image,age,split", *rows]))
    (tmp_path / "cut.csv").write_text("\n".join(["image,smile", *(f"{i}.png,1" for i in range(20, 40))]))
    sources = parse_sources([f"age=csv:{tmp_path}/own.csv", f"smile=csv:{tmp_path}/cut.csv"], TASKS)
    options = {"image_size": 4, "cache": "none", "validation_fraction": 0.2}
    train, _ = load_split(sources, TASKS, "train", **options)
    told = caplog.messages
    validation, _ = load_split(sources, TASKS, "validation", **options)
    trained, validated = ({key for part in parts for key in part.keys} for parts in (train, validation))
    assert trained.isdisjoint(validated) and trained | validated == {f"{i}.png" for i in range(40)}
    late = {f"{i}.png" for i in range(30, 40)}
    assert late <= set(validation[1].keys) and set(validation[0].keys) == late
    early = set(validation[1].keys) - late
    assert early and set(train[0].keys) == {f"{i}.png" for i in range(30)} - early
    shared = [text for text in told if "validate on them" in text]
    assert [text.split(":")[0] for text in shared] == ["csv_age, train", "csv_smile, train"]
    assert f"{len(early)} images are left out" in shared[0]


def test_test_images_that_are_trained_on_are_told_and_clean_is_named(tmp_path, caplog):
    from PIL import Image

    for i in range(40):
        Image.new("L", (4, 4), i).save(tmp_path / f"{i}.png")
    rows = [f"{i}.png,{i},{'train' if i < 30 else 'test'}" for i in range(40)]
    (tmp_path / "own.csv").write_text("\n".join(["image,age,split", *rows]))
    (tmp_path / "other.csv").write_text("\n".join(["image,smile", *(f"{i}.png,1" for i in range(33))]))
    entries = [f"age=csv:{tmp_path}/own.csv", f"smile=csv:{tmp_path}/other.csv"]
    load_split(parse_sources(entries, TASKS), TASKS, "test", image_size=4, cache="none")
    (told,) = [text for text in caplog.messages if "as well" in text]
    assert told.startswith("csv_age, test: 3 of 10 images are in train or validation") and "--clean" in told
    caplog.clear()
    alone = select_tasks(["age"])
    load_split(parse_sources(entries, alone), alone, "test", image_size=4, cache="none")
    assert not [text for text in caplog.messages if "as well" in text]


def test_hidden_names_and_names_of_no_file_have_a_side(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"image": "\\ud800.jpg", "age": 3}\n{"image": "a\\u0000", "age": 3}\n')
    os.link(tmp_path / "a.jsonl", tmp_path / ".b.jpg")
    with (tmp_path / "a.jsonl").open("a") as file:
        file.write('{"image": ".b.jpg", "age": 3}\n')
    (source,) = parse_sources([f"age=jsonl:{tmp_path}/a.jsonl"], select_tasks(["age"]))
    sides = Sides([source], 0.5)
    both = [sides.records(source, split) for split in ("train", "validation")]
    assert sum(len(records.bad) for records in both) == 2 and sum(len(records.images) for records in both) == 1


rows = st.lists(st.tuples(st.integers(0, 30), st.sampled_from([None, *"abcdefgh"])), min_size=1, max_size=40)


@settings(max_examples=50, deadline=None)
@given(first=rows, second=rows)
def test_no_person_and_no_file_is_on_two_sides_in_any_order(first, second):
    made = [
        Listed(name, {"train": [(f"{number}.jpg", who) for number, who in entries]})
        for name, entries in (("first", first), ("second", second))
    ]
    found = sides_of(made)
    assert len(found) == len(first) + len(second)
    for key in (lambda row: row[1], lambda row: row[2] and row[0] + row[2]):
        by_key = {}
        for row in found:
            by_key.setdefault(key(row), set()).add(row[-1])
        assert all(len(splits) == 1 for one, splits in by_key.items() if one)
    backwards = [Listed(one.name, {"train": one.entries["train"][::-1]}) for one in reversed(made)]
    assert sorted(map(str, sides_of(backwards))) == sorted(map(str, found))


@settings(max_examples=30, deadline=None)
@given(names=st.lists(st.integers(0, 99), unique=True, min_size=2, max_size=60), at=st.integers(0, 60))
def test_a_single_net_validates_on_what_the_multitask_net_does(names, at):
    parts = [
        Listed(name, {"train": [(f"{i}.jpg", None) for i in some]})
        for name, some in (("first", names), ("second", names[: max(1, at % len(names))]))
    ]
    together = Sides(parts, 0.1)
    for part in parts:
        alone = set(Sides([part], 0.1).records(part, "validation").images)
        assert alone <= set(together.records(part, "validation").images)
    alone = set(Sides(parts[:1], 0.1).records(parts[0], "validation").images)
    more = set(together.records(parts[0], "validation").images) - alone
    assert len(more) <= 1  # The lowest of a few images, where none of them is low enough.
