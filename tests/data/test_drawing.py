"""The renderer of drawn faces: a face is a function of its key, and its cues are visible, weak and fair."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import zlib
from random import Random

import numpy as np
import pytest

from keras_mtl.data import drawing
from keras_mtl.data.drawing import Person, draw_face, sample_face

KEYS = [f"drawn/age/train/{number:06d}" for number in range(6)]


def pixels(face: drawing.Face, size: int = 48) -> np.ndarray:
    return np.asarray(draw_face(face, size), np.int32)


def change(face: drawing.Face, group: str, **fields) -> drawing.Face:
    return dataclasses.replace(face, **{group: dataclasses.replace(getattr(face, group), **fields)})


@pytest.fixture(scope="module")
def plain_face() -> drawing.Face:
    """A smooth face of 30 in plain light, without anything that hides it."""
    face = sample_face(Random(4), Person(30.0, False, False))
    face = change(face, "scene", light=0.0, noise=0.0, blur=0.0, grey=False, roll=0.0, yaw=0.0, pitch=0.0)
    face = change(face, "wear", glasses="", hat="")
    face = change(face, "head", skin=(229.0, 182.0, 146.0), nose_length=0.36, earrings=False)
    face = change(face, "mouth", opening=0.0, teeth=False, curve=0.0, cheeks=0.0)
    marks = {field.name: 0 for field in dataclasses.fields(face.marks)}
    face = change(face, "marks", **marks)
    return change(face, "hair", style="short", grey=0.0, recession=0.0, fringe=0.0, beard="", line=-0.6)


@pytest.fixture(scope="module")
def faces() -> list[drawing.Face]:
    return [sample_face(Random(f"statistics/{number}")) for number in range(3000)]


def test_faces_are_the_same_in_any_order_and_number():
    pictures = drawing.draw_all(KEYS, 0, 32)
    np.testing.assert_array_equal(drawing.draw_all(KEYS[::-1], 0, 32)[::-1], pictures)
    np.testing.assert_array_equal(drawing.draw_all(KEYS[3:4], 0, 32)[0], pictures[3])


def test_child_processes_of_a_script_without_a_main_guard_draw_the_same_without_tensorflow():
    script = f"""
