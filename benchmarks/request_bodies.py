"""What the load test posts: the same photos, as each server wants to be asked."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import pathlib

import PIL.Image

from keras_mtl.data.sources import parse_sources
from keras_mtl.tasks import select_tasks


@dataclasses.dataclass(frozen=True)
class Bodies:
    """What is posted in turn: a folder with the files 0, 1, … and their content type."""

    folder: pathlib.Path
    count: int
    content_type: str


def write_bodies(folder: pathlib.Path, bodies: list[bytes], content_type: str) -> Bodies:
    folder.mkdir(parents=True)
    for number, body in enumerate(bodies):
        (folder / str(number)).write_bytes(body)
    return Bodies(folder, len(bodies), content_type)


def photos(count: int = 32) -> list[bytes]:
    """Drawn faces as JPEG files of 200 pixels, about as large as UTKFace's."""
    (source,) = parse_sources(["age=drawn:"], select_tasks(["age"]))
    pixels, _ = source.decode(source.records("test").images[:count], 200)
    encoded = []
    for image in pixels:
        file = io.BytesIO()
        PIL.Image.fromarray(image).save(file, "JPEG", quality=90)
        encoded.append(file.getvalue())
    return encoded


def request_bodies(folder: pathlib.Path) -> dict[str, Bodies]:
    """Every server's way to be asked, on the same photos."""
    encoded = photos()
    texts = [base64.b64encode(photo).decode() for photo in encoded]
    rest = [{"signature_name": "serve_bytes", "instances": [{"b64": text}]} for text in texts]
    deepface = [
        {"img": f"data:image/jpeg;base64,{text}", "actions": ["age", "gender"], "detector_backend": "skip"}
        for text in texts
    ]
    return {
        "photo": write_bodies(folder / "photo", encoded, "image/jpeg"),
        "rest": write_bodies(folder / "rest", [json.dumps(body).encode() for body in rest], "application/json"),
        "deepface": write_bodies(
            folder / "deepface", [json.dumps(body).encode() for body in deepface], "application/json"
        ),
    }
