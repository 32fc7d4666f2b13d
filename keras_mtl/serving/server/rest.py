"""TensorFlow Serving's REST interface: https://www.tensorflow.org/tfx/serving/api_rest."""

from __future__ import annotations

import time
import weakref
from collections.abc import Iterator
from typing import Any

import fastapi
import numpy as np
import orjson
from fastapi import Request, Response

from keras_mtl.photos import square_pixels
from keras_mtl.serving.exported import ExportedModel
from keras_mtl.serving.server import pixels
from keras_mtl.serving.server.answers import ERRORS, answer, encoded
from keras_mtl.serving.server.refusal import Refusal
from keras_mtl.serving.server.registry import ModelVersions
from keras_mtl.serving.server.state import State, state_of

router = fastapi.APIRouter(tags=["TensorFlow Serving"])
SIGNATURES = {"serving_default": "DT_UINT8", "serve_float": "DT_FLOAT", "serve_bytes": "DT_STRING"}
INPUT = "images"
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "signature_name": {"type": "string", "enum": list(SIGNATURES), "default": "serving_default"},
                        "instances": {"type": "array", "items": {}, "description": "one image each"},
                        "inputs": {"description": "all images, by the input's name or alone"},
                    },
                },
                "example": {"signature_name": "serve_bytes", "instances": [{"b64": "/9j/4AAQSkZJRg..."}]},
            }
        },
    }
}


@router.get("/v1/models/{name}", summary="States of a model's versions", responses=ERRORS)
async def status(request: Request, name: str) -> Response:
    return answer(_states(state_of(request).registry.model(name)))


@router.get("/v1/models/{name}/versions/{version}", summary="State of a version", responses=ERRORS)
async def version_status(request: Request, name: str, version: str) -> Response:
    states = _states(state_of(request).registry.model(name))["model_version_status"]
    found = [state for state in states if state["version"] == version]
    if not found:
        raise Refusal(404, f"Could not find version {version} of model {name}")
    return answer({"model_version_status": found})


@router.get("/v1/models/{name}/metadata", summary="Inputs and outputs of a model", responses=ERRORS)
async def metadata(request: Request, name: str) -> Response:
    return answer(_metadata(state_of(request).registry.find(name).exported))


@router.get("/v1/models/{name}/versions/{version}/metadata", summary="Inputs and outputs", responses=ERRORS)
async def version_metadata(request: Request, name: str, version: str) -> Response:
    return answer(_metadata(state_of(request).registry.find(name, version).exported))


@router.post("/v1/models/{name}:predict", summary="Predict", responses=ERRORS, openapi_extra=_BODY)
async def predict(request: Request, name: str) -> Response:
    return await _predict(request, name, "")


@router.post("/v1/models/{name}/versions/{version}:predict", summary="Predict", responses=ERRORS, openapi_extra=_BODY)
async def version_predict(request: Request, name: str, version: str) -> Response:
    return await _predict(request, name, version)


async def _predict(request: Request, name: str, version: str) -> Response:
    state = state_of(request)
    state.registry.find(name, version)  # Refused before its images are read, and not held while they are.
    async with state.bodies.read(request) as body, state.admitted():
        served = state.registry.find(name, version)
        by_row, until = False, time.monotonic() + state.config.timeout_seconds

        def images() -> np.ndarray:
            nonlocal by_row
            read, by_row = _images(body, served.exported.size, state, until)
            return read

        async def work() -> bytes:
            outputs = await served.predict(images)
            return _encoded(served.exported, outputs, by_row)

        return encoded(await state.within_time(work()))


def _images(body: bytes, size: int, state: State, until: float) -> tuple[np.ndarray, bool]:
    """The images of a request, uint8 [n, size, size, 3], and whether they came as rows.

    It ends at the monotonic time `until`, when nobody waits for the answer any more.
    """
    with state.decoding.waited_for(len(body) * pixels.JSON_BYTES, until - time.monotonic()):
        given, signature, by_row = _asked(body, state.config.max_images)
        state.holding.take(len(given) * size * size * 3)
        images = np.empty([len(given), size, size, 3], np.uint8)
        weakref.finalize(images, state.holding.give_back, images.nbytes)
        if signature != "serve_bytes":
            for image, numbers in _in_time(images, given, until):
                whole = signature == "serving_default"
                image[:] = pixels.from_numbers(numbers, size, whole, state.config.max_megapixels)
            return images, by_row
        photos = [_encoded_photo(one) for one in given]
        del given
    for image, photo in _in_time(images, photos, until):
        with pixels.decoded(photo, state.config.max_megapixels, state.decoding, until) as decoded:
            image[:] = square_pixels(decoded, size)
            del decoded
    return images, by_row


