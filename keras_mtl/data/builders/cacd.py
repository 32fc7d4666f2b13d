"""CACD, the Cross-Age Celebrity Dataset (Chen, Chen and Hsu 2014): photos of 2,000 celebrities over ten years.

Layout: `CACD2000/….jpg` and `celebrity2000_meta.mat` beside that folder. The MATLAB structure celebrityImageData has N
values a field, of which these are used: name (of the file), age (year of the photo less year of birth), identity, rank.
https://bcsiriuschen.github.io/CARC/ (https://github.com/bcsiriuschen/CARC, index.html); read as in
https://github.com/paplhjak/Facial-Age-Estimation-Benchmark (facebase/to_json/cacd_to_json.py).

The owners took wrong pictures out for the celebrities of ranks 1 to 5 only, say that the others "should not be use for
evaluation", and evaluate on ranks 3 to 5. So these are the test split here, ranks 1 and 2 the validation split, and the
noisy rest the train split, as that benchmark has them. Nobody is in two of them.
"""

from __future__ import annotations

import pathlib

import tensorflow_datasets as tfds

from keras_mtl.data.builders.base import FaceBuilder, read_image
from keras_mtl.data.builders.lists import by_image, read_struct

RANKS = {"train": range(6, 1_000_000), "validation": range(1, 3), "test": range(3, 6)}


class Cacd(FaceBuilder):
    """Splits by the celebrities' rank, with nobody in two of them."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    CITATION = """@inproceedings{chen14cross, title={Cross-Age Reference Coding for Age-Invariant Face Recognition and
Retrieval}, author={Chen, Bor-Chun and Chen, Chu-Song and Hsu, Winston H.}, booktitle={ECCV}, year={2014}}"""
    own_features = ("age", "identity")

    def _split_generators(self, dl_manager):
        manual = self.manual_folder(dl_manager)
        fields = ("name", "age", "identity", "rank")
        meta = read_struct(manual / "celebrity2000_meta.mat", "celebrityImageData", fields)
        rows = list(zip(*(meta[field] for field in fields), strict=True))
        return {
            split: self._generate_examples(manual, [row[:3] for row in rows if int(row[3]) in ranks])
            for split, ranks in RANKS.items()
        }

    def _generate_examples(self, manual: pathlib.Path, rows: list):
        faces = ((f"CACD2000/{name}", {"age": f"{age:g}", "identity": str(who)}) for name, age, who in rows)
        for name, labels in by_image(faces).items():
            yield name, {"image": read_image(manual / name), "file_name": name, **labels}
