"""`tasks.json`, which lies in every export and says what its outputs mean, and which files it is of."""

from __future__ import annotations

import pathlib
from typing import Any, TypedDict

from keras_mtl.errors import UserError
from keras_mtl.files import file_hash, read_json
from keras_mtl.serving.versions import DESCRIPTION_FILE, FORMAT, FORMATS_FOLDER, MODEL_FILE
from keras_mtl.shapes import check_shape
from keras_mtl.tasks import Task

AGAIN = "export it again, python -m keras_mtl.export --run=runs/NAME"


class _Fitted(TypedDict, total=False):
    """What was fitted of a task."""

    level: float


class _Scores(TypedDict, total=False):
    """How far estimates may be trusted."""

    split: str
    tasks: dict[str, list[dict[str, Any]]]


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
    scores: _Scores
    formats: dict[str, _FormatFacts]
    files: dict[str, str]


class Damaged(UserError):
    """An export whose files are not those that were written."""

    def __init__(self, version: pathlib.Path, what: str):
        super().__init__(f"Export {version} is damaged ({what}): {AGAIN}")


def read_description(version: pathlib.Path) -> Description:
    """What an export's `tasks.json` says; its tasks can be made of it.

    Raises:
        UserError: it is missing, damaged, or of another format than this version's.
    """
    path = version / DESCRIPTION_FILE
    try:
        found = read_json(path)
    except UserError as error:
        raise UserError(f"{error}; {AGAIN}") from None
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


def file_hashes(version: pathlib.Path) -> dict[str, str]:
    """A hash of each file in a version's folder but `tasks.json`, which they are for."""
    names = [path.relative_to(version).as_posix() for path in sorted(version.rglob("*")) if path.is_file()]
    return {name: file_hash(version / name) for name in names if name != DESCRIPTION_FILE}


def check_files(version: pathlib.Path, backend: str = "") -> None:
    """Compares a version's files with those that were written; of exports of before, only whether they are there.

    Args:
        version: its folder; one without `tasks.json` is being written, and not looked at.
        backend: the name of the only one whose files are looked at; empty for all.

    Raises:
        Damaged: one is missing or another.
        UserError: as `read_description`.
    """
    if not (version / DESCRIPTION_FILE).is_file():
        return
    description = read_description(version)
    formats = description.get("formats", {}).values()
    known = description.get("files", {MODEL_FILE: "", **{facts["file"]: "" for facts in formats if "file" in facts}})
    for name, digest in known.items():
        if backend and _backend_of(name) != backend:
            continue
        if not (version / name).is_file():
            raise Damaged(version, f"{name} is missing")
        if digest and file_hash(version / name) != digest:
            raise Damaged(version, f"{name} is not as it was written")


def _backend_of(name: str) -> str:
    path = pathlib.PurePosixPath(name)
    return path.stem.removesuffix("_readout") if path.parts[0] == FORMATS_FOLDER else "tensorflow"
