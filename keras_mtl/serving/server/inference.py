"""The Open Inference Protocol, version 2, as KServe and Triton speak it over HTTP.

https://github.com/kserve/open-inference-protocol, with Triton's binary data (its extension `binary_tensor_data`), which
its client sends unless it is told otherwise.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import fastapi
import numpy as np
import orjson
import PIL.Image
from fastapi import Request, Response

import keras_mtl
from keras_mtl.photos import square_pixels
from keras_mtl.serving.exported import ExportedModel
from keras_mtl.serving.server import pixels
from keras_mtl.serving.server.answers import ERRORS, answer, dumped, encoded, parameters_of
from keras_mtl.serving.server.config import ServeConfig
from keras_mtl.serving.server.refusal import Refusal
from keras_mtl.serving.server.rest import in_time
from keras_mtl.serving.server.state import State, state_of

router = fastapi.APIRouter(tags=["Open Inference Protocol"])
health = fastapi.APIRouter(tags=["Open Inference Protocol"])
INPUT = "images"
HEADER = "Inference-Header-Content-Length"
"""How many bytes of a body are JSON, where tensors follow it as they are in memory."""
_TYPES: dict[str, np.dtype[Any]] = {"UINT8": np.dtype("u1"), "FP32": np.dtype("<f4")}
_SHAPE = "images are UINT8 or FP32 [n, height, width, 3] from 0 to 255, or BYTES [n] of encoded photos"


class _Tensor(NamedTuple):
    """A request's input: its type, its shape, and what it holds, as a list or as bytes."""

    datatype: str
    shape: list[int]
    data: Any


async def server(request: Request) -> Response:
    return answer(
        {"name": "keras_mtl", "version": keras_mtl.__version__, "extensions": ["binary_tensor_data"]},
    )


async def live(request: Request) -> Response:
    return answer({"live": True})


async def ready(request: Request) -> Response:
    state = state_of(request)
    return answer({"ready": state.is_welcoming}, 200 if state.is_welcoming else 503)


async def model_ready(request: Request) -> Response:
    name, version = _named(request)
    state_of(request).registry.find(name, version)
    return answer({"name": name, "ready": True})


async def metadata(request: Request) -> Response:
    state = state_of(request)
    name, version = _named(request)
    exported = state.registry.find(name, version).exported
    served = list(state.registry.model(name).served)
    return answer(
        {
            "name": name,
            "versions": served,
            "platform": f"keras_mtl_{exported.backend.name}",
            "inputs": [{"name": INPUT, "datatype": "UINT8", "shape": [-1, -1, -1, 3]}],
            "outputs": [
                {"name": output, "datatype": datatype, "shape": [-1, *shape]}
                for output, (datatype, shape) in exported.output_types().items()
            ],
        }
    )


async def infer(request: Request) -> Response:
    state = state_of(request)
    name, version = _named(request)
    async with state.body_for(request, lambda: state.registry.find(name, version)) as (body, served):
        until = time.monotonic() + state.config.timeout_seconds
        asked: dict = {}
        length = _json_bytes(body, request.headers.get(HEADER, ""))

        def images() -> np.ndarray:
            with state.decoding.waited_for(length * pixels.JSON_BYTES, until - time.monotonic()):
                head, tensor = _read(body, length)
                images = _pixels(tensor, state.config)
            asked.update(head)
            return _squares(images, served.exported.size, state, until)

        async def work() -> Response:
            outputs = await served.predict(images)
            return _answer(served.exported, outputs, asked)

        return await state.within_time(work())


def _add_routes() -> None:
    def add(method: Callable, path: str, function: Callable, summary: str, body: dict | None = None) -> None:
        told = parameters_of(path) | (body or {})
        method(path, summary=summary, responses=ERRORS, openapi_extra=told)(function)

    add(health.get, "/v2", server, "What the server is")
    add(health.get, "/v2/health/live", live, "Whether the process lives")
    add(health.get, "/v2/health/ready", ready, "Whether requests are welcome")
    for place in ("/v2/models/{name:servable}", "/v2/models/{name:servable}/versions/{version:number}"):
        add(router.get, place, metadata, "Inputs and outputs of a model")
        add(router.get, f"{place}/ready", model_ready, "Whether a model is served")
        add(router.post, f"{place}/infer", infer, "Predict", _BODY)


