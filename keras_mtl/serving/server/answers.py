"""How answers look."""

from __future__ import annotations

import re
from typing import Any

import orjson
from fastapi import Response
from pydantic import BaseModel
from starlette.convertors import StringConvertor, register_url_convertor

from keras_mtl.serving.server.refusal import Refusal


class Error(BaseModel):
    """An error's one line."""

    error: str


ERRORS: dict[int | str, dict[str, Any]] = {
    code: {"model": Error, "description": text}
    for code, text in (
        (400, "Bad input"),
        (401, "No key, where the server wants one"),
        (403, "Sent by a page of another site"),
        (404, "No such model or version"),
        (408, "Sent too slowly"),
        (413, "Too many bytes or pixels"),
        (429, "Too many requests: Retry-After says when to try again"),
        (500, "The model gives numbers that are not finite"),
        (501, "The face detector is not installed"),
        (503, "Starting or stopping"),
        (504, "Not answered in time"),
    )
}


class _Servable(StringConvertor):
    """A model's or a label's name in an address: `{name:servable}`."""

    regex = "[^/:]+"


class _Number(StringConvertor):
    """A version in an address: `{version:number}`."""

    regex = "[0-9]+"


_SEGMENTS = {"servable": _Servable(), "number": _Number()}
for _name, _segment in _SEGMENTS.items():
    register_url_convertor(_name, _segment)


def parameters_of(path: str) -> dict[str, Any]:
    """What OpenAPI says of the names in a route's path, for `openapi_extra`, where its function takes none of them."""
    return {
        "parameters": [
            {
                "name": name,
                "in": "path",
                "required": True,
                "schema": {"type": "string", "pattern": f"^{_SEGMENTS[kind].regex}$"},
            }
            for name, kind in re.findall(r"{(\w+):(\w+)}", path)
        ]
    }


def dumped(content: Any) -> bytes:
    """Plain data and NumPy's arrays as JSON, float32 with the fewest digits that tell it apart."""
    return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)


def answer(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Plain data as JSON."""
    return encoded(dumped(content), status, headers)


def encoded(content: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """JSON. What was read off somebody's photo is kept by no cache."""
    return Response(content, status, {"Cache-Control": "no-store", **(headers or {})}, media_type="application/json")


def refused(refusal: Refusal) -> Response:
    """`{"error": message}` in the refusal's status."""
    headers = {"Retry-After": str(refusal.retry_after)} if refusal.retry_after else None
    return answer({"error": refusal.message}, refusal.status, headers)
