"""A trained model as a SavedModel that needs nothing but TensorFlow: images in, years and class names out."""

from __future__ import annotations

import hashlib
import logging
import pathlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from keras_mtl.errors import UserError
from keras_mtl.files import inside, write_json
from keras_mtl.locks import only_writer
from keras_mtl.memory import give_back_memory
from keras_mtl.names import check_names
from keras_mtl.quiet import import_tensorflow
from keras_mtl.serving.backends.base import Backend
from keras_mtl.serving.calibration import Calibration, calibration_of_run, scores_of_run
from keras_mtl.serving.description import AGAIN, check_files, file_hashes, read_description
from keras_mtl.serving.formats import choose_formats
from keras_mtl.serving.formats.base import FOLDER, Format
from keras_mtl.serving.serving_config import write_serving_config
from keras_mtl.serving.versions import DESCRIPTION_FILE, FORMAT, MODEL_FILE, add_version, is_version, versions
from keras_mtl.tasks import Task
from keras_mtl.training.run_folder import RunFolder, installed_versions
from keras_mtl.uncertainty.conformal import LEVEL
from keras_mtl.values import check_finite

log = logging.getLogger(__name__)

SAVED_MODEL = "saved_model"
"""What the SavedModel itself is called among the formats, in tasks.json."""
CALIBRATION = 300
"""How many training images the 8-bit formats learn their ranges from."""
BATCH = 32
NOISE = 16
"""Images that are looked at before anything is published, of noise where there are none."""
SIGNATURES = ("serving_default", "serve_float", "serve_bytes")
PRECISIONS = ("float32", "trained")
LIMITS = (
    "Predictions are estimates of how a face looks to the people who labelled the training pictures; they are no "
    "fact about a person. Not for decisions about people, nor for recognising them."
)
DRAWN_LIMITS = "{tasks}: trained on drawn faces, not people, so the result for a photo of a person means nothing."


def _silent(line: str) -> None:
    """Tells nobody."""