_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["inputs"],
                    "properties": {
                        "id": {"type": "string"},
                        "inputs": {"type": "array", "items": {"type": "object"}, "minItems": 1, "maxItems": 1},
                        "outputs": {"type": "array", "items": {"type": "object"}},
                    },
                },
                "example": {
                    "inputs": [{"name": INPUT, "datatype": "UINT8", "shape": [1, 1, 2, 3], "data": [0, 0, 0, 9, 9, 9]}]
                },
            },
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


def _named(request: Request) -> tuple[str, str]:
    return request.path_params["name"], request.path_params.get("version", "")


def _json_bytes(body: bytes, told: str) -> int:
    if told and not (told.isascii() and told.isdecimal() and int(told) <= len(body)):
        raise Refusal(400, f"{HEADER} must be the number of the body's bytes that are JSON. Received: {told[:40]}")
    return int(told) if told else len(body)


def _read(body: bytes, length: int) -> tuple[dict, _Tensor]:
    """A request's JSON, so many bytes of its body, and its one input."""
    try:
        asked = orjson.loads(body[:length])
    except orjson.JSONDecodeError as error:
        raise Refusal(400, f"JSON Parse error: {error}") from None
    given: Any = asked.get("inputs") if isinstance(asked, dict) else None
    is_one = isinstance(given, list) and len(given) == 1 and isinstance(given[0], dict)
    if not is_one or given[0].get("name") != INPUT:
        raise Refusal(400, f'Expected {{"inputs": [...]}} with the one input {INPUT!r}')
    shape, datatype = given[0].get("shape", []), given[0].get("datatype")
    is_shape = isinstance(shape, list) and all(type(side) is int and side > 0 for side in shape)
    if not is_shape or datatype not in (*_TYPES, "BYTES") or len(shape) != (1 if datatype == "BYTES" else 4):
        raise Refusal(400, f"Unknown shape or datatype: {_SHAPE}")
    size = _parameters(given[0]).get("binary_data_size")
    if size is None:
        return asked, _Tensor(datatype, shape, given[0].get("data"))
    if type(size) is not int or size != len(body) - length:
        raise Refusal(400, f"binary_data_size must be the {len(body) - length} bytes behind the JSON. Received: {size}")
    return asked, _Tensor(datatype, shape, body[length:])


def _parameters(entry: dict) -> dict:
    parameters = entry.get("parameters", {})
    if not isinstance(parameters, dict):
        raise Refusal(400, "parameters must be a JSON object")
    return parameters


def _pixels(tensor: _Tensor, config: ServeConfig) -> np.ndarray | list[bytes]:
    """The images of a request, uint8 [n, height, width, 3], or encoded ones."""
    count, height, width = [*tensor.shape, 0, 0][:3]
    if count > config.max_images:
        raise Refusal(413, f"The request has {count:,} images; at most {config.max_images:,} are taken at once")
    if height * width > config.max_megapixels * 1e6:
        raise Refusal(413, f"The images have more pixels than the {config.max_megapixels:g} million that are taken")
    return _texts(tensor) if tensor.datatype == "BYTES" else _numbers(tensor)


def _squares(given: np.ndarray | list[bytes], size: int, state: State, until: float) -> np.ndarray:
    """The images as the model takes them, uint8 [n, size, size, 3]."""
    images = state.hold_images(len(given), size)
    for image, one in in_time(images, given, until):
        if isinstance(one, bytes):
            image[:] = pixels.squared(one, size, state.config.max_megapixels, state.decoding, until)
        else:
            image[:] = square_pixels(PIL.Image.fromarray(one), size)
    return images


