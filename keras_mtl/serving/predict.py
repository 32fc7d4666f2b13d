"""What `keras_mtl.predict` does: photos in, predictions in a file, on stdout or drawn."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from keras_mtl.errors import UserError
from keras_mtl.faces.detect import AUTO as ANY_DETECTOR
from keras_mtl.faces.detect import choose_detector, load_detector
from keras_mtl.kinds import Kind
from keras_mtl.locks import only_writer
from keras_mtl.serving.backends import AUTO
from keras_mtl.serving.boxes import Pictures
from keras_mtl.serving.exported import ExportedModel, load_exported
from keras_mtl.serving.inputs import find_files, shots
from keras_mtl.serving.predicting import predict_looks
from keras_mtl.serving.reading import FACES, face_reader, read_ahead, read_whole
from keras_mtl.serving.results import WRITERS, Kept, Writer, begun_by, stdout_kind
from keras_mtl.values import check_number


def predict_files(
    *,
    model: str,
    photos: Sequence[str],
    backend: str = AUTO,
    format: str = "auto",
    out: str = "",
    overwrite: bool = False,
    pictures: str = "",
    batch_size: int = 32,
    recursive: bool = False,
    every_seconds: float = 1.0,
    detect: bool = False,
    detector: str = ANY_DETECTOR,
    faces: str = FACES[0],
    margin: float = 0.0,
) -> int:
    """Predicts photos and frames of videos.

    Args:
        model, backend: as `load_exported` takes them.
        photos, recursive: as `find_files` takes them.
        format: "json" (one object a line), "csv", "table", or "auto": a table if stdout is a terminal.
        out: a file to write instead, .jsonl or .csv; what it has from a stopped run is not done again.
        overwrite: whether to begin it anew.
        pictures: a folder for copies of the photos with the predictions drawn on them.
        batch_size: images at once.
        every_seconds: between frames of a video.
        detect: whether to predict faces, found and aligned, and not whole photos.
        detector: which finds them, as for `choose_detector`.
        faces: the "largest" of each photo, or "all".
        margin: what is added around a face, as the model's training crops were made.

    Returns:
        0, or 1 if a photo could not be read, or has no face.

    Raises:
        UserError: no model or no photo there, or the package that detects faces isn't, or `out` is of something else.
    """
    for name, value in (("every_seconds", every_seconds), ("margin", margin)):
        check_number(name, value, low=0.0)
    if not model:
        raise UserError("No model given: --model=saved_models/NAME")
    files = find_files(photos, recursive)
    begun = begun_by(out) if out and backend == AUTO and not overwrite else None
    try:
        exported = load_exported(model, begun or backend)
    except UserError as error:
        if begun is None:
            raise
        raise UserError(f"{out} was begun by the backend {begun!r}, which it goes on with, but: {error}") from None
    seeing: dict[str, Any] = {"detect": detect}
    if detect:
        detector = choose_detector(detector)
        # Left out where it is the only one of before, as in what was begun with it.
        named = {} if detector == "mtcnn" else {"detector": detector}
        seeing |= {"faces": faces, "margin": margin, **named}
    with only_writer(*os.path.split(os.path.realpath(out))) if out else contextlib.nullcontext():
        kept = Kept(out, _made_by(exported, {**seeing, "every_seconds": every_seconds}), overwrite) if out else None
        read = face_reader(margin, faces, load_detector(detector)) if detect else read_whole
        drawing = Pictures(pictures, exported.kinds) if pictures else None
        done = kept.done if kept else set()
        if done:
            print(f"{len(done):,} are in {out} already", file=sys.stderr)
        print(f"Note: {exported.description['limits']}", file=sys.stderr)
        looks = read_ahead((shot for shot in shots(files, every_seconds) if shot.key not in done), read)
        failed = False
        with _writer(exported.kinds, kept, format) as writer, _progress(len(files), bool(out)) as advance:
            for look, entries in predict_looks(looks, exported.predict_images, batch_size):
                if look.error:
                    failed = True
                    print(f"Warning: {look.shot.name}: {look.error}", file=sys.stderr)
                if drawing and look.photo:
                    drawing.write(look.shot, look.photo, entries)
                writer.write(entries)
                advance(look.shot.image)
    return int(failed)


@contextlib.contextmanager
def _writer(kinds: Mapping[str, Kind], kept: Kept | None, format: str) -> Iterator[Writer]:
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(kept.open()) if kept else sys.stdout
        writer = WRITERS[kept.kind if kept else stdout_kind(format)](kinds, file)
        if kept is None or not kept.begun:
            writer.begin()
        yield writer
        writer.end()


@contextlib.contextmanager
def _progress(files: int, wanted: bool) -> Iterator[Any]:
    """Gives what is called with each shot's file; a bar on a terminal, where stdout doesn't show the progress."""
    if not (wanted and sys.stderr.isatty()):
        yield lambda file: None
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    with Progress(
        *Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn(), console=Console(stderr=True)
    ) as bar:
        task, seen = bar.add_task("Files", total=files), set()

        def advance(file: str) -> None:
            seen.add(file)
            bar.update(task, completed=len(seen))

        yield advance


def _made_by(model: ExportedModel, seeing: dict) -> dict:
    """What predictions depend on: the weights and what was fitted on them, not where they lie."""
    tasks = [task["name"] for task in model.tasks.values()]
    # Left out where there is none, as in what was begun with an export of before.
    fitted = {"calibration": calibration} if (calibration := model.description.get("calibration")) else {}
    return {"weights": model.description["weights"], "backend": model.backend.name, "tasks": tasks, **fitted, **seeing}