def export_model(
    model,
    directory: str | pathlib.Path = "saved_models",
    *,
    name: str = "model",
    fold: bool = True,
    precision: str = "float32",
    about: Mapping[str, Any] | None = None,
    calibration: Calibration | None = None,
    scores: Mapping[str, Any] | None = None,
    formats: Sequence[str] = (),
    images: np.ndarray | None = None,
    score: Callable[[Backend], Mapping[str, Any]] | None = None,
    tell: Callable[[str], None] = _silent,
) -> pathlib.Path:
    """Writes a `MultiTaskModel` to `directory/name/version/`; versions count up from 1.

    `directory/models.config` then names all models there for TensorFlow Serving.

    An export of what the newest version holds already writes nothing and returns that version, where it is whole.

    The SavedModel has three signatures, all with one input `images` of one or more images:
        serving_default: uint8 [batch, height, width, 3], of any size;
        serve_float: the same as float32, 0 to 255;
        serve_bytes: string [batch], each an encoded JPEG, PNG or WebP, of sizes that may differ.
    Images are resized to the model's size inside. Outputs: for a regression `<task>`, float32 [batch], in the
    task's unit, where its head learns a distribution `<task>_distribution`, float32 [batch, bins], and
    `<task>_interval`, float32 [batch, 2], which holds the label with the calibration's level, or without a calibration
    the middle 80 % of the distribution; for classes `<task>`, float32
    [batch, classes], probabilities in the order of the task's classes, and `<task>_class`, string [batch], the
    likeliest class's name. `assets/<task>_classes.txt` lists the classes; `assets.extra/tasks.json` says what all
    is.

    Args:
        model: as trained; it is left as it is.
        directory, name: where to; `name` is the folder under `directory`.
        fold: whether BatchNormalization is worked into the convolutions before it, which is faster and the same.
        precision: "float32", or "trained" for the policy that the model was trained with.
        about: more for tasks.json: "run" (a name) and "sources", dicts with name, tasks, description, licence, drawn.
        calibration: temperatures of classes and intervals of values that are worked into the outputs of every format,
            as `fit_calibration` gives them; tasks.json has them too. None for the net's own probabilities.
        scores: how far estimates may be trusted, as `scores_of_run` gives it; for tasks.json.
        formats: names in `keras_mtl.serving.formats.FORMATS`, or "all": other formats, in float32 or less, that are
            written to `formats/` in the same folder. Each is run and compared with the SavedModel before anything is
            published; tasks.json has what came of it under "formats".
        images: uint8 [n, size, size, 3], some hundred real ones: they are compared on, and the 8-bit formats learn
            their ranges from them. Without, noise is compared on.
        score: gives figures for tasks.json from what runs the SavedModel, and each format; called before publication.
        tell: is told in a line what is about to be done, and of how much.

    Raises:
        UserError: an unknown precision or format, a name that is no folder name, two outputs of one name, an 8-bit
            format without images, layers quantized in a way that can't be exported, a format whose outputs differ
            too much, or weights or outputs, of any format, that are not finite.

    Example:
        >>> export_model(model, "saved_models", name="faces")  # doctest: +SKIP
        PosixPath('saved_models/faces/1')
    """
    if precision not in PRECISIONS:
        raise UserError(f"precision must be one of {', '.join(PRECISIONS)}. Received: {precision!r}")
    if name in ("", ".", "..") or pathlib.Path(name).name != name:
        raise UserError(f"name must be a plain folder name. Received: {name!r}")
    calibration = calibration or {}
    described = {
        **describe(model, about or {}),
        "calibration": calibration,
        "scores": scores or {},
        "precision": precision,
        "folded": fold,
    }
    folder = inside(directory, name, "name")
    chosen = choose_formats(formats)
    if images is None and (calibrated := [one.name for one in chosen if one.calibrated]):
        raise UserError(f"Format {calibrated[0]!r} learns its ranges from images, and there are none: see `images`")
    _check_quantized(model, chosen)
    from keras_mtl.models.divergence import check_weights

    check_weights(model, f"The model {name!r}")

    def write(beside: pathlib.Path) -> None:
        size = described["image_size"]
        noise = np.random.default_rng(0).integers(0, 256, [NOISE, size, size, 3], np.uint8)
        tell("Writing the SavedModel")
        _write_saved_model(beside, model, calibration, precision, fold)
        give_back_memory()
        looked_at = noise if images is None else images
        written = _write_formats(name, beside, chosen, model, calibration, looked_at, score, tell)
        write_json(beside / DESCRIPTION_FILE, {**described, "formats": written, "files": file_hashes(beside)})

    with only_writer(folder):
        version = folder / str(max(versions(folder), default=0))
        if not _holds(version, described, [one.name for one in chosen], score is not None):
            version = add_version(folder, write)
    write_serving_config(directory)  # In any case: an export that was killed may have left it out.
    return version


def export_run(
    run: str | pathlib.Path,
    directory: str | pathlib.Path = "saved_models",
    *,
    name: str = "",
    fold: bool = True,
    precision: str = "float32",
    calibrate: bool = True,
    interval_level: float = LEVEL,
    formats: Sequence[str] = (),
    verify: bool = False,
    split: str = "test",
    tell: Callable[[str], None] = _silent,
) -> pathlib.Path:
    """Exports a run's best model under the run's name or another.

    Args:
        run: the run folder.
        directory, name, fold, precision, formats: as for `export_model`. Formats are compared on the run's training
            images, and 8-bit ones learn their ranges from them.
        calibrate: whether temperatures and intervals are fitted on the run's validation images; where these can't be
            had, a warning says so.
        interval_level: the share of labels that the intervals are to hold.
        verify: whether to score the SavedModel and each format on a split, and time them.
        split: which one; validation where there is no test split.
        tell: as for `export_model`.

    Raises:
        UserError: there is no run, it has no model yet, or its images can't be read where they are needed.
    """
    folder = RunFolder.trained(run)
    choose_formats(formats)
    import_tensorflow()  # Only now, so that a wrong name is told at once.
    model = folder.load_model()
    # The manifest, not the data themselves: they may have gone, or be on another machine.
    sources = folder.manifest().get("sources", {})
    about = {
        "run": folder.path.name,
        "sources": [
            {"name": source, **{field: facts.get(field) for field in ("tasks", "description", "licence", "drawn")}}
            for source, facts in sources.items()
        ],
    }
    calibration = calibration_of_run(folder, model, interval_level) if calibrate else {}
    return export_model(
        model,
        directory,
        name=name or folder.path.name,
        fold=fold,
        precision=precision,
        about=about,
        calibration=calibration,
        scores=scores_of_run(folder, model, calibration),
        formats=formats,
        images=_training_images(folder, model) if formats else None,
        score=_scorer(folder, model, split) if verify else None,
        tell=tell,
    )


