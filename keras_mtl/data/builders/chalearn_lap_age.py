"""ChaLearn LAP 2016 (Escalera et al. 2016, track 1): apparent age, the mean of many people's guesses.

Layout: `ChaLearn_LAP_2016/{train,valid,test}_gt.csv` with the columns image, mean and stdv (both in years), and the
pictures that they name in folders whose names begin with train, valid and test: the owner's archives come in parts,
`train_1` and `train_2` for instance. https://chalearnlap.cvc.uab.cat/dataset/19/description/; names and columns of the
lists as https://github.com/ctparton/dissertation (scripts/train_age_regression.py, data_organise.py) reads them.
"""

from __future__ import annotations

import pathlib

import tensorflow_datasets as tfds

from keras_mtl.data.builders.base import FaceBuilder, read_image
from keras_mtl.data.builders.lists import by_image, image_files, read_rows

CITATION = """@inproceedings{escalera2016chalearn, title={ChaLearn Looking at People and Faces of the World: Face
Analysis Workshop and Challenge 2016}, author={Escalera, Sergio and Torres Torres, Mercedes and Martinez, Brais and
others}, booktitle={CVPR Workshops}, year={2016}}"""
"""Of the workshop, whose sets this and FotW are."""


class ChalearnLapAge(FaceBuilder):
    """The owner's splits. The photos are not cropped to the face."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    CITATION = CITATION
    own_features = ("mean", "stdv")

    def _split_generators(self, dl_manager):
        folder = self.manual_folder(dl_manager)
        return {split: self._generate_examples(folder, split) for split in ("train", "valid", "test")}

    def _generate_examples(self, manual: pathlib.Path, split: str):
        release = manual / "ChaLearn_LAP_2016"
        parts = sorted(path.name for path in release.glob(f"{split}*") if path.is_dir())
        files = [file for part in parts for file in image_files(manual, f"ChaLearn_LAP_2016/{part}")]
        names = {path.name: name for name, path in reversed(files)}
        rows = read_rows(release / f"{split}_gt.csv", ("image",), ("mean", "stdv"))
        for image, labels in by_image((row.pop("image"), row) for row in rows).items():
            name = names.get(image, f"ChaLearn_LAP_2016/{split}/{image}")
            yield name, {"image": read_image(manual / name), "file_name": name, **labels}
