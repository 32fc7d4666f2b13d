"""MORPH Album 2 (Ricanek and Tesafaye 2006), the non-commercial release of 2008: age, gender, race of mugshots.

Layout: `MORPH_nonCommercial/morph_2008_nonCommercial.csv` with the columns id_num, picture_num, dob, doa, race, gender
("M", "F"), facial_hair, age, age_diff, glasses, photo ("Album2/009055_1M54.JPG"), and the photos beside it, as
https://github.com/paplhjak/Facial-Age-Estimation-Benchmark (facebase/to_json/morph_to_json.py) has them.
Owner: https://www.faceaginggroup.com/morph/
"""

from __future__ import annotations

import pathlib

import tensorflow_datasets as tfds

from keras_mtl.data.builders.base import FaceBuilder, read_image
from keras_mtl.data.builders.lists import by_image, read_rows


class Morph2(FaceBuilder):
    """All photos are `train`; `race` is there to evaluate by it, not to be predicted."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    CITATION = """@inproceedings{ricanek2006morph, title={MORPH: A Longitudinal Image Database of Normal Adult
Age-Progression}, author={Ricanek, Karl and Tesafaye, Tamirat}, booktitle={Automatic Face and Gesture Recognition},
pages={341--345}, year={2006}}"""
    own_features = ("age", "gender", "race", "id_num")

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(self.manual_folder(dl_manager))}

    def _generate_examples(self, manual: pathlib.Path):
        table = manual / "MORPH_nonCommercial" / "morph_2008_nonCommercial.csv"
        rows = read_rows(table, ("photo", "id_num"), ("age", "gender", "race"))
        for name, labels in by_image((f"MORPH_nonCommercial/{row.pop('photo')}", row) for row in rows).items():
            yield name, {"image": read_image(manual / name), "file_name": name, **labels}
