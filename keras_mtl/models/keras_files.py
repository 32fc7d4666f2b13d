"""`.keras` files, from wherever they come: read without running code of theirs, and refused in one line if damaged."""

from __future__ import annotations

import json
import pathlib
import warnings
import zipfile
from typing import Any

import keras

from keras_mtl.errors import UserError
from keras_mtl.files import check_file
from keras_mtl.models.divergence import check_weights
from keras_mtl.models.multitask import MultiTaskModel

OURS = "keras_mtl>"
"""What the registered names of this package's classes begin with: no other custom class is made of a file."""
_MODULES = ("keras.layers", "keras.initializers", "keras.regularizers", "keras.constraints", "keras.dtype_policies")
_PLAIN = ("__keras_tensor__", "__tuple__")  # Keras' own words for a layer's input and for a tuple.
_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_LARGEST_CONFIG = 64 << 20  # Bytes.
_EXPANSION = 100
"""Keras does not compress: what grows by more when it is read was made to fill memory."""


def load_model(path: pathlib.Path) -> MultiTaskModel:
    """A model of this package, not compiled.

    Raises:
        UserError: there is no such file, it is damaged, of another kind, or names classes of others, or its weights are
            not finite.
    """
    try:
        check_file(path)
        config = _config(path)
        _check_classes(config)
        with warnings.catch_warnings():
            # Keras only warns of weights that it does not find; its other warnings are of files that it then refuses.
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", message=".*could not be loaded.*")
            model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except UserError as error:
        raise UserError(f"{path} {error}") from None
    except MemoryError:
        raise
    except Exception as error:  # zipfile, HDF5, TensorFlow and Keras have many for a damaged file.
        words = " ".join(str(getattr(error, "strerror", None) or error).split())[:200]
        raise UserError(
            f"{path} is damaged, or of another version of Keras: {words or type(error).__name__}. "
            "Take another copy, or train it again"
        ) from None
    if not isinstance(model, MultiTaskModel):
        raise UserError(f"{path} holds no multitask model of keras_mtl, but a {type(model).__name__}")
    check_weights(model, str(path))
    return model


def _config(path: pathlib.Path) -> Any:
    """The model's structure as plain data, out of a file whose parts are there and of a plausible size."""
    with zipfile.ZipFile(path) as archive:
        parts = {part.filename: part for part in archive.infolist()}
        for name in (_CONFIG, _WEIGHTS):
            if name not in parts:
                raise UserError(f"is no whole .keras file: {name} is missing in it")
        for part in parts.values():
            if part.file_size > _EXPANSION * part.compress_size + 1024:
                raise UserError(f"would grow to {part.file_size:,} bytes ({part.filename}), which is refused")
        if parts[_CONFIG].file_size > _LARGEST_CONFIG:
            raise UserError(f"has a {_CONFIG} of {parts[_CONFIG].file_size:,} bytes, which is refused")
        if damaged := archive.testzip():
            raise UserError(f"is damaged: the checksum of {damaged} in it is another")
        try:
            return json.loads(archive.read(_CONFIG))
        except RecursionError:
            raise UserError(f"has a {_CONFIG} that is nested too deeply") from None


def _check_classes(config: Any) -> None:
    """Raises UserError where a class is named that neither Keras' parts of models nor this package has.

    Lambda layers hold code, and functions by name could be any of Keras'.
    """
    if isinstance(config, list):
        for part in config:
            _check_classes(part)
    elif isinstance(config, dict):
        name, module = config.get("class_name"), config.get("module")
        if isinstance(name, str) and "config" in config and not _is_known(name, module, config.get("registered_name")):
            raise UserError(f"names {module}.{name}, which is no part of a model of this package: it is not loaded")
        for key, part in config.items():
            if key != "compile_config":  # It is not read: the model is not compiled.
                _check_classes(part)


def _is_known(name: str, module: Any, registered: Any) -> bool:
    if isinstance(registered, str) and registered.startswith(OURS):
        return registered in keras.saving.get_custom_objects()
    if registered not in (None, name):
        return False
    if name in _PLAIN:
        return True
    if module == "keras" and name in ("DTypePolicy", "Functional", "Sequential", "Model"):
        return True
    return module in _MODULES and name != "Lambda"
