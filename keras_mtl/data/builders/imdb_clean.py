"""IMDB-Clean (Lin et al. 2021): the cleaned part of IMDB-WIKI's pictures from IMDb, in three splits.

Layout: `imdb-clean-1024/NN/nmPERSON_rmPICTURE_BIRTH_YEAR.jpg` and in the same folder
`imdb_{train,valid,test}_new_1024.csv` with filename ("00/nm….jpg"), age, gender ("M", "F"), the face's box and the
head's pose: what the owners' script makes of IMDB-WIKI's full pictures.
https://github.com/yiminglin-ai/imdb-clean (run_all.sh, create_imdb_clean_1024.py).
The test split shares nobody with the others, but train and valid share people, as
https://github.com/paplhjak/Facial-Age-Estimation-Benchmark (facebase/to_json/imdb_fp_age_to_json.py) found.
"""

from __future__ import annotations

import pathlib

import tensorflow_datasets as tfds

from keras_mtl.data.builders.base import FaceBuilder, read_image
from keras_mtl.data.builders.lists import by_image, read_rows


class ImdbClean(FaceBuilder):
    """The owners' splits and crops, which have the face's own size around it on every side; `person` is IMDb's id."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    CITATION = """@article{lin2021fpage, title={FP-Age: Leveraging Face Parsing Attention for Facial Age Estimation in
the Wild}, author={Lin, Yiming and Shen, Jie and Wang, Yujiang and Pantic, Maja}, journal={arXiv:2106.11145},
year={2021}}"""
    own_features = ("age", "gender", "person")

    def _split_generators(self, dl_manager):
        folder = self.manual_folder(dl_manager)
        return {split: self._generate_examples(folder, split) for split in ("train", "valid", "test")}

    def _generate_examples(self, manual: pathlib.Path, split: str):
        rows = read_rows(manual / "imdb-clean-1024" / f"imdb_{split}_new_1024.csv", ("filename",), ("age", "gender"))
        for name, labels in by_image((f"imdb-clean-1024/{row.pop('filename')}", row) for row in rows).items():
            person = pathlib.PurePosixPath(name).name.partition("_")[0]
            yield name, {"image": read_image(manual / name), "file_name": name, "person": person, **labels}