def describe(model, about: Mapping[str, Any]) -> dict:
    """What stands in tasks.json: tasks, inputs, outputs, versions, data, licences and limits, as plain data.

    Raises:
        UserError: a task is named like an output of another task.
    """
    tasks = model.tasks
    check_names(tasks)
    from keras_mtl.heads.by_name import head_of

    sources = list(about.get("sources", ()))
    drawn_only = [
        name
        for name in tasks
        if (labelling := [source["drawn"] for source in sources if name in source["tasks"]]) and all(labelling)
    ]
    return {
        "format": FORMAT,
        "tasks": [task.to_dict() for task in tasks.values()],
        "distributions": {name: bins for name, task in tasks.items() if (bins := head_of(task).bins)},
        "image_size": model.input_shape[1],
        "weights": _digest(model),
        "run": about.get("run", ""),
        "sources": sources,
        "drawn": any(source["drawn"] for source in sources),
        "limits": f"{DRAWN_LIMITS.format(tasks=', '.join(drawn_only))} {LIMITS}" if drawn_only else LIMITS,
        "versions": installed_versions(),
    }


def _check_quantized(model, chosen: Sequence[Format]) -> None:
    """Raises UserError where a layer is quantized (`model.quantize`) as the SavedModel or a format can't be."""
    for layer in model.layers:
        mode = layer.quantization_mode
        if mode == "float8":
            raise UserError(f"Layer {layer.name!r} is quantized to float8, which is for training: export it before")
        unable = ", ".join(one.name for one in chosen if mode and not one.quantized)
        if unable:
            raise UserError(f"Layer {layer.name!r} is quantized to {mode}, which these formats can't hold: {unable}")


def _holds(version: pathlib.Path, described: Mapping[str, Any], formats: Sequence[str], scored: bool) -> bool:
    """Whether a version is an export of the same model with those formats, scored if that is asked for."""
    if not is_version(version):
        return False
    try:
        # Older exports have neither.
        there: dict[str, Any] = {"calibration": {}, "scores": {}, **read_description(version)}
        written = there.pop("formats", {})
        there.pop("files", None)
        asked = [SAVED_MODEL, *formats] if scored else formats
        if there != described or not all(name in written and ("metrics" in written[name]) >= scored for name in asked):
            return False
        check_files(version)
    except UserError as error:
        log.warning("%s", str(error).replace(AGAIN, "the next version is written"))
        return False
    return True


def _write_saved_model(folder: pathlib.Path, model, calibration: Calibration, precision: str, fold: bool) -> None:
    # Imported here, so that a wrong argument or path is reported at once.
    import tensorflow as tf

    from keras_mtl.serving.fold import fold_batch_normalization
    from keras_mtl.serving.signatures import serving_module, set_constants, with_precision

    ready = with_precision(model, "float32") if precision == "float32" else model
    ready = fold_batch_normalization(ready) if fold else ready
    with tempfile.TemporaryDirectory() as lists:
        module = serving_module(ready, _write_class_lists(model.tasks, pathlib.Path(lists)), calibration)
        tf.saved_model.save(module, str(folder), signatures={key: getattr(module, key) for key in SIGNATURES})
    set_constants(folder, ready)


