"""UTKFace: a folder of faces whose file names are their labels."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from keras_mtl.data.folder import FolderSource
from keras_mtl.data.source import Records

GENDERS = ("male", "female")
RACES = ("White", "Black", "Asian", "Indian", "other")
"""As UTKFace's authors call them; guesses, as the other labels are."""
GUESSED = (
    "UTKFace's ages, genders and races are, by its authors' account, the guesses of an algorithm (DEX) that a person "
    "checked: they say how old somebody looks and what others take them for."
)
KINDS = ("race", "gender", "age group")
OLDEST = 80

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
        (_is_digits(parts[0]), parts[1] in ("0", "1"), parts[2] in map(str, range(len(RACES))), _is_digits(parts[3])),
        strict=True,
    ):
        if not good:
            raise ValueError(f"malformed name: {part!r} is no {what}")
    return {"age": parts[0], "gender": GENDERS[int(parts[1])], "race": RACES[int(parts[2])]}


def groups_of(images: Sequence[str]) -> dict[str, list[str | None]]:
    """What groups the images' names tell, where they have UTKFace's form.

    Args:
        images: N names, with or without folders.

    Returns:
        By kind of group, "race", "gender" and "age group" (by decade: "20–29", from 80 on "80+"), a group for each of
        the N images; None where its name does not say. A kind that no name tells of is left out.

    Example:
        >>> groups_of(["UTKFace/39_1_2_20170116174525125.jpg.chip.jpg", "SMILEs/positives/7.jpg"])
        {'race': ['Asian', None], 'gender': ['female', None], 'age group': ['30–39', None]}
    """
    found = [_groups(os.path.basename(image)) for image in images]
    return {kind: [one.get(kind) for one in found] for kind in KINDS} if any(found) else {}


def decade(age: float) -> str:
    """The decade of an age, such as "20–29"; all from 80 on are "80+"."""
    start = int(age) // 10 * 10
    return f"{OLDEST}+" if start >= OLDEST else f"{start}–{start + 9}"


class UtkFace(FolderSource):
    """UTKFace (Zhang, Song and Qi 2017, arXiv:1702.08423): age, gender and groups. `utkface:FOLDER`."""

    licence = "non-commercial research only"
    description = "UTKFace: faces from the web, aligned and cropped; age, gender (and race) estimated by annotators"
    offers = ("age", "gender")

    def records(self, split: str) -> Records:
        records = self.collect(split, ((image, _labels(image)) for image in self.files(self.folders[split])))
        records.groups = groups_of(records.images)
        return records


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _groups(name: str) -> dict[str, str]:
    try:
        told = parse_groups(name)
    except ValueError:
        return {}
    return {"race": told["race"], "gender": told["gender"], "age group": decade(int(told["age"]))}


def _labels(image: str) -> dict[str, object] | str:
    try:
        return parse_name(os.path.basename(image))
    except ValueError as error:
        return str(error)
