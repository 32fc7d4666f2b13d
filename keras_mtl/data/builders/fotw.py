"""Faces of the World (Escalera et al. 2016, track 3): gender and smile in photos from everywhere.

Layout: `FotW/smiles_trset/` with its list gender_fex_trset.csv, `FotW/smiles_valset/` with gender_fex_valset.csv and
`FotW/track3_all/` with test_gt.csv: pictures and list side by side, as the challenge's archives have them. The columns
are image_name, the face's box (bbox_x, bbox_y, bbox_width, bbox_height in pixels), Gender (0 male, 1 female, 2 not
sure) and Smile (0, 1); all but the first begin with a space. https://gesture.chalearn.org/2016-looking-at-people-cvpr-challenge;
names and columns as public readers of the set use them.
"""

from __future__ import annotations

import pathlib

import tensorflow_datasets as tfds

from keras_mtl.data.builders.base import FaceBuilder, read_image
from keras_mtl.data.builders.catalogue import FOTW_LISTS
from keras_mtl.data.builders.chalearn_lap_age import CITATION
from keras_mtl.data.builders.lists import by_image, read_rows


class Fotw(FaceBuilder):
    """The owner's splits. The photos are not cropped to the face."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    CITATION = CITATION
    own_features = ("gender", "smile")

    def _split_generators(self, dl_manager):
        folder = self.manual_folder(dl_manager)
        return {split: self._generate_examples(folder, path) for split, path in FOTW_LISTS.items()}

    def _generate_examples(self, manual: pathlib.Path, path: str):
        folder = path.rpartition("/")[0]
        rows = read_rows(manual / path, ("image_name",), ("Gender", "Smile"))
        for name, labels in by_image((f"{folder}/{row.pop('image_name')}", row) for row in rows).items():
            labels = {"gender": labels["Gender"], "smile": labels["Smile"]}
            yield name, {"image": read_image(manual / name), "file_name": name, **labels}
