"""How answers look."""

from __future__ import annotations

import re
from typing import Any

import orjson
from fastapi import Response
from pydantic import BaseModel
from starlette.convertors import Convertor, register_url_convertor

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


class _Segment(Convertor[str]):
    """A part of an address, as routes name it: `{name:servable}`."""

    def __init__(self, regex: str):
        self.regex = regex

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


_SEGMENTS = {"servable": "[^/:]+", "number": "[0-9]+"}
for _name, _regex in _SEGMENTS.items():
    register_url_convertor(_name, _Segment(_regex))


def parameters_of(path: str) -> dict[str, Any]:
    """What OpenAPI says of the names in a route's path, for `openapi_extra`, where its function takes none of them."""
    return {
        "parameters": [
            {
                "name": name,
                "in": "path",
                "required": True,
                "schema": {"type": "string", "pattern": f"^{_SEGMENTS[kind]}$"},
            }
            for name, kind in re.findall(r"{(\w+):(\w+)}", path)
        ]
    }


def answer(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Plain data as JSON."""
    return encoded(orjson.dumps(content), status, headers)


def encoded(content: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """JSON. What was read off somebody's photo is kept by no cache."""
    return Response(content, status, {"Cache-Control": "no-store", **(headers or {})}, media_type="application/json")


def refused(refusal: Refusal) -> Response:
    """`{"error": message}` in the refusal's status."""
    headers = {"Retry-After": str(refusal.retry_after)} if refusal.retry_after else None
    return answer({"error": refusal.message}, refusal.status, headers)
