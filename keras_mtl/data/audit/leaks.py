"""Duplicates among all images of all sources, and those of them that leak from train into test or validation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from keras_mtl.data.audit import THRESHOLD
from keras_mtl.data.audit.near import near_duplicates
from keras_mtl.data.clean import Removed


class Image(NamedTuple):
    """An image of the audit: where it is, and its labels, NaN where it has none."""

    source: str
    split: str
    name: str
    labels: Mapping[str, float]


class Duplicate(NamedTuple):
    """Two images that show the same photo.

    Attributes:
        first, second: positions among all images, `first` below `second`.
        similarity: 1 for an exact duplicate, else of the fine structure.
        mirrored: one is the other's mirror image.
        exact: every pixel is the same.
    """

    first: int
    second: int
    similarity: float
    mirrored: bool
    exact: bool


def find_duplicates(grey: np.ndarray, hashes: Sequence[str], threshold: float = THRESHOLD) -> list[Duplicate]:
    """All pairs that are the same to the pixel, and near duplicates of them.

    Args:
        grey: uint8 [n, 64, 64].
        hashes: n hashes of pixels; an empty one is an image that can't be read, and has no duplicate.
        threshold: see `near_duplicates`.

    Returns:
        The pairs, sorted. A near duplicate of one of several equal images is one of all of them.
    """
    same: dict[str, list[int]] = {}
    for i, hashed in enumerate(hashes):
        if hashed:
            same.setdefault(hashed, []).append(i)
    equal = list(same.values())
    found = [
        Duplicate(one, other, 1.0, False, True)
        for members in equal
        for place, one in enumerate(members)
        for other in members[place + 1 :]
    ]
    for pair in near_duplicates(grey[[members[0] for members in equal]], threshold):
        for one in equal[pair.first]:
            for other in equal[pair.second]:
                found.append(Duplicate(min(one, other), max(one, other), pair.similarity, pair.mirrored, False))
    return sorted(found)


def group_numbers(count: int, duplicates: Sequence[Duplicate]) -> np.ndarray:
    """int [count]: the same number for images that are connected by duplicates."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    rows, columns = [pair.first for pair in duplicates], [pair.second for pair in duplicates]
    graph = coo_matrix((np.ones(len(rows), np.int8), (rows, columns)), shape=(count, count))
    return connected_components(graph, directed=False)[1]


def leaks(images: Sequence[Image], duplicates: Sequence[Duplicate]) -> list[Duplicate]:
    """Those pairs of which one image is in a test split and the other is not."""
    return [
        pair for pair in duplicates if (images[pair.first].split == "test") != (images[pair.second].split == "test")
    ]


def twins(images: Sequence[Image], duplicates: Sequence[Duplicate], removed: Sequence[Removed] = ()) -> list[Duplicate]:
    """Those pairs of which one image is validated on and the other trained on, but for images that are removed."""
    gone = {(row.source, row.split, row.image) for row in removed}
    return [
        pair
        for pair in duplicates
        if {images[pair.first].split, images[pair.second].split} == {"train", "validation"}
        and not {images[pair.first][:3], images[pair.second][:3]} & gone
    ]


def conflicts(images: Sequence[Image], duplicates: Sequence[Duplicate]) -> list[tuple[Duplicate, list[str]]]:
    """Pairs whose labels differ, and for which tasks."""
    found = []
    for pair in duplicates:
        one, other = images[pair.first].labels, images[pair.second].labels
        differing = [
            task
            for task in one.keys() & other.keys()
            if not math.isnan(one[task]) and not math.isnan(other[task]) and one[task] != other[task]
        ]
        if differing:
            found.append((pair, sorted(differing)))
    return found


def removals(images: Sequence[Image], leaking: Sequence[Duplicate], side: str) -> list[Removed]:
    """What has to go for no leak to be left; an image once, with its likest twin.

    Args:
        images: all.
        leaking: pairs of which one image is on the side and one is not.
        side: "test", "validation", or "train" for what is not in test.
    """
    best: dict[int, Removed] = {}
    for pair in leaking:
        split = images[pair.first].split
        first_goes = split != "test" if side == "train" else split == side
        gone, twin = (pair.first, pair.second) if first_goes else (pair.second, pair.first)
        known = best.get(gone)
        if known is None or pair.similarity > known.similarity:
            reason = "exact duplicate" if pair.exact else "near duplicate"
            best[gone] = Removed(*images[gone][:3], reason, *images[twin][:3], pair.similarity)
    return [best[i] for i in sorted(best)]
