"""SMILEs as a TFDS data set; the layout is that of `keras_mtl.data.smiles`."""

from __future__ import annotations

import pathlib

import tensorflow_datasets as tfds

from keras_mtl.data import smiles
from keras_mtl.data.builders.base import FaceBuilder
from keras_mtl.data.builders.lists import image_files


class Smiles(FaceBuilder):
    """All faces are `train`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    CITATION = """@misc{smilesmiled, title={SMILEsmileD}, howpublished={https://github.com/hromi/SMILEsmileD}}"""
    own_features = ("smile",)

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(self.manual_folder(dl_manager))}

    def _generate_examples(self, manual: pathlib.Path):
        for part, label in smiles.LABELS.items():
            for name, path in image_files(manual, f"SMILEs/{part}"):
                yield name, {"image": str(path), "file_name": name, "smile": label}
