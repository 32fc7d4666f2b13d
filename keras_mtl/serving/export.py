"""A trained model as a SavedModel that needs nothing but TensorFlow: images in, years and class names out."""

from __future__ import annotations

import hashlib
import pathlib
from collections.abc import Mapping
from typing import Any

from keras_mtl.errors import UserError
from keras_mtl.files import read_json, write_json
from keras_mtl.serving.versions import DESCRIPTION_FILE, add_version, versions
from keras_mtl.training.run_folder import RunFolder, installed_versions

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
        serve_bytes: string [batch], each an encoded JPEG or PNG, of sizes that may differ.
    Images are resized to the model's size inside. Outputs: for a regression `<task>`, float32 [batch], in the
    task's unit; for classes `<task>`, float32 [batch, classes], probabilities in the order of the task's classes,
    and `<task>_class`, string [batch], the likeliest class's name. `assets.extra/tasks.json` says what they are.

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
    module = serving_module(fold_batch_normalization(ready) if fold else ready)
    signatures = {key: getattr(module, key) for key in ("serving_default", "serve_float", "serve_bytes")}

    def write(beside: pathlib.Path) -> None:
        tf.saved_model.save(module, str(beside), signatures=signatures)
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
        ValueError: a task is named like another task's class output.
    """
    tasks = model.tasks
    clash = [name for name in tasks if name.endswith("_class") and tasks.get(name[:-6])]
    if clash:
        raise UserError(f"Task {clash[0]!r} is named like the class output of task {clash[0][:-6]!r}: rename one.")
    sources = list(about.get("sources", ()))
    drawn_only = [
        name
        for name in tasks
        if (labelling := [source["drawn"] for source in sources if name in source["tasks"]]) and all(labelling)
    ]
    return {
        "format": 1,
        "tasks": [task.to_dict() for task in tasks.values()],
        "image_size": model.input_shape[1],
        "weights": _digest(model),
        "run": about.get("run", ""),
        "sources": sources,
        "drawn": any(source["drawn"] for source in sources),
        "limits": f"{DRAWN_LIMITS.format(tasks=', '.join(drawn_only))} {LIMITS}" if drawn_only else LIMITS,
        "versions": installed_versions(),
    }


def _digest(model) -> str:
    """A hash over all weights, by which an export knows its model again."""
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(weight.tobytes())
    return digest.hexdigest()
