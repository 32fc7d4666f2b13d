"""AFAD (Niu et al. 2016): faces of Asian people from a social network, with age and gender.

Layout: `AFAD-Full/AGE/GENDER/ID-N.jpg` where GENDER is 111 for male and 112 for female: the archive that the owners'
restore.sh puts together. https://afad-dataset.github.io and https://github.com/afad-dataset/tarball; the folders as
https://github.com/paplhjak/Facial-Age-Estimation-Benchmark (facebase/to_json/afad_to_json.py) reads them.
"""

from __future__ import annotations

import pathlib

import tensorflow_datasets as tfds

from keras_mtl.data.builders.base import FaceBuilder, read_image
from keras_mtl.data.builders.lists import image_files


class Afad(FaceBuilder):
    """All faces are `train`; `person` is the number in front of the hyphen."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    CITATION = """@inproceedings{niu2016ordinal, title={Ordinal Regression with Multiple Output CNN for Age Estimation},
author={Niu, Zhenxing and Zhou, Mo and Wang, Le and Gao, Xinbo and Hua, Gang}, booktitle={CVPR}, year={2016}}"""
    own_features = ("age", "gender", "person")

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(self.manual_folder(dl_manager))}

    def _generate_examples(self, manual: pathlib.Path):
        for name, path in image_files(manual, "AFAD-Full"):
            folders, file = name.split("/")[1:-1], path.name
            if not folders:
                continue  # The owners' list of all faces, not a face.
            age, gender = folders if len(folders) == 2 else [f"not in a folder AGE/GENDER: {name}"] * 2
            labels = {"age": age, "gender": gender, "person": file.partition("-")[0]}
            yield name, {"image": read_image(path), "file_name": name, **labels}
