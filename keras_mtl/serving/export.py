"""A trained model as a SavedModel that needs nothing but TensorFlow: images in, years and class names out."""

from __future__ import annotations

import hashlib
import pathlib
import tempfile
from collections.abc import Mapping
from typing import Any

from keras_mtl.errors import UserError
from keras_mtl.files import read_json, write_json
from keras_mtl.serving.versions import DESCRIPTION_FILE, add_version, versions
from keras_mtl.tasks import Task
from keras_mtl.training.run_folder import RunFolder, installed_versions

SIGNATURES = ("serving_default", "serve_float", "serve_bytes")
PRECISIONS = ("float32", "trained")
LIMITS = (
    "Predictions are estimates of how a face looks to the people who labelled the training pictures; they are no "
    "fact about a person. Not for decisions about people, nor for recognising them."
)
DRAWN_LIMITS = "{tasks}: trained on drawn faces, not people, so the result for a photo of a person means nothing."


def export_model(
    model,
    directory: str | pathlib.Path = "saved_models",
    *,
    name: str = "model",
    fold: bool = True,
    precision: str = "float32",
    about: Mapping[str, Any] | None = None,
) -> pathlib.Path:
    """Writes a `MultiTaskModel` to `directory/name/version/`; versions count up from 1.

    An export of what the newest version holds already writes nothing and returns that version.

    The SavedModel has three signatures, all with one input `images` of one or more images:
        serving_default: uint8 [batch, height, width, 3], of any size;
        serve_float: the same as float32, 0 to 255;
        serve_bytes: string [batch], each an encoded JPEG, PNG or WebP, of sizes that may differ.
    Images are resized to the model's size inside. Outputs: for a regression `<task>`, float32 [batch], in the
    task's unit, and where its head learns a distribution `<task>_distribution`, float32 [batch, bins], and
    `<task>_interval`, float32 [batch, 2], between which the middle 80 % of it lie; for classes `<task>`, float32
    [batch, classes], probabilities in the order of the task's classes, and `<task>_class`, string [batch], the
    likeliest class's name. `assets/<task>_classes.txt` lists the classes; `assets.extra/tasks.json` says what all
    is.

    Args:
        model: as trained; it is left as it is.
        directory, name: where to; `name` is the folder under `directory`.
        fold: whether BatchNormalization is worked into the convolutions before it, which is faster and the same.
        precision: "float32", or "trained" for the policy that the model was trained with.
        about: more for tasks.json: "run" (a name) and "sources", dicts with name, tasks, description, licence, drawn.

    Raises:
        ValueError: an unknown precision, a name that is no folder name, or two outputs of one name.

    Example:
        >>> export_model(model, "saved_models", name="faces")  # doctest: +SKIP
        PosixPath('saved_models/faces/1')
    """
    if precision not in PRECISIONS:
        raise UserError(f"precision must be one of {', '.join(PRECISIONS)}. Received: {precision!r}")
    if name in ("", ".", "..") or pathlib.Path(name).name != name:
        raise UserError(f"name must be a plain folder name. Received: {name!r}")
    described = {**describe(model, about or {}), "precision": precision, "folded": fold}
    folder = pathlib.Path(directory) / name
    newest = folder / str(max(versions(folder), default=0))
    if (newest / DESCRIPTION_FILE).is_file() and read_json(newest / DESCRIPTION_FILE) == described:
        return newest
    # Imported here, so that a wrong argument or path is reported at once.
    import tensorflow as tf

    from keras_mtl.serving.fold import fold_batch_normalization
    from keras_mtl.serving.signatures import serving_module, with_precision

    ready = with_precision(model, "float32") if precision == "float32" else model
    folded = fold_batch_normalization(ready) if fold else ready

    def write(beside: pathlib.Path) -> None:
        with tempfile.TemporaryDirectory() as lists:
            module = serving_module(folded, _write_class_lists(model.tasks, pathlib.Path(lists)))
            tf.saved_model.save(module, str(beside), signatures={key: getattr(module, key) for key in SIGNATURES})
        write_json(beside / DESCRIPTION_FILE, described)

    return add_version(folder, write)


def export_run(
    run: str | pathlib.Path,
    directory: str | pathlib.Path = "saved_models",
    *,
    name: str = "",
    fold: bool = True,
    precision: str = "float32",
) -> pathlib.Path:
    """Exports a run's best model under the run's name or another; the other arguments are `export_model`'s.

    Raises:
        ValueError: there is no run, or it has no model yet.
    """
    folder = RunFolder.trained(run)
    model = folder.load_model()
    # The manifest, not the data themselves: they may have gone, or be on another machine.
    sources = read_json(folder.manifest_path).get("sources", {})
    about = {
        "run": folder.path.name,
        "sources": [
            {"name": source, **{field: facts.get(field) for field in ("tasks", "description", "licence", "drawn")}}
            for source, facts in sources.items()
        ],
    }
    return export_model(model, directory, name=name or folder.path.name, fold=fold, precision=precision, about=about)


def describe(model, about: Mapping[str, Any]) -> dict:
    """What stands in tasks.json: tasks, inputs, outputs, versions, data, licences and limits, as plain data.

    Raises:
        ValueError: a task is named like another output of another task.
    """
    tasks = model.tasks
    for name in tasks:
        owner, _, suffix = name.rpartition("_")
        if owner in tasks and suffix in ("class", "distribution", "interval"):
            raise UserError(f"Task {name!r} is named like the {suffix} output of task {owner!r}: rename one.")
    from keras_mtl.models.heads import head_of
    from keras_mtl.models.heads.base import BinsHead

    sources = list(about.get("sources", ()))
    drawn_only = [
        name
        for name in tasks
        if (labelling := [source["drawn"] for source in sources if name in source["tasks"]]) and all(labelling)
    ]
    return {
        "format": 2,
        "tasks": [task.to_dict() for task in tasks.values()],
        "distributions": {
            name: head.values for name, task in tasks.items() if isinstance(head := head_of(task), BinsHead)
        },
        "image_size": model.input_shape[1],
        "weights": _digest(model),
        "run": about.get("run", ""),
        "sources": sources,
        "drawn": any(source["drawn"] for source in sources),
        "limits": f"{DRAWN_LIMITS.format(tasks=', '.join(drawn_only))} {LIMITS}" if drawn_only else LIMITS,
        "versions": installed_versions(),
    }


def _write_class_lists(tasks: Mapping[str, Task], folder: pathlib.Path) -> dict[str, str]:
    """A file with the names of the classes, one a line, for each task that has some; by task their paths."""
    paths = {name: folder / f"{name}_classes.txt" for name, task in tasks.items() if task.classes}
    for name, path in paths.items():
        path.write_text("".join(f"{label}\n" for label in tasks[name].classes), encoding="utf-8")
    return {name: str(path) for name, path in paths.items()}


def _digest(model) -> str:
    """A hash over all weights, by which an export knows its model again."""
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(weight.tobytes())
    return digest.hexdigest()
