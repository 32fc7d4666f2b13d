"""The page at `/`: three files, served as they are."""

from __future__ import annotations

import pathlib

import fastapi
from starlette.staticfiles import StaticFiles

FOLDER = pathlib.Path(__file__).parent


def mount(app: fastapi.FastAPI) -> None:
    """Serves the page and what it asks for; to be called after all other routes are there."""
    app.mount("/", StaticFiles(directory=FOLDER / "static", html=True), name="page")
