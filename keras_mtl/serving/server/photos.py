"""Photo uploads: every face of a photo, or the whole of it, by one or more models."""

from __future__ import annotations

import asyncio
import base64
import functools
import io
import time
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, NamedTuple

import fastapi
import numpy as np
import PIL.Image
from fastapi import Query, Request, Response

from keras_mtl.data.faces.align import align
from keras_mtl.data.faces.crops import SIZE
from keras_mtl.photos import square_pixels
from keras_mtl.serving.server import pixels
from keras_mtl.serving.server.answers import ERRORS, answer
from keras_mtl.serving.server.batching import Outputs
from keras_mtl.serving.server.registry import Served
from keras_mtl.serving.server.state import State, state_of
from keras_mtl.serving.server.uploads import FIELD, uploaded_photo

router = fastapi.APIRouter(tags=["Photos"])
_FILE = {"schema": {"type": "string", "format": "binary"}}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {"type": "object", "required": [FIELD], "properties": {FIELD: _FILE["schema"]}}
            },
            **{kind: _FILE for kind in ("image/jpeg", "image/png", "image/webp", "application/octet-stream")},
        },
    }
}


@router.get("/v1/models", summary="The models, and what they are")
async def models(request: Request) -> Response:
    state = state_of(request)
    facts = [
        {
            **_facts(served),
            "versions": list(model.served),
            "failures": model.failures,
            "sources": served.exported.description["sources"],
            "drawn": served.exported.description["drawn"],
            "run": served.exported.description["run"],
        }
        for model in state.registry.models.values()
        if model.served and (served := model.find())
    ]
    return answer({"models": facts, "detect": state.can_detect})


@router.post("/v1/predict", summary="Predict a photo", responses={**ERRORS, 415: ERRORS[400]}, openapi_extra=_BODY)
async def predict(
    request: Request,
    models: Annotated[str, Query(description="Names with commas between; default: the first model.")] = "",
    detect: Annotated[bool, Query(description="Whether to find and align every face.")] = False,
    crops: Annotated[bool, Query(description="Whether to send what of the photo the models saw.")] = False,
    distributions: Annotated[bool, Query(description="Whether to send distributions.")] = False,
) -> Response:
    state = state_of(request)
    async with state.admitted():
        chosen = {name: state.registry.find(name) for name in dict.fromkeys(models.split(","))}

        async def work() -> dict[str, Any]:
            photo = await _uploaded(state, request)
            return await _predict(state, list(chosen.values()), photo, detect, crops, distributions)

        return answer(await state.within_time(work()))


class _Look(NamedTuple):
    """What of a photo the models are shown: the whole of it, or its faces."""

    dimensions: tuple[int, int]  # of the photo: width, height
    images: list[PIL.Image.Image]
    squares: dict[int, np.ndarray]  # by size
    ready: float  # when, by time.perf_counter


async def _uploaded(state: State, request: Request) -> bytes:
    body, kind = await state.read_body(request), request.headers.get("content-type", "")
    if kind.lower().startswith("multipart/"):
        return await state.decode(uploaded_photo, body, kind)  # Reading a form takes a while.
    return uploaded_photo(body, kind)


async def _predict(
    state: State, chosen: list[Served], data: bytes, detect: bool, crops: bool, distributions: bool
) -> dict[str, Any]:
    sizes = {served.exported.size for served in chosen}
    start = time.perf_counter()
    make: Callable[[], _Look]
    if detect:
        photo = await state.decode(pixels.decode, data, state.config.max_megapixels)
        decoded = time.perf_counter()
        found = await state.detect(photo)
        places: list[dict] = [
            {
                "box": [round(side) for side in face.box],
                "points": [[round(x, 1), round(y, 1)] for x, y in face.points],
                "confidence": face.confidence,
            }
            for face in found
        ]
        make = functools.partial(_faces, photo, [face.points for face in found], state.config.margin, sizes)
    else:
        places = [{"box": None, "points": None, "confidence": None}]
        make = functools.partial(_whole, data, state.config.max_megapixels, sizes)
    look = functools.cache(make)
    if len(chosen) > 1:
        await state.decode(look)  # Once for all of them.

    def submitted(served: Served) -> Coroutine[Any, Any, Outputs]:
        return served.predict(lambda: look().squares[served.exported.size])

    answers = await _together([submitted(served) for served in chosen if places])
    seen = look()
    faces: list[dict] = [{**place, "predictions": {}} for place in places]
    for served, outputs in zip(chosen, answers, strict=False):
        entries = served.exported.readable(outputs, distributions=distributions)
        for face, entry in zip(faces, entries, strict=True):
            face["predictions"][served.exported.name] = entry
    if crops:
        for face, crop in zip(faces, await state.decode(_encode, seen.images), strict=True):
            face["crop"] = crop
    end = time.perf_counter()
    return {
        "image": {"width": seen.dimensions[0], "height": seen.dimensions[1]},
        "detected": detect,
        "models": [_facts(served, distributions) for served in chosen],
        "faces": faces,
        "milliseconds": {
            "decode": round(1000 * ((decoded if detect else seen.ready) - start), 2),
            "detect": round(1000 * (seen.ready - decoded), 2) if detect else 0.0,
            "predict": round(1000 * (end - seen.ready), 2),
            "total": round(1000 * (end - start), 2),
        },
    }


async def _together(work: list[Coroutine[Any, Any, Outputs]]) -> list[Outputs]:
    """All results; of one model without a task of its own, since that is what most requests ask for."""
    return [await work[0]] if len(work) == 1 else await asyncio.gather(*work)


def _whole(data: bytes, max_megapixels: float, sizes: set[int]) -> _Look:
    photo = pixels.decode(data, max_megapixels)
    return _Look(photo.size, [photo], _squares([photo], sizes), time.perf_counter())


def _faces(photo: PIL.Image.Image, points: list, margin: float, sizes: set[int]) -> _Look:
    cut = [align(photo, each, SIZE, margin) for each in points]
    return _Look(photo.size, cut, _squares(cut, sizes), time.perf_counter())


def _squares(images: list[PIL.Image.Image], sizes: set[int]) -> dict[int, np.ndarray]:
    """By size, the images as models of that size take them."""
    return {size: np.stack([square_pixels(image, size) for image in images]) for size in sizes if images}


def _encode(images: list[PIL.Image.Image]) -> list[str]:
    """JPEG in base64, no larger than a crop."""
    texts = []
    for image in images:
        small = image.copy()
        small.thumbnail((SIZE, SIZE))
        encoded = io.BytesIO()
        small.save(encoded, "JPEG", quality=90)
        texts.append(base64.b64encode(encoded.getvalue()).decode())
    return texts


def _facts(served: Served, distributions: bool = True) -> dict[str, Any]:
    exported = served.exported
    facts = {
        "name": exported.name,
        "version": exported.version,
        "backend": exported.backend.name,
        "tasks": list(exported.tasks.values()),
        "intervals": exported.intervals,
        "limits": exported.description["limits"],
    }
    return {**facts, "distributions": exported.description["distributions"]} if distributions else facts