def _write_formats(
    name: str,
    folder: pathlib.Path,
    chosen: Sequence[Format],
    model,
    calibration: Calibration,
    images: np.ndarray,
    score: Callable[[Backend], Mapping[str, Any]] | None,
    tell: Callable[[str], None],
) -> dict[str, dict]:
    """Writes the formats beside the SavedModel in `folder`, and returns what tasks.json says of them.

    Raises UserError where an output of it or of them is not finite.
    """
    from keras_mtl.serving.fold import fold_batch_normalization
    from keras_mtl.serving.signatures import with_precision
    from keras_mtl.serving.verify import verify_format

    facts: dict[str, dict] = {}
    reference = _reference(name, folder, images if chosen else images[:NOISE], score, facts, tell)
    if not chosen:
        return facts
    # Folded also where the SavedModel is not: a runtime folds by itself, but not in 8 bits.
    folded = fold_batch_normalization(with_precision(model, "float32"))
    (folder / FOLDER).mkdir()
    # Those that take most memory first: converters don't give back all of it.
    for number, one in enumerate(sorted(chosen, key=lambda one: not one.calibrated), 1):
        tell(f"Writing {one.name} ({number} of {len(chosen)})")
        one.convert(folded, folder / one.file, images if one.calibrated else None, calibration)
        backend, facts[one.name] = verify_format(one, folder, reference, images, model.tasks)
        if score is not None:
            tell(f"Scoring {one.name}")
            facts[one.name].update(score(backend))
        del backend
        give_back_memory()
    return {known: facts[known] for known in (SAVED_MODEL, *(one.name for one in chosen)) if known in facts}


def _reference(
    name: str,
    folder: pathlib.Path,
    images: np.ndarray,
    score: Callable[[Backend], Mapping[str, Any]] | None,
    facts: dict[str, dict],
    tell: Callable[[str], None],
) -> Mapping[str, np.ndarray]:
    """The SavedModel's outputs for some images; what is asked of it goes into `facts`. It is gone afterwards."""
    from keras_mtl.serving.backends.tensorflow import TensorFlow

    saved = TensorFlow(folder, "tensorflow")
    # In parts, as it takes a net's feature maps for all images of a call.
    parts = [saved.predict(images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
    reference = {output: np.concatenate([part[output] for part in parts]) for output in sorted(parts[0])}
    check_finite(reference, f"The model {name!r}")
    if score is not None:
        tell("Scoring the SavedModel")
        facts[SAVED_MODEL] = {"file": MODEL_FILE, "bytes": _size_of(folder), **score(saved)}
    del saved
    give_back_memory()
    return reference


def _training_images(folder: RunFolder, model) -> np.ndarray:
    """Some of a run's training images, uint8 [n, size, size, 3], the same each time."""
    from keras_mtl.data.sources import parse_sources
    from keras_mtl.training.inputs import load_configured_split

    config = folder.config()
    sources = parse_sources(config.sources, model.tasks, config.data_dir or None)
    parts, _ = load_configured_split(config, sources, model.tasks, "train")
    random = np.random.default_rng(0)
    share = -(-CALIBRATION // len(parts))
    chosen = [part.images[np.sort(random.permutation(len(part.images))[:share])] for part in parts]
    return np.concatenate(chosen)


def _scorer(folder: RunFolder, model, split: str) -> Callable[[Backend], Mapping[str, Any]]:
    """What `export_model` takes as `score`: latency here, and each task's main metric on a split of the run's data."""
    from keras_mtl.evaluation.evaluate import evaluate_model, split_to_score
    from keras_mtl.evaluation.metrics import main_metric
    from keras_mtl.serving.verify import AsModel, measure_latency

    config = folder.config()
    split = split_to_score(config, model.tasks, split, print)

    def score(backend: Backend) -> dict[str, Any]:
        scored = AsModel(backend, model.tasks)
        result, frame, _ = evaluate_model(scored, config, split, resamples=200)
        metrics = {
            name: {main_metric(task).name: result["tasks"][name]["metrics"][main_metric(task).name]["value"]}
            for name, task in model.tasks.items()
            if name in result["tasks"]
        }
        # The share of labels that lie in the intervals: their level is what it should be.
        covered = {}
        for name, intervals in scored.intervals.items():
            labels = frame[name].to_numpy(np.float64)
            inside = (labels >= intervals[:, 0]) & (labels <= intervals[:, 1])
            covered[name] = round(float(inside[~np.isnan(labels)].mean()), 4)
        latency = measure_latency(backend, model.input_shape[1])
        facts = {"metrics": metrics, "covered": covered, "split": split, "images": result["images"]}
        return {**facts, "milliseconds": latency}

    return score


def _size_of(folder: pathlib.Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


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
