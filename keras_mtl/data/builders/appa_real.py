"""APPA-REAL (Agustsson et al. 2017): real and apparent age.

Layout: `appa-real-release/{train,valid,test}/NNNNNN.jpg_face.jpg` (the owner's crops) and `gt_avg_{...}.csv` with
columns file_name (`NNNNNN.jpg`), apparent_age_avg, apparent_age_std, real_age, in years; as the owner's
description has it, repeated in https://github.com/SalmaOuardi/Bias-Mitigation-For-Age-Detection (readme.md).
"""

from __future__ import annotations

import pathlib

import tensorflow_datasets as tfds

from keras_mtl.data.builders.base import FaceBuilder, read_image
from keras_mtl.data.builders.lists import by_image, read_rows


class AppaReal(FaceBuilder):
    """The owner's splits and crops; the task `age` is the apparent one."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    CITATION = """@inproceedings{agustsson2017appareal, title={Apparent and real age estimation in still images with
deep residual regressors on APPA-REAL database}, author={Agustsson, Eirikur and Timofte, Radu and Escalera, Sergio and
Baro, Xavier and Guyon, Isabelle and Rothe, Rasmus}, booktitle={FG}, year={2017}}"""
    own_features = ("apparent_age_avg", "real_age")

    def _split_generators(self, dl_manager):
        folder = self.manual_folder(dl_manager)
        return {split: self._generate_examples(folder, split) for split in ("train", "valid", "test")}

    def _generate_examples(self, manual: pathlib.Path, split: str):
        path = manual / "appa-real-release" / f"gt_avg_{split}.csv"
        rows = read_rows(path, ("file_name",), ("apparent_age_avg", "real_age"))
        images = ((f"appa-real-release/{split}/{row.pop('file_name')}_face.jpg", row) for row in rows)
        for name, labels in by_image(images).items():
            yield name, {"image": read_image(manual / name), "file_name": name, **labels}
