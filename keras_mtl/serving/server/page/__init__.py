"""The page at `/`: a few files, served as they are."""

from __future__ import annotations

import pathlib

import fastapi
from fastapi import Request, Response
from starlette.staticfiles import StaticFiles

FOLDER = pathlib.Path(__file__).parent / "static"
router = fastapi.APIRouter(include_in_schema=False)
_files = StaticFiles(directory=FOLDER)


def _add(name: str) -> None:
    async def page(request: Request) -> Response:
        response = await _files.get_response(name, request.scope)
        # Asked for again each time, and sent only where it has changed.
        response.headers["Cache-Control"] = "no-cache"
        return response

    # A route for each file, so that metrics tell them apart.
    router.add_api_route("/" if name == "index.html" else f"/{name}", page, methods=["GET", "HEAD"])


for _file in sorted(FOLDER.iterdir()):
    _add(_file.name)
