"""The groups that images belong to: those that their sources tell, and those in UTKFace's file names."""

from __future__ import annotations

import collections
import re
from collections.abc import Sequence

import pandas as pd

from keras_mtl.data import utkface
from keras_mtl.evaluation.predictions import GROUP
from keras_mtl.tasks import Task

MOST = 30
"""Of a kind with more groups than that, a list of places for instance, the largest are told."""


def groups_of(frame: pd.DataFrame) -> dict[str, list[str | None]]:
    """What groups each image belongs to.

    Predictions hold the groups that a source told when they were made. File names in UTKFace's form tell the kinds
    that the image's source did not, so that lists of its files, and predictions from before, have groups too.

    Args:
        frame: predictions, as from `predict_split`, N rows.

    Returns:
        By kind of group, "region" for instance, a group for each of the N images, None where it is unknown. A kind
        that is unknown for all of them is left out.

    Example:
        >>> frame = pd.DataFrame({"source": ["a", "b"], "image": ["1.jpg", "2.jpg"], "group:region": ["north", None]})
        >>> groups_of(frame)
        {'region': ['north', None]}
    """
    found: dict[str, list[str | None]] = {}
    for column in frame.columns:
        if column.startswith(GROUP) and frame[column].notna().any():
            found[column.removeprefix(GROUP)] = [None if pd.isna(name) else str(name) for name in frame[column]]
    for kind, names in utkface.groups_of(list(frame["image"])).items():
        own = found.get(kind, [None] * len(frame))
        telling = {source for source, name in zip(frame["source"], own, strict=True) if name is not None}
        found[kind] = [
            told if source in telling else name for source, told, name in zip(frame["source"], own, names, strict=True)
        ]
    return found


def groups_for(frame: pd.DataFrame, task: Task) -> dict[str, list[str | None]]:
    """`groups_of` without kinds that only repeat the task's label: "gender" for gender, "age group" for age."""
    own = (task.name, f"{task.name} group")
    return {kind: names for kind, names in groups_of(frame).items() if kind not in own}


def members(names: Sequence[str | None], most: int = MOST) -> dict[str, int]:
    """How many images each group has, of the `most` largest ones, as they are to be listed.

    By name, numbers in it by their value, and "other" last.

    Example:
        >>> members(["10–19", "0–9", None, "other", "0–9"])
        {'0–9': 2, '10–19': 1, 'other': 1}
    """
    counts = collections.Counter(name for name in names if name is not None)
    return {name: counts[name] for name in sorted(dict(counts.most_common(most)), key=_place)}


def _place(name: str) -> tuple:
    parts = re.split(r"([0-9]+)", name)
    return name.lower() == "other", [int(part) if place % 2 else part for place, part in enumerate(parts)], name
