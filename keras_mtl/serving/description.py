"""`tasks.json`, which lies in every export and says what its outputs mean."""

from __future__ import annotations

import pathlib
from typing import Any, TypedDict

from keras_mtl.errors import UserError
from keras_mtl.files import read_json
from keras_mtl.serving.versions import DESCRIPTION_FILE, FORMAT
from keras_mtl.shapes import check_shape
from keras_mtl.tasks import Task

AGAIN = "export it again, python -m keras_mtl.export --run=runs/NAME"


class _Fitted(TypedDict, total=False):
    """What was fitted of a task."""

    level: float


class _FormatFacts(TypedDict, total=False):
    """What is known of a format."""

    file: str
    bytes: int
    mean_difference: dict[str, float]
    largest_difference: dict[str, float]
    metrics: dict[str, dict[str, float | None]]
    covered: dict[str, float | None]
    milliseconds: dict[str, float]


class _Description(TypedDict):
    format: int
    tasks: list[dict[str, Any]]
    image_size: int
    distributions: dict[str, list[float]]
    weights: str
    run: str
    sources: list[dict[str, Any]]
    drawn: bool
    limits: str


class Description(_Description, total=False):
    """What every export's says, and what some of before don't."""

    calibration: dict[str, _Fitted]
    formats: dict[str, _FormatFacts]


def read_description(version: pathlib.Path) -> Description:
    """What an export's `tasks.json` says; its tasks can be made of it.

    Raises:
        UserError: it is missing, damaged, or of another format than this version's.
    """
    path = version / DESCRIPTION_FILE
    found = read_json(path)
    if found.get("format") != FORMAT:
        raise UserError(f"{version} is an export of format {found.get('format')!r}, expected {FORMAT}: {AGAIN}")
    try:
        check_shape(found, Description)
        if not found["tasks"]:
            raise UserError("tasks holds none")
        for task in found["tasks"]:
            Task.from_dict(task)
    except UserError as error:
        raise UserError(f"{path} is damaged: {error}; {AGAIN}") from None
    return found
