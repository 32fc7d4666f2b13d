"""The file by which TensorFlow Serving finds all models of a folder."""

from __future__ import annotations

import pathlib

from keras_mtl.files import json_text, replacing
from keras_mtl.locks import only_writer
from keras_mtl.serving.versions import MODEL_FILE, versions

FILE = "models.config"
MOUNTED_AT = "/models"
"""Where TensorFlow Serving's image, and our compose file, have the folder of models."""


def write_serving_config(directory: str | pathlib.Path) -> pathlib.Path:
    """Writes `models.config` with every model in a folder, for `tensorflow_model_server --model_config_file`.

    It is a `tensorflow.serving.ModelServerConfig` as text. Of each model the newest version is served, which is
    TensorFlow Serving's default.

    Args:
        directory: the folder of models, which the server has as `/models`.

    Returns:
        The file's path.
    """
    directory = pathlib.Path(directory)
    with only_writer(directory, FILE, wait=True):  # None that another process has just exported is to be left out.
        names = sorted(
            folder.name
            for folder in directory.glob("[!.]*")
            if folder.is_dir() and any((folder / str(version) / MODEL_FILE).is_file() for version in versions(folder))
        )
        entries = "".join(
            "  config {\n"
            f"    name: {_quoted(name)}\n"
            f"    base_path: {_quoted(f'{MOUNTED_AT}/{name}')}\n"
            '    model_platform: "tensorflow"\n'
            "  }\n"
            for name in names
        )
        with replacing(directory / FILE) as beside:
            beside.write_text(f"model_config_list {{\n{entries}}}\n", encoding="utf-8")
    return directory / FILE


def _quoted(text: str) -> str:
    # A text in JSON's form is one in protobuf's, as long as it stays in UTF-8.
    return json_text(text, ensure_ascii=False)