def _in_time(images: np.ndarray, given: list, until: float) -> Iterator[tuple[np.ndarray, Any]]:
    for image, one in zip(images, given, strict=True):
        if time.monotonic() > until:
            raise Refusal(504, "The images were not decoded in time", retry_after=1)
        yield image, one


def _asked(body: bytes, max_images: int) -> tuple[list, str, bool]:
    """What stands for each image, the signature, and whether they came as rows."""
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refusal(400, f"JSON Parse error: {error}") from None
    if not isinstance(asked, dict) or ("instances" in asked) == ("inputs" in asked):
        raise Refusal(400, 'Expected a JSON object with either "instances" or "inputs"')
    signature = asked.get("signature_name") or "serving_default"
    if not isinstance(signature, str) or signature not in SIGNATURES:
        raise Refusal(400, f"Serving signature name: {signature!r} not found; there are {', '.join(SIGNATURES)}")
    by_row = "instances" in asked
    given = asked["instances"] if by_row else asked["inputs"]
    if not by_row and isinstance(given, dict) and "b64" not in given:
        given = _named(given)
    if not isinstance(given, list) or not given:
        raise Refusal(400, f"Expected a list of one or more images. Received: {type(given).__name__}")
    if len(given) > max_images:
        raise Refusal(413, f"The request has {len(given):,} images; at most {max_images:,} are taken at once")
    if by_row:
        given = [_named(one) if isinstance(one, dict) and "b64" not in one else one for one in given]
    return given, signature, by_row


def _named(given: dict) -> Any:
    if set(given) != {INPUT}:
        raise Refusal(400, f"Expected the input {INPUT!r} alone. Received: {', '.join(map(str, given)) or 'nothing'}")
    return given[INPUT]


def _encoded_photo(given: Any) -> bytes:
    if not isinstance(given, dict) or set(given) != {"b64"}:
        raise Refusal(400, 'serve_bytes takes encoded photos as {"b64": "..."}')
    return pixels.from_base64(given["b64"])


def _encoded(exported: ExportedModel, outputs: dict[str, np.ndarray], by_row: bool) -> bytes:
    columns: dict[str, Any] = dict(outputs)
    for name, task in exported.tasks.items():
        if "classes" in task:
            columns[f"{name}_class"] = [task["classes"][best] for best in outputs[name].argmax(-1).tolist()]
    alone = next(iter(columns)) if len(columns) == 1 else ""
    options = orjson.OPT_SERIALIZE_NUMPY
    if not by_row:
        plain = {name: np.ascontiguousarray(v) if isinstance(v, np.ndarray) else v for name, v in columns.items()}
        return orjson.dumps({"outputs": plain[alone] if alone else plain}, option=options)
    lists = {name: v.tolist() if isinstance(v, np.ndarray) else v for name, v in columns.items()}
    count = len(next(iter(lists.values())))
    rows = [lists[alone][i] if alone else {name: values[i] for name, values in lists.items()} for i in range(count)]
    return orjson.dumps({"predictions": rows}, option=options)


def _states(model: ModelVersions) -> dict:
    def state(version: str, name: str, code: str, message: str) -> dict:
        return {"version": version, "state": name, "status": {"error_code": code, "error_message": message}}

    states = [state(version, "AVAILABLE", "OK", "") for version in model.served]
    states += [state(version, "END", "UNKNOWN", reason) for version, reason in model.failures.items()]
    return {"model_version_status": states[::-1]}


def _metadata(exported: ExportedModel) -> dict:
    def tensor(dtype: str, *sizes: int) -> dict:
        shape = {"dim": [{"size": str(size), "name": ""} for size in (-1, *sizes)], "unknown_rank": False}
        return {"dtype": dtype, "tensor_shape": shape, "name": ""}

    outputs = {}
    for name, task in exported.tasks.items():
        if "classes" in task:
            outputs[name] = tensor("DT_FLOAT", len(task["classes"]))
            outputs[f"{name}_class"] = tensor("DT_STRING")
            continue
        outputs[name] = tensor("DT_FLOAT")
        if bins := exported.description["distributions"].get(name):
            outputs[f"{name}_distribution"] = tensor("DT_FLOAT", len(bins))
        if name in exported.intervals:
            outputs[f"{name}_interval"] = tensor("DT_FLOAT", 2)
    signatures = {
        name: {
            "inputs": {INPUT: tensor(dtype) if dtype == "DT_STRING" else tensor(dtype, -1, -1, 3)},
            "outputs": outputs,
            "method_name": "tensorflow/serving/predict",
        }
        for name, dtype in SIGNATURES.items()
    }
    return {
        "model_spec": {"name": exported.name, "signature_name": "", "version": exported.version},
        "metadata": {"signature_def": {"signature_def": signatures}},
    }
