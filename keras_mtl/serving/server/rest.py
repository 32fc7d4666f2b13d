"""TensorFlow Serving's REST interface: https://www.tensorflow.org/tfx/serving/api_rest."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import fastapi
import numpy as np
import orjson
from fastapi import Request, Response

from keras_mtl.serving.exported import ExportedModel
from keras_mtl.serving.server import pixels
from keras_mtl.serving.server.answers import ERRORS, answer, dumped, encoded, parameters_of
from keras_mtl.serving.server.refusal import Refusal
from keras_mtl.serving.server.registry import ModelVersions, Served
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


# The address of a model, of one of its versions and of what a label stands for, as routes and parameters have them.
_MODEL = "/v1/models/{name:servable}"
_PLACES = (_MODEL, f"{_MODEL}/versions/{{version:number}}", f"{_MODEL}/labels/{{label:servable}}")


class _Place(NamedTuple):
    """Which model, and which of its versions, a request's address names."""

    name: str
    version: str
    is_all: bool

    def find(self, state: State) -> Served:
        return state.registry.find(self.name, self.version)


def _place(request: Request) -> _Place:
    given = request.path_params
    name, version = given["name"], given.get("version", "")
    if "label" in given:
        version = state_of(request).registry.version_of(name, given["label"])
    return _Place(name, version, is_all=not version)


def _add_routes() -> None:
    """Each route thrice: of the newest version, of one by number and of one by label."""
    for place in _PLACES:
        told = parameters_of(place)
        router.get(place, summary="States of its versions", responses=ERRORS, openapi_extra=told)(status)
        router.get(f"{place}/metadata", summary="Inputs and outputs", responses=ERRORS, openapi_extra=told)(metadata)
        router.post(f"{place}:predict", summary="Predict", responses=ERRORS, openapi_extra=told | _BODY)(predict)


async def status(request: Request) -> Response:
    place = _place(request)
    states = _states(state_of(request).registry.model(place.name))
    if not place.is_all:
        states = [state for state in states if state["version"] == place.version]
        if not states:
            raise Refusal(404, f"Could not find version {place.version} of model {place.name}")
    return answer({"model_version_status": states})


async def metadata(request: Request) -> Response:
    return answer(_metadata(_place(request).find(state_of(request)).exported))


async def predict(request: Request) -> Response:
    state, place = state_of(request), _place(request)
    async with state.body_for(request, lambda: place.find(state)) as (body, served):
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
        images = state.hold_images(len(given), size)
        if signature != "serve_bytes":
            for image, numbers in in_time(images, given, until):
                whole = signature == "serving_default"
                image[:] = pixels.from_numbers(numbers, size, whole, state.config.max_megapixels)
            return images, by_row
        photos = [_encoded_photo(one) for one in given]
        del given
    for image, photo in in_time(images, photos, until):
        image[:] = pixels.squared(photo, size, state.config.max_megapixels, state.decoding, until)
    return images, by_row


def in_time(images: np.ndarray, given: Iterable, until: float) -> Iterator[tuple[np.ndarray, Any]]:
    """Pairs of an image to fill and what was given for it. Raises Refusal (504) after the monotonic time `until`."""
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
    # As NumPy's float32 they are written with the fewest digits that tell them apart.
    columns = {name: np.ascontiguousarray(values) for name, values in exported.columns(outputs).items()}
    alone = next(iter(columns)) if len(columns) == 1 else ""
    if by_row:
        count = len(next(iter(columns.values())))
        rows = [{name: values[i] for name, values in columns.items()} for i in range(count)]
        content: dict[str, Any] = {"predictions": [row[alone] for row in rows] if alone else rows}
    else:
        plain = {name: values.tolist() if values.dtype == object else values for name, values in columns.items()}
        content = {"outputs": plain[alone] if alone else plain}
    return dumped(content)


def _states(model: ModelVersions) -> list[dict]:
    def state(version: str, name: str, code: str = "OK", message: str = "") -> dict:
        return {"version": version, "state": name, "status": {"error_code": code, "error_message": message}}

    states = {version: state(version, "END") for version in model.ended}
    states |= {version: state(version, "END", "UNKNOWN", reason) for version, reason in model.failures.items()}
    states |= {version: state(version, "AVAILABLE") for version in model.served}
    if loading := model.loading:
        states[loading] = state(loading, "LOADING")
    return [states[version] for version in sorted(states, key=int, reverse=True)]


def _metadata(exported: ExportedModel) -> dict:
    def tensor(dtype: str, *sizes: int) -> dict:
        shape = {"dim": [{"size": str(size), "name": ""} for size in (-1, *sizes)], "unknown_rank": False}
        return {"dtype": dtype, "tensor_shape": shape, "name": ""}

    outputs = {
        name: tensor("DT_STRING" if datatype == "BYTES" else "DT_FLOAT", *shape)
        for name, (datatype, shape) in exported.output_types().items()
    }
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


_add_routes()
