"""The groups that images belong to, where their names say so.

Only UTKFace's names do, `[age]_[gender]_[race]_[date].jpg`. Its authors' account is that an algorithm (DEX) guessed
these labels and that a person checked them: they say what others take somebody for, not who somebody is.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from keras_mtl.data.utkface import parse_groups

KINDS = ("race", "gender", "age")
OLDEST = 80


def groups_of(images: Sequence[str]) -> dict[str, list[str | None]]:
    """What group each image belongs to.

    Args:
        images: the images' names, as the column `image` of predictions holds them.

    Returns:
        By kind of group, "race", "gender" and "age" (by decade: "20–29", from 80 on "80+"), a group for each image;
        None where its name does not say. A kind that no name tells of is left out.

    Example:
        >>> groups_of(["UTKFace/39_1_2_20170116174525125.jpg.chip.jpg", "SMILEs/positives/7.jpg"])
        {'race': ['Asian', None], 'gender': ['female', None], 'age': ['30–39', None]}
    """
    found = [_of(os.path.basename(image)) for image in images]
    groups = {kind: [entry.get(kind) for entry in found] for kind in KINDS}
    return {kind: names for kind, names in groups.items() if any(name is not None for name in names)}


def in_order(kind: str, names: Sequence[str | None]) -> list[str]:
    """The different groups of a kind, as they are to be listed: ages by age, others by name with "other" last."""
    different = {name for name in names if name is not None}
    if kind == "age":
        return sorted(different, key=lambda name: int(name.rstrip("+").partition("–")[0]))
    return sorted(different, key=lambda name: (name == "other", name))


def decade(age: float) -> str:
    """The decade of an age, such as "20–29"; all from 80 on are "80+"."""
    start = int(age) // 10 * 10
    return f"{OLDEST}+" if start >= OLDEST else f"{start}–{start + 9}"


def _of(name: str) -> dict[str, str]:
    try:
        groups = parse_groups(name)
    except ValueError:
        return {}
    return {"race": groups["race"], "gender": groups["gender"], "age": decade(int(groups["age"]))}
