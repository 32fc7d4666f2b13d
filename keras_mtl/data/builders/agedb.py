"""AgeDB (Moschoglou et al. 2017): photos of famous people, age and gender found by hand.

Layout: `AgeDB/NUMBER_NAME_AGE_GENDER.jpg`, for instance `0_MariaCallas_35_f.jpg`, 16,488 of them.
https://ibug.doc.ic.ac.uk/resources/agedb/; the 16,488 names, all of this form, are listed in
https://github.com/paplhjak/Facial-Age-Estimation-Benchmark-Databases (AgeDB.json).
"""

from __future__ import annotations

import pathlib
import re

import tensorflow_datasets as tfds

from keras_mtl.data.builders.base import FaceBuilder, read_image
from keras_mtl.data.builders.lists import image_files

_NAME = re.compile(r"\d+_(?P<person>[^_]+)_(?P<age>\d+)_(?P<gender>[mf])\.jpe?g", re.IGNORECASE)


class Agedb(FaceBuilder):
    """All photos are `train`; `person` is the name in the file's name."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    CITATION = """@inproceedings{moschoglou2017agedb, title={AgeDB: the first manually collected, in-the-wild age
database}, author={Moschoglou, Stylianos and Papaioannou, Athanasios and Sagonas, Christos and Deng, Jiankang and
Kotsia, Irene and Zafeiriou, Stefanos}, booktitle={CVPR Workshops}, year={2017}}"""
    own_features = ("age", "gender", "person")

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(self.manual_folder(dl_manager))}

    def _generate_examples(self, manual: pathlib.Path):
        for name, path in image_files(manual, "AgeDB"):
            file = name.rpartition("/")[2]
            match = _NAME.fullmatch(file)
            # Kept as the label, so that `Task.parse` refuses it and the record is quarantined with a reason.
            wrong = f"malformed name: expected NUMBER_NAME_AGE_GENDER.jpg, got {file}"
            labels = match.groupdict() if match else {"age": wrong, "gender": wrong, "person": ""}
            yield name, {"image": read_image(path), "file_name": name, **labels}
