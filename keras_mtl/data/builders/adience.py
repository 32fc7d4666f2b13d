"""Adience (Eidinger, Enbar and Hassner 2014): age group and gender of faces from Flickr albums, in five folds.

Layout, with the owners' names: `Adience/aligned/USER_ID/landmark_aligned_face.FACE_ID.ORIGINAL_IMAGE` and
`Adience/fold_{0,1,2,3,4}_data.txt`, in which tabs part twelve named columns. The columns' use is that of the owners'
reader, https://github.com/GilLevi/AgeGenderDeepLearning (DataPreparationCode/create_train_val_txt_files.py), which
has the lists too (Folds/original_txt_files): 19,487 rows, of which 117 repeat another one. FACE_ID numbers the
people, 2,284 of them, and nobody is in two folds. The ages "(25, 23)" of 72 rows mean "(25, 32)", as that reader says;
want of a comma kept it from counting them in.
"""

from __future__ import annotations

import pathlib

import tensorflow_datasets as tfds

from keras_mtl.data.builders.base import FaceBuilder, read_image
from keras_mtl.data.builders.lists import by_image, read_rows


class Adience(FaceBuilder):
    """The owners' folds are the splits; `age` is their text, such as "(25, 32)", "35" or "None"."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    CITATION = """@article{eidinger2014age, title={Age and Gender Estimation of Unfiltered Faces},
author={Eidinger, Eran and Enbar, Roee and Hassner, Tal},
journal={IEEE Transactions on Information Forensics and Security}, volume={9}, number={12}, year={2014}}"""
    own_features = ("age", "gender", "face_id")

    def _split_generators(self, dl_manager):
        folder = self.manual_folder(dl_manager)
        return {f"fold_{fold}": self._generate_examples(folder, fold) for fold in range(5)}

    def _generate_examples(self, manual: pathlib.Path, fold: int):
        names = ("user_id", "original_image", "face_id")
        rows = read_rows(manual / "Adience" / f"fold_{fold}_data.txt", names, ("age", "gender"), delimiter="\t")
        faces = (
            (
                f"Adience/aligned/{row['user_id']}/landmark_aligned_face.{row['face_id']}.{row['original_image']}",
                {feature: row[feature] for feature in ("age", "gender", "face_id")},
            )
            for row in rows
        )
        for name, labels in by_image(faces).items():
            yield name, {"image": read_image(manual / name), "file_name": name, **labels}
