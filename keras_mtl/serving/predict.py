"""Predictions for photo files from an exported model; needs no training code."""

from __future__ import annotations

import json
import pathlib
import sys
from collections.abc import Callable, Iterator, Sequence

from keras_mtl.errors import UserError
from keras_mtl.photos import find_photos, read_photo
from keras_mtl.serving.exported import ExportedModel, load_exported
from keras_mtl.table import aligned

Read = Callable[[str], tuple[bytes, dict]]
"""From a photo's path to what is predicted of it, JPEG or PNG, and what more is to be told of it."""


def read_whole(path: str) -> tuple[bytes, dict]:
    """A photo as it is. Raises OSError, ValueError as `read_photo`."""
    return read_photo(path), {}


def face_reader(margin: float) -> Read:
    """Reads the largest face of a photo, cropped by the code that `keras_mtl.prepare` crops with.

    Tells `box`, the face's left, top, right and bottom in pixels of the upright photo, and `faces`, their number.

    Raises:
        UserError: the package `mtcnn` isn't installed.
    """
    # Here and not above: who predicts cropped faces needs none of it.
    from keras_mtl.data.faces.crops import Cropping, crop_face
    from keras_mtl.data.faces.detect import load_detector

    detect, cropping = load_detector(), Cropping(margin=margin)

    def read(path: str) -> tuple[bytes, dict]:
        faces, crop = crop_face(pathlib.Path(path).read_bytes(), detect, cropping)
        if crop is None:
            raise ValueError("no face is found")
        return crop, {"box": [round(side) for side in faces[0].box], "faces": len(faces)}

    return read


def predict_photos(
    model: ExportedModel, photos: Sequence[str], *, batch_size: int = 32, read: Read = read_whole
) -> Iterator[dict]:
    """Predicts photo files, in order.

    Yields:
        For each photo `image`, its path, what `read` tells of it, and what `ExportedModel.predict_bytes` gives; or
        `image` and `error`, why it can't be read.
    """
    for start in range(0, len(photos), batch_size):
        names, entries, encoded, told = photos[start : start + batch_size], {}, {}, {}
        for name in names:
            try:
                encoded[name], told[name] = read(name)
            except (OSError, ValueError) as error:
                entries[name] = {"error": _reason(error)}
        entries.update(_predict_batch(model, encoded))
        yield from ({"image": name, **told.get(name, {}), **entries[name]} for name in names)


def predict_and_print(
    *,
    model: str,
    photos: Sequence[str],
    format: str = "auto",
    batch_size: int = 32,
    detect: bool = False,
    margin: float = 0.0,
) -> int:
    """Prints the predictions for photos; what `keras_mtl.predict` does.

    Args:
        model: as `load_exported` takes it.
        photos: image files and folders.
        format: "json" (one object a line), "table", or "auto": a table if stdout is a terminal.
        batch_size: photos at once.
        detect: whether to predict the largest face of each photo, cropped, and not the whole photo.
        margin: what is added around that face, as the model's training crops were made.

    Returns:
        0, or 1 if a photo could not be read, or has no face.

    Raises:
        UserError: no model or no photo there, or the package that detects faces isn't.
    """
    if not model:
        raise UserError("No model given: --model=saved_models/NAME")
    files, exported = find_photos(photos), load_exported(model)
    read = face_reader(margin) if detect else read_whole
    print(f"Note: {exported.description['limits']}", file=sys.stderr)
    as_table = format == "table" or (format == "auto" and sys.stdout.isatty())
    entries, failed = [], False
    for entry in predict_photos(exported, files, batch_size=batch_size, read=read):
        if "error" in entry:
            failed = True
            print(f"Warning: {entry['image']}: {entry['error']}", file=sys.stderr)
        if as_table:
            entries.append(entry)
        else:
            print(json.dumps(entry, ensure_ascii=False), flush=True)
    if as_table:
        print(_table(exported, entries))
    return int(failed)


def _predict_batch(model: ExportedModel, encoded: dict[str, bytes]) -> dict[str, dict]:
    """Predictions or errors by name; after a failure each photo alone, so that one bad photo costs no other."""
    if not encoded:
        return {}
    try:
        return dict(zip(encoded, model.predict_bytes(list(encoded.values())), strict=True))
    except (OSError, ValueError) as error:
        if len(encoded) == 1:
            return {name: {"error": _reason(error)} for name in encoded}
    return {name: entry for one in encoded for name, entry in _predict_batch(model, {one: encoded[one]}).items()}


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).splitlines()[0]


def _table(model: ExportedModel, entries: Sequence[dict]) -> str:
    rows = [("image", *model.tasks)]
    for entry in entries:
        if "error" in entry:
            rows.append((entry["image"], entry["error"], *[""] * (len(model.tasks) - 1)))
            continue
        cells = []
        for name, task in model.tasks.items():
            if "classes" in task:
                cells.append(f"{entry[name]} ({entry[f'{name}_probabilities'][entry[name]]:.0%})")
            else:
                cells.append(f"{entry[name]:.1f} {task.get('unit', '')}".rstrip())
        rows.append((entry["image"], *cells))
    return aligned(rows)