import sys, zlib
from keras_mtl.data import drawing
import keras_mtl.data.drawn
print(zlib.crc32(drawing.draw_all({KEYS!r}, 0, 32, workers=2).tobytes()), "tensorflow" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-"], input=script, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(zlib.crc32(drawing.draw_all(KEYS, 0, 32, workers=0).tobytes())), "False"]


def test_a_failing_child_process_is_an_error_that_says_why():
    with pytest.raises(RuntimeError, match="child process .*ZeroDivisionError"):
        drawing.draw_all(KEYS, 0, 0, workers=2)


def test_keys_and_seeds_give_different_faces():
    pictures = [drawing.draw_all([key], seed, 32).tobytes() for key in KEYS for seed in (0, 1)]
    assert len(set(pictures)) == len(pictures)


@pytest.mark.parametrize("size", [32, 48, 100, 128])
def test_every_size_shows_the_same_picture(size, plain_face):
    picture = draw_face(plain_face, size)
    assert (picture.mode, picture.size) == ("RGB", (size, size))
    small = np.asarray(picture.resize((32, 32)), np.float32)
    assert np.abs(small - np.asarray(draw_face(plain_face, 64).resize((32, 32)), np.float32)).mean() < 3.0


@pytest.mark.parametrize(
    ("group", "fields"),
    [
        ("head", {"skin": (90.0, 60.0, 45.0)}),
        ("head", {"width": 0.85}),
        ("head", {"chin": 0.85}),
        ("head", {"jaw": 2.8}),
        ("head", {"jowl": 0.12}),
        ("head", {"nose_length": 0.15}),
        ("head", {"earrings": True}),
        ("eyes", {"y": 0.1}),
        ("eyes", {"size": 0.21}),
        ("eyes", {"opening": 0.2}),
        ("eyes", {"droop": 0.06}),
        ("eyes", {"bags": 0.8}),
        ("eyes", {"lashes": 1.0}),
        ("eyes", {"brow_width": 0.03}),
        ("mouth", {"curve": 0.1}),
        ("mouth", {"curve": -0.05}),
        ("mouth", {"opening": 0.12, "teeth": True}),
        ("mouth", {"lower": 0.1}),
        ("mouth", {"cheeks": 0.9}),
        ("marks", {"forehead": 0.8}),
        ("marks", {"frown": 0.8}),
        ("marks", {"crows_feet": 0.8}),
        ("marks", {"nasolabial": 0.8}),
        ("marks", {"marionette": 0.8}),
        ("marks", {"neck": 0.8}),
        ("marks", {"spots": 8}),
        ("marks", {"freckles": 15}),
        ("hair", {"grey": 1.0}),
        ("hair", {"style": "bald"}),
        ("hair", {"style": "long", "length": 1.2}),
        ("hair", {"recession": 0.8}),
        ("hair", {"fringe": 1.0}),
        *[("hair", {"beard": beard}) for beard in ("stubble", "moustache", "goatee", "full")],
        *[("wear", {"glasses": kind}) for kind in ("thin", "thick", "dark")],
        *[("wear", {"hat": kind}) for kind in ("cap", "beanie", "brim")],
        ("scene", {"light": 0.4}),
        ("scene", {"yaw": 0.15}),
        ("scene", {"roll": 0.2}),
    ],
)
def test_each_cue_is_visible(plain_face, group, fields):
    difference = np.abs(pixels(change(plain_face, group, **fields)) - pixels(plain_face)).max(axis=-1)
    assert difference.max() > 15
    assert (difference > 5).sum() >= 3


def test_grey_pictures_have_no_colour(plain_face):
    picture = pixels(change(plain_face, "scene", grey=True, noise=5.0))
    assert np.ptp(picture, axis=-1).max() == 0


def area_under_curve(scores: np.ndarray, positive: np.ndarray) -> float:
    """How often a positive scores higher than a negative; ties count half."""
    above = scores[positive][:, None] - scores[~positive][None, :]
    return float((above > 0).mean() + 0.5 * (above == 0).mean())


@pytest.mark.parametrize(
    ("group", "field", "positive"),
    [
        ("marks", "forehead", lambda person: person.age > 50),
        ("marks", "crows_feet", lambda person: person.age > 50),
        ("hair", "grey", lambda person: person.age > 50),
        ("eyes", "bags", lambda person: person.age > 50),
        ("eyes", "y", lambda person: person.age < 10),
        ("eyes", "brow_width", lambda person: not person.female),
        ("head", "jaw", lambda person: not person.female),
        ("hair", "length", lambda person: person.female),
        ("eyes", "lashes", lambda person: person.female),
        ("mouth", "lower", lambda person: person.female),
        ("mouth", "curve", lambda person: person.smiling),
        ("mouth", "opening", lambda person: person.smiling),
        ("mouth", "cheeks", lambda person: person.smiling),
        ("marks", "nasolabial", lambda person: person.smiling),
    ],
)
def test_each_cue_tells_something_but_not_all(faces, group, field, positive):
    scores = np.array([getattr(getattr(face, group), field) for face in faces])
    truth = np.array([positive(face.person) for face in faces])
    assert 0.57 < area_under_curve(scores, truth) < 0.985


def test_only_grown_men_have_beards(faces):
    bearded = [face.person for face in faces if face.hair.beard]
    men = [face for face in faces if not face.person.female and face.person.age > 25]
    assert all(not person.female and person.age > 15 for person in bearded)
    assert 0.3 < np.mean([bool(face.hair.beard) for face in men]) < 0.55


def test_skin_background_and_light_tell_nothing_about_the_labels(faces):
    truth = np.array([[face.person.age, face.person.female, face.person.smiling] for face in faces], float)
    looks = np.array(
        [
            [sum(face.head.skin), face.head.skin[0] - face.head.skin[2], np.mean(face.scene.palette)]
            + [face.scene.light, face.scene.brightness, face.scene.scale, face.scene.grey, sum(face.wear.clothes)]
            for face in faces
        ]
    )
    # Five standard errors at 3000 faces.
    assert np.abs(np.corrcoef(truth.T, looks.T)[:3, 3:]).max() < 5 / np.sqrt(len(faces))


def test_skins_span_light_to_dark(faces):
    brightness = np.array([np.mean(face.head.skin) for face in faces])
    assert brightness.min() < 75 and brightness.max() > 215
    assert np.histogram(brightness, 6)[0].min() > 0.05 * len(faces)
