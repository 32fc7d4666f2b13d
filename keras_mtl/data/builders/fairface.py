"""FairFace (Kärkkäinen and Joo 2021): age by decade, gender and race of faces from Flickr, balanced by race.

Layout: `FairFace/{train,val}/N.jpg`, as the owners' archive of either padding holds them, and
`FairFace/fairface_label_{train,val}.csv` with the columns file ("train/1.jpg"), age ("0-2" … "more than 70"),
gender ("Male", "Female"), race (seven groups) and service_test. Owners' pages: https://github.com/joojs/fairface and
https://github.com/dchen236/FairFace; the columns as https://github.com/naver-ai/cgl_fairness (data_handler/fairface.py)
reads them.
"""

from __future__ import annotations

import pathlib

import tensorflow_datasets as tfds

from keras_mtl.data.builders.base import FaceBuilder, read_image
from keras_mtl.data.builders.lists import by_image, read_rows


class Fairface(FaceBuilder):
    """The owners' splits; `race` is there to evaluate by it, not to be predicted."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    CITATION = """@inproceedings{karkkainenfairface, title={FairFace: Face Attribute Dataset for Balanced Race, Gender,
and Age for Bias Measurement and Mitigation}, author={Karkkainen, Kimmo and Joo, Jungseock},
booktitle={Proceedings of the IEEE/CVF Winter Conference on Applications of Computer Vision}, pages={1548--1558},
year={2021}}"""
    own_features = ("age", "gender", "race")

    def _split_generators(self, dl_manager):
        folder = self.manual_folder(dl_manager)
        return {split: self._generate_examples(folder, split) for split in ("train", "val")}

    def _generate_examples(self, manual: pathlib.Path, split: str):
        rows = read_rows(manual / "FairFace" / f"fairface_label_{split}.csv", ("file",), ("age", "gender", "race"))
        for name, labels in by_image((f"FairFace/{row.pop('file')}", row) for row in rows).items():
            yield name, {"image": read_image(manual / name), "file_name": name, **labels}
