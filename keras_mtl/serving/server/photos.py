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

from keras_mtl.faces.align import align
from keras_mtl.faces.crops import SIZE
from keras_mtl.faces.detect import Detector
from keras_mtl.photos import square_pixels
from keras_mtl.serving.server import pixels
from keras_mtl.serving.server.answers import ERRORS, answer
from keras_mtl.serving.server.batching import Outputs
from keras_mtl.serving.server.registry import Served
from keras_mtl.serving.server.state import State, state_of
from keras_mtl.serving.server.uploads import FIELD, uploaded_photo

router = fastapi.APIRouter(tags=["Photos"])
_FILE = {"schema": {"type": "string", "format": "binary"}}
PHOTO = {
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


@router.post("/v1/predict", summary="Predict a photo", responses={**ERRORS, 415: ERRORS[400]}, openapi_extra=PHOTO)
async def predict(
    request: Request,
    models: Annotated[str, Query(description="Names with commas between; default: the first model.")] = "",
    detect: Annotated[bool, Query(description="Whether to find and align every face.")] = False,
    crops: Annotated[bool, Query(description="Whether to send what of the photo the models saw.")] = False,
    distributions: Annotated[bool, Query(description="Whether to send distributions.")] = False,
) -> Response:
    state = state_of(request)
    names = list(dict.fromkeys(models.split(",")))
    async with state.body_for(request, lambda: [state.registry.find(name) for name in names]) as (body, chosen):

        async def work() -> dict[str, Any]:
            photo = await uploaded(state, request, body)
            return await _predict(state, chosen, photo, detect, crops, distributions)

        return answer(await state.within_time(work()))


class _Look(NamedTuple):
    """What of a photo the models are shown: the whole of it, or its faces."""

    dimensions: tuple[int, int]  # of the photo: width, height
    images: list[PIL.Image.Image]  # for `crops`
    squares: dict[int, np.ndarray]  # by size
    places: list[dict]  # where in the photo
    decoded: float  # when, by time.perf_counter
    ready: float


async def uploaded(state: State, request: Request, body: bytes) -> bytes:
    """The photo of a request, encoded. Raises Refusal as `uploaded_photo`."""
    kind = request.headers.get("content-type", "")
    if kind.lower().startswith("multipart/"):
        return await state.decode(uploaded_photo, body, kind)  # Reading a form takes a while.
    return uploaded_photo(body, kind)


async def _predict(
    state: State, chosen: list[Served], data: bytes, detect: bool, crops: bool, distributions: bool
) -> dict[str, Any]:
    sizes = {served.exported.size for served in chosen}
    start = time.perf_counter()
    until = time.monotonic() + state.config.timeout_seconds
    is_empty = False
    if detect:
        look = _constant(await state.detect(functools.partial(_faces, state, data, sizes, until)))
        is_empty = not look().places
    else:
        look = functools.cache(functools.partial(_whole, state, data, sizes, until, crops))
        if len(chosen) > 1:
            await state.decode(look)  # Once for all of them.

    def submitted(served: Served) -> Coroutine[Any, Any, Outputs]:
        return served.predict(lambda: look().squares[served.exported.size])

    answers = await _together([submitted(served) for served in chosen if not is_empty])
    seen = look()
    faces: list[dict] = [{**place, "predictions": {}} for place in seen.places]
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
            "decode": round(1000 * (seen.decoded - start), 2),
            "detect": round(1000 * (seen.ready - seen.decoded), 2),
            "predict": round(1000 * (end - seen.ready), 2),
            "total": round(1000 * (end - start), 2),
        },
    }


async def _together(work: list[Coroutine[Any, Any, Outputs]]) -> list[Outputs]:
    """All results; of one model without a task of its own, since that is what most requests ask for."""
    return [await work[0]] if len(work) == 1 else await asyncio.gather(*work)


def _constant(look: _Look) -> Callable[[], _Look]:
    return lambda: look


def _whole(state: State, data: bytes, sizes: set[int], until: float, crops: bool) -> _Look:
    with pixels.decoded(data, state.config.max_megapixels, state.decoding, until) as photo:
        squares, dimensions = _squares([photo], sizes), photo.size
        small = [_no_larger_than_a_crop(photo)] if crops else []
        del photo
    now = time.perf_counter()
    return _Look(dimensions, small, squares, [{"box": None, "points": None, "confidence": None}], now, now)


def _faces(state: State, data: bytes, sizes: set[int], until: float, detector: Detector) -> _Look:
    with pixels.decoded(data, state.config.max_megapixels, state.decoding, until) as photo:
        decoded = time.perf_counter()
        found = detector(photo)
        cut = [align(photo, face.points, SIZE, state.config.margin, detector.template) for face in found]
        dimensions = photo.size
        del photo
    places = [
        {
            "box": [round(side) for side in face.box],
            "points": [[round(x, 1), round(y, 1)] for x, y in face.points],
            "confidence": face.confidence,
        }
        for face in found
    ]
    return _Look(dimensions, cut, _squares(cut, sizes), places, decoded, time.perf_counter())


def _squares(images: list[PIL.Image.Image], sizes: set[int]) -> dict[int, np.ndarray]:
    """By size, the images as models of that size take them."""
    return {size: np.stack([square_pixels(image, size) for image in images]) for size in sizes if images}


def _no_larger_than_a_crop(photo: PIL.Image.Image) -> PIL.Image.Image:
    scale = min(1.0, SIZE / max(photo.size))
    width, height = (max(1, round(side * scale)) for side in photo.size)
    return photo.resize((width, height), PIL.Image.Resampling.BICUBIC, reducing_gap=2.0)


def _encode(images: list[PIL.Image.Image]) -> list[str]:
    """JPEG in base64."""
    texts = []
    for image in images:
        encoded = io.BytesIO()
        image.save(encoded, "JPEG", quality=90)
        texts.append(base64.b64encode(encoded.getvalue()).decode())
    return texts


def _facts(served: Served, distributions: bool = True) -> dict[str, Any]:
    exported = served.exported
    facts = {
        "name": exported.name,
        "version": exported.version,
        "backend": exported.backend.name,
        "tasks": [{**task, **exported.kinds[name].page} for name, task in exported.tasks.items()],
        "intervals": exported.intervals,
        "limits": exported.description["limits"],
    }
    if not distributions:
        return facts
    return {
        **facts,
        "distributions": exported.description["distributions"],
        "scores": exported.description.get("scores", {}),
    }
