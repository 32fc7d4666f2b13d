"""UTKFace: a folder of faces whose file names are their labels."""

from __future__ import annotations

import os
import re

from keras_mtl.data.folder import FolderSource
from keras_mtl.data.source import Records

GENDERS = ("male", "female")
RACES = ("White", "Black", "Asian", "Indian", "other")
"""As UTKFace's authors call them; guesses, as the other labels are."""

_SUFFIX = re.compile(r"(\.(jpe?g|png|chip))+$", re.IGNORECASE)


def parse_name(name: str) -> dict[str, object]:
    """Labels out of a file name `[age]_[gender]_[race]_[date].jpg.chip.jpg`.

    Returns:
        age in years as text, gender "male" or "female".

    Raises:
        ValueError: the name is malformed; the message says how.

    Example:
        >>> parse_name("39_1_2_20170116174525125.jpg.chip.jpg")
        {'age': '39', 'gender': 'female'}
    """
    groups = parse_groups(name)
    return {"age": groups["age"], "gender": groups["gender"]}


def parse_groups(name: str) -> dict[str, str]:
    """All that a file name says of its face: age in years as text, gender, and race as a name of `RACES`.

    Raises:
        ValueError: the name is malformed; the message says how.

    Example:
        >>> parse_groups("39_1_2_20170116174525125.jpg.chip.jpg")
        {'age': '39', 'gender': 'female', 'race': 'Asian'}
    """
    stem = _SUFFIX.sub("", name)
    if stem == name:
        raise ValueError("malformed name: not .jpg, .png or .jpg.chip.jpg")
    parts = stem.split("_")
    if len(parts) != 4:
        raise ValueError(f"malformed name: {len(parts)} parts, expected 4: age_gender_race_date")
    for part, what, good in zip(
        parts,
        ("age", "gender", "race", "date"),
        (parts[0].isdecimal(), parts[1] in ("0", "1"), parts[2] in map(str, range(len(RACES))), parts[3].isdecimal()),
        strict=True,
    ):
        if not good:
            raise ValueError(f"malformed name: {part!r} is no {what}")
    return {"age": parts[0], "gender": GENDERS[int(parts[1])], "race": RACES[int(parts[2])]}


class UtkFace(FolderSource):
    """UTKFace (Zhang, Song and Qi 2017, arXiv:1702.08423): age and gender for every face. `utkface:FOLDER`."""

    licence = "non-commercial research only"
    description = "UTKFace: faces from the web, aligned and cropped; age, gender (and race) estimated by annotators"
    offers = ("age", "gender")

    def records(self, split: str) -> Records:
        return self.collect(split, ((image, _labels(image)) for image in self.files(self.folders[split])))


def _labels(image: str) -> dict[str, object] | str:
    try:
        return parse_name(os.path.basename(image))
    except ValueError as error:
        return str(error)
