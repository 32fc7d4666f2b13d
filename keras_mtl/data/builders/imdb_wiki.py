"""IMDB-WIKI (Rothe, Timofte and Van Gool 2015): faces from IMDb and Wikipedia, age from birthday and year of the photo.

Layout: the owners' archives imdb_crop.tar and wiki_crop.tar unpacked, `imdb_crop/NN/….jpg` with `imdb_crop/imdb.mat`,
and the same with wiki. The MATLAB structure `imdb` or `wiki` has N values a field, of which these are used: dob (day of
birth, counted from the year 0), photo_taken (year), full_path, gender (0 female, 1 male, NaN unknown), name, face_score
(infinite where no face was found; the picture is then not a crop) and second_face_score (NaN where there was no second
face). https://data.vision.ee.ethz.ch/cvl/rrothe/imdb-wiki/

Nobody has checked these labels, and many are wrong. `imdb_clean` is the cleaned part.
"""

from __future__ import annotations

import datetime
import pathlib
from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds

from keras_mtl.data.builders.base import FaceBuilder, read_image
from keras_mtl.data.builders.lists import by_image, read_struct

FIELDS = ("dob", "photo_taken", "full_path", "gender", "name", "face_score", "second_face_score")


class ImdbWiki(FaceBuilder):
    """All is `train`. A picture with no face found in it, or with several, has no labels: whose are they?"""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    CITATION = """@article{rothe2018deep, title={Deep expectation of real and apparent age from a single image without
facial landmarks}, author={Rothe, Rasmus and Timofte, Radu and Van Gool, Luc},
journal={International Journal of Computer Vision}, volume={126}, number={2-4}, year={2018}}"""
    own_features = ("age", "gender", "person")

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(self.manual_folder(dl_manager))}

    def _generate_examples(self, manual: pathlib.Path):
        for part in ("imdb", "wiki"):
            for name, labels in by_image(_faces(manual / f"{part}_crop" / f"{part}.mat", part)).items():
                yield name, {"image": read_image(manual / name), "file_name": name, **labels}


def age_in_july(birth: float, year: float) -> str:
    """Age in whole years on the first of July of a year, the middle of it, as the owners count.

    Args:
        birth: day of birth as MATLAB counts it, the first of January of the year 0 being day 1.
        year: when the photo was taken.

    Returns:
        The age as text; a sentence instead where that is no day of birth.

    Example:
        >>> age_in_july(693726, 1968), age_in_july(0, 1968)  # Born on the tenth of May 1899.
        ('69', 'born on day 0')
    """
    days = birth - 366  # Python counts from the year 1.
    if not 1 <= days <= datetime.date.max.toordinal() or np.isnan(year):
        return f"born on day {birth:g}"
    born = datetime.date.fromordinal(int(days))
    return str(int(year) - born.year - ((born.month, born.day) > (7, 1)))


def _faces(path: pathlib.Path, part: str) -> Iterator[tuple[str, dict[str, str]]]:
    meta = read_struct(path, part, FIELDS)
    for birth, year, image, gender, person, score, second in zip(*(meta[field] for field in FIELDS), strict=True):
        labels = {"age": "", "gender": ""}
        if np.isfinite(score) and np.isnan(second):
            labels = {"age": age_in_july(birth, year), "gender": "" if np.isnan(gender) else f"{gender:g}"}
        yield f"{part}_crop/{image}", {**labels, "person": person}
