"""A trained model as a SavedModel that needs nothing but TensorFlow: images in, years and class names out."""

from __future__ import annotations

import importlib.metadata
import pathlib
import platform
from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

import keras_mtl
import keras_mtl.models  # noqa: F401 - registers the classes that a run's model names
from keras_mtl.data.images import decode_image, resize_images
from keras_mtl.data.sources import parse_sources
from keras_mtl.errors import UserError
from keras_mtl.files import write_json
from keras_mtl.serving.fold import fold_batch_normalization
from keras_mtl.serving.versions import DESCRIPTION_FILE, add_version
from keras_mtl.training.run_folder import RunFolder

PRECISIONS = ("float32", "trained")
# Photos decoded at once by serve_bytes: one of 24 megapixels takes 360 MB while it is resized.
DECODED_AT_ONCE = 4
LIMITS = (
    "Predictions are estimates of how a face looks to the people who labelled the training pictures; they are no "
    "fact about a person. Not for decisions about people, nor for recognising them."
)
DRAWN_LIMITS = "Trained on drawn faces, not people: what it says about a photo of a person means nothing."


def export_model(
    model,
    directory: str | pathlib.Path = "saved_models",
    *,
    name: str = "model",
    fold: bool = True,
    precision: str = "float32",
    about: Mapping[str, object] | None = None,
) -> pathlib.Path:
    """Writes a `MultiTaskModel` to `directory/name/version/`; versions count up from 1.

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
        about: more for tasks.json: "run", "sources" (a list of dicts) and "drawn".

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
    described = describe(model, about or {})
    ready = with_precision(model, "float32") if precision == "float32" else model
    module = serving_module(fold_batch_normalization(ready) if fold else ready)
    signatures = {key: getattr(module, key) for key in ("serving_default", "serve_float", "serve_bytes")}

    def write(folder: pathlib.Path) -> None:
        tf.saved_model.save(module, str(folder), signatures=signatures)
        write_json(folder / DESCRIPTION_FILE, {**described, "precision": precision})

    return add_version(pathlib.Path(directory) / name, write)


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
    folder = RunFolder.existing(run)
    if not folder.model_path.is_file():
        raise UserError(f"{run} has no model.keras yet: let its training finish an epoch")
    model, config = keras.models.load_model(folder.model_path, compile=False), folder.config()
    sources = parse_sources(config.sources, model.tasks, config.data_dir or None, config.seed)
    about = {
        "run": folder.path.name,
        "sources": [
            {field: getattr(source, field) for field in ("name", "description", "licence", "drawn")}
            for source in sources
        ],
        "drawn": any(source.drawn for source in sources),
    }
    return export_model(model, directory, name=name or folder.path.name, fold=fold, precision=precision, about=about)


def serving_module(model) -> tf.Module:
    """A module whose three functions are the signatures that `export_model` describes.

    The weights are constants of the graph, not variables. TensorFlow then prepares them once, when the model is
    loaded, where it would reorder them for each call: 1.7 times as fast for one image at a time, 1.05 times for 64.
    """
    size = model.input_shape[1]
    trainable = [np.asarray(variable) for variable in model.trainable_variables]
    fixed = [np.asarray(variable) for variable in model.non_trainable_variables]

    @tf.function(input_signature=[tf.TensorSpec([None, size, size, 3], tf.uint8)], autograph=False)
    def predict(images):
        # In the graph of this function, once, and shared by the three signatures.
        variables = [[tf.constant(value) for value in values] for values in (trainable, fixed)]
        outputs, _ = model.stateless_call(*variables, images, training=False)
        return readable(model.tasks, model.decode(outputs))

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")], autograph=False)
    def serving_default(images):
        return predict(resize_images(images, size))

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32, name="images")], autograph=False)
    def serve_float(images):
        return predict(resize_images(images, size))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="images")], autograph=False)
    def serve_bytes(images):
        pixels = tf.map_fn(
            lambda data: resize_images(decode_image(data), size),
            images,
            fn_output_signature=tf.TensorSpec([size, size, 3], tf.uint8),
            parallel_iterations=DECODED_AT_ONCE,
        )
        return predict(pixels)

    module = tf.Module(name="keras_mtl")
    module.serving_default, module.serve_float, module.serve_bytes = serving_default, serve_float, serve_bytes
    return module


def readable(tasks: Mapping[str, object], decoded: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """The outputs of a signature: decoded values by task, and the names of the likeliest classes."""
    outputs = {}
    for name, task in tasks.items():
        outputs[name] = tf.cast(decoded[name], tf.float32)
        if task.classes:
            outputs[f"{name}_class"] = tf.gather(tf.constant(task.classes), tf.argmax(decoded[name], axis=-1))
    return outputs


def with_precision(model, policy: str):
    """The same model, with the same weights, whose layers all compute in `policy`; itself if they do already."""
    if all(layer.dtype_policy.name == policy for layer in model.layers):
        return model
    config = _replace_policies(model.get_config(), policy)
    converted = type(model).from_config(config)
    converted.set_weights(model.get_weights())
    return converted


def _replace_policies(config, policy: str):
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return {**config, "config": {**config["config"], "name": policy}}
        return {key: _replace_policies(value, policy) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return type(config)(_replace_policies(value, policy) for value in config)
    return config


def describe(model, about: Mapping[str, object]) -> dict:
    """What stands in tasks.json: tasks, inputs, outputs, versions, data, licences and limits, as plain data.

    Raises:
        ValueError: a task is named like another task's class output.
    """
    tasks = model.tasks
    clash = [name for name in tasks if name.endswith("_class") and tasks.get(name[:-6])]
    if clash:
        raise UserError(f"Task {clash[0]!r} is named like the class output of task {clash[0][:-6]!r}: rename one.")
    drawn = bool(about.get("drawn", False))
    return {
        "format": 1,
        "tasks": [task.to_dict() for task in tasks.values()],
        "image_size": model.input_shape[1],
        **{key: about[key] for key in ("run", "sources") if key in about},
        "drawn": drawn,
        "limits": f"{DRAWN_LIMITS} {LIMITS}" if drawn else LIMITS,
        "versions": {
            "python": platform.python_version(),
            "keras_mtl": keras_mtl.__version__,
            "keras": keras.__version__,
            **{package: importlib.metadata.version(package) for package in ("tensorflow", "numpy")},
        },
    }