def _numbers(tensor: _Tensor) -> np.ndarray:
    dtype, wanted = _TYPES[tensor.datatype], math.prod(tensor.shape)
    if isinstance(tensor.data, bytes):
        if len(tensor.data) != wanted * dtype.itemsize:
            raise Refusal(400, f"The input has {len(tensor.data):,} bytes; its shape needs {wanted * dtype.itemsize:,}")
        values = np.frombuffer(tensor.data, dtype)
        return (values if dtype == np.uint8 else pixels.rounded(values)).reshape(tensor.shape)
    flat = _flat(tensor.data, 4)
    if len(flat) != wanted:
        raise Refusal(400, f"The input has {len(flat):,} numbers; its shape needs {wanted:,}")
    if not set(map(type, flat)) <= {int, float}:
        raise Refusal(400, f"Received no numbers, or something else than whole numbers: {_SHAPE}")
    return pixels.levels(flat, whole=dtype == np.uint8).reshape(tensor.shape)


def _texts(tensor: _Tensor) -> list[bytes]:
    if isinstance(tensor.data, bytes):
        texts: list[bytes] = []
        at = 0
        while at + 4 <= len(tensor.data) and len(texts) < tensor.shape[0]:
            length = int.from_bytes(tensor.data[at : at + 4], "little")
            texts.append(tensor.data[at + 4 : at + 4 + length])
            at += 4 + length
        if at != len(tensor.data) or len(texts) != tensor.shape[0]:
            raise Refusal(400, "BYTES are, for each element, its length in 4 bytes and then itself")
        return texts
    flat = _flat(tensor.data, 1)
    if len(flat) != tensor.shape[0]:
        raise Refusal(400, f"The input has {len(flat):,} photos; its shape says {tensor.shape[0]:,}")
    return [pixels.from_base64(text) for text in flat]


def _flat(data: Any, depth: int) -> list:
    """A tensor's numbers or texts, which may come one after the other or in nested lists."""
    if not isinstance(data, list) or not data:
        raise Refusal(400, f"The input's data must be a list: {_SHAPE}")
    for _ in range(depth - 1):
        if not isinstance(data[0], list):
            break
        data = pixels.same_lists(data)
        if not data:
            raise Refusal(400, f"The input's data is empty: {_SHAPE}")
    return data


def _answer(exported: ExportedModel, outputs: dict[str, np.ndarray], asked: dict) -> Response:
    columns = exported.columns(outputs)
    types = exported.output_types()
    wanted = asked.get("outputs") or [{"name": name} for name in columns]
    if not isinstance(wanted, list) or not all(isinstance(one, dict) and one.get("name") in columns for one in wanted):
        raise Refusal(400, f"Unknown outputs; there are {', '.join(columns)}")
    all_binary = bool(_parameters(asked).get("binary_data_output", False))
    told, behind = [], []
    for one in wanted:
        values, (datatype, _) = columns[one["name"]], types[one["name"]]
        entry: dict[str, Any] = {"name": one["name"], "datatype": datatype, "shape": list(values.shape)}
        if _parameters(one).get("binary_data", all_binary):
            behind.append(_bytes(values))
            entry["parameters"] = {"binary_data_size": len(behind[-1])}
        else:
            entry["data"] = values.ravel().tolist() if values.dtype == object else values.ravel()
        told.append(entry)
    head: dict[str, Any] = {"model_name": exported.name, "model_version": exported.version, "outputs": told}
    if isinstance(asked.get("id"), str):
        head["id"] = asked["id"]
    text = dumped(head)
    if not behind:
        return encoded(text)
    headers = {"Cache-Control": "no-store", HEADER: str(len(text))}
    return Response(b"".join([text, *behind]), headers=headers, media_type="application/octet-stream")


def _bytes(values: np.ndarray) -> bytes:
    if values.dtype != object:
        return values.astype("<f4").tobytes()
    texts = [text.encode() for text in values.ravel().tolist()]
    return b"".join(len(text).to_bytes(4, "little") + text for text in texts)


_add_routes()
