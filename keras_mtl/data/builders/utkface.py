"""UTKFace as a TFDS data set; the layout is that of `keras_mtl.data.utkface`."""

from __future__ import annotations

import pathlib

import tensorflow_datasets as tfds

from keras_mtl.data import utkface
from keras_mtl.data.builders.base import FaceBuilder
from keras_mtl.data.builders.lists import image_files


class Utkface(FaceBuilder):
    """All faces are `train`; a face with a malformed name has no labels."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    CITATION = """@inproceedings{zhang2017age,
title={Age Progression/Regression by Conditional Adversarial Autoencoder},
author={Zhang, Zhifei and Song, Yang and Qi, Hairong}, booktitle={CVPR}, year={2017}}"""
    own_features = ("age", "gender", "race", "problem")

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(self.manual_folder(dl_manager))}

    def _generate_examples(self, manual: pathlib.Path):
        for name, path in image_files(manual, "UTKFace"):
            labels = dict.fromkeys(self.own_features, "")
            try:
                labels.update(utkface.parse_groups(path.name))
            except ValueError as error:
                labels["problem"] = str(error)
            yield name, {"image": str(path), "file_name": name, **labels}
