"""Drawn faces as a source: sizes, names, labels and their noise, options."""

from __future__ import annotations

import numpy as np
import pytest

from keras_mtl.data import drawing
from keras_mtl.data.drawn import DrawnFaces
from keras_mtl.errors import UserError
from keras_mtl.tasks import BUILT_IN, Task, select_tasks

TASKS = ("age", "gender", "smile")


def drawn_faces(*tasks, fraction=1.0, seed=0):
    return DrawnFaces("_".join(("drawn", *tasks)), select_tasks(tasks), f"fraction={fraction}:seed={seed}")


@pytest.mark.parametrize(
    ("task", "train", "test"), [("age", 3707, 1356), ("gender", 4548, 2250), ("smile", 4548, 2250)]
)
def test_sizes(task, train, test):
    source = drawn_faces(task)
    assert source.splits() == ("train", "test")
    records = {split: source.records(split) for split in source.splits()}
    assert [len(records[split].images) for split in ("train", "test")] == [train, test]
    assert all(set(found.labels) == {task} and not found.bad for found in records.values())
    assert not np.isnan(records["train"].labels[task]).any()


def test_sources_and_splits_share_no_face():
    sources = [drawn_faces(task, fraction=0.005) for task in TASKS]
    images = [image for source in sources for split in source.splits() for image in source.records(split).images]
    pictures = drawing.draw_all(images, 0, 32)
    assert len({picture.tobytes() for picture in pictures}) == len(set(images)) == len(images)


def test_a_small_set_is_the_beginning_of_a_large_one():
    few, many = (drawn_faces("age", fraction=fraction).records("test") for fraction in (0.01, 0.1))
    assert len(few.images) == 14 and len(many.images) == 136
    assert many.images[:14] == few.images
    np.testing.assert_array_equal(many.labels["age"][:14], few.labels["age"])


def test_decode_draws_what_records_name():
    source = drawn_faces("smile", fraction=0.002)
    images = source.records("train").images
    pixels, bad = source.decode(images, 40)
    assert pixels.shape == (9, 40, 40, 3) and pixels.dtype == np.uint8 and bad == {}
    np.testing.assert_array_equal(source.decode(images[2:4], 40)[0], pixels[2:4])


def test_ages_are_spread_widely_and_noisy():
    ages = drawn_faces("age").records("train").labels["age"]
    truth = np.array([drawing.face_of(image, 0).person.age for image in drawn_faces("age").records("test").images])
    labels = drawn_faces("age").records("test").labels["age"]
    assert ages.min() >= 1 and ages.max() <= 100
    assert np.histogram(ages, 9, (1, 91))[0].min() > 0.03 * len(ages)
    error = np.abs(labels - truth)
    assert 1.5 < np.median(error) < 2.6
    assert 0.005 < (error > 15).mean() < 0.035


@pytest.mark.parametrize(("task", "trait"), [("gender", "female"), ("smile", "smiling")])
def test_classes_are_even_and_one_label_in_twenty_is_wrong(task, trait):
    records = drawn_faces(task).records("test")
    truth = np.array([getattr(drawing.face_of(image, 0).person, trait) for image in records.images])
    labels = records.labels[task]
    assert 0.46 < labels.mean() < 0.54
    assert 0.035 < (labels != truth).mean() < 0.065
    assert BUILT_IN[task].classes[1] in (trait, "smiling", "female")


def test_one_face_may_carry_all_labels():
    records = drawn_faces(*TASKS, fraction=0.001).records("train")
    assert tuple(records.labels) == TASKS and len(records.images) == 4
    assert records.images[0] == "drawn/age+gender+smile/train/000000"


def test_class_order_follows_the_declared_task():
    turned = Task("gender", "binary", classes=("female", "male"))
    usual = drawn_faces("gender", fraction=0.01).records("train").labels["gender"]
    other = DrawnFaces("drawn_gender", {"gender": turned}, "fraction=0.01").records("train").labels["gender"]
    np.testing.assert_array_equal(other, 1 - usual)


def test_a_label_outside_the_declared_range_is_bad_not_raised():
    narrow = Task("age", "regression", low=20, high=60)
    records = DrawnFaces("drawn_age", {"age": narrow}, "fraction=0.02").records("train")
    assert records.images and records.bad
    assert len(records.images) + len(records.bad) == 74


def test_options_choose_another_set():
    usual = drawn_faces("age", fraction=0.005)
    other = DrawnFaces("drawn_age", {"age": BUILT_IN["age"]}, "fraction=0.005:seed=7")
    assert other.seed == 7
    images = usual.records("train").images
    assert other.records("train").images == images
    assert (other.records("train").labels["age"] != usual.records("train").labels["age"]).mean() > 0.9
    assert (other.decode(images[:2], 32)[0] != usual.decode(images[:2], 32)[0]).any()


def test_fingerprint_covers_images_size_seed_and_version(monkeypatch):
    source = drawn_faces("age", fraction=0.001)
    images = source.records("train").images
    usual = source.fingerprint(images, 32)
    assert usual == drawn_faces("age", fraction=0.001).fingerprint(images, 32)
    others = [source.fingerprint(images[1:], 32), source.fingerprint(images, 33)]
    others.append(drawn_faces("age", fraction=0.001, seed=1).fingerprint(images, 32))
    monkeypatch.setattr(drawing, "VERSION", drawing.VERSION + 1)
    others.append(source.fingerprint(images, 32))
    assert len({usual, *others}) == 5


@pytest.mark.parametrize(
    "text", ["fraction", "fraction=a", "fraction=0", "fraction=nan", "seed=-1", "seed=1.5", "size=3"]
)
def test_bad_options_are_one_clear_line(text):
    with pytest.raises(UserError, match="options are fraction=F .*Received: ") as caught:
        DrawnFaces("drawn_age", {"age": BUILT_IN["age"]}, text)
    assert "\n" not in str(caught.value) and text in str(caught.value)


def test_other_tasks_and_splits_are_refused():
    emotion = Task("emotion", "multiclass", classes=("a", "b"))
    with pytest.raises(UserError, match="age, gender, smile only. Received: emotion"):
        DrawnFaces("drawn_emotion", {"emotion": emotion})
    with pytest.raises(UserError, match="splits train, test. Received: 'validation'"):
        drawn_faces("age").records("validation")


def test_they_are_called_drawn():
    source = drawn_faces("age")
    assert source.drawn and source.name == "drawn_age" and "NOT real people" in source.description
