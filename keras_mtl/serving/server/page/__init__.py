"""The page at `/`: a few files, served as they are."""

from __future__ import annotations

import pathlib

import fastapi
from starlette.responses import FileResponse

FOLDER = pathlib.Path(__file__).parent / "static"
router = fastapi.APIRouter(include_in_schema=False)


def _add(file: pathlib.Path) -> None:
    async def page() -> FileResponse:
        # Asked for again each time, and sent only where it has changed.
        return FileResponse(file, headers={"Cache-Control": "no-cache"})

    path = "/" if file.name == "index.html" else f"/{file.name}"
    router.add_api_route(path, page, methods=["GET", "HEAD"])


for _file in sorted(FOLDER.iterdir()):
    _add(_file)
