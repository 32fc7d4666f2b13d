"""Which images are trained on and which are for validation: one answer for all sources of a training."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import logging
import os
import pathlib
from collections.abc import Callable, Hashable, Sequence

import numpy as np

from keras_mtl.data.clean import Clean
from keras_mtl.data.source import Records, Source, encoded_name

log = logging.getLogger(__name__)

Place = Hashable
"""Where an image is: the same for all names of one file."""


def in_validation(images: Sequence[str], fraction: float, identities: Sequence[str | None] | None = None) -> np.ndarray:
    """Which images a cut-off validation split takes.

    The hash is over the identity where it is known, else over the last two parts of the name, so that it is the same
    from wherever the path starts. Where no hash is low enough the lowest is taken, so that a few images still give
    both splits.

    Args:
        images: n names.
        fraction: share of them, from 0 to below 1; 0 takes none. Of few identities with many images each the share
            of images can be well off.
        identities: of the n images, None for unknown ones, or for all.

    Returns:
        bool [n].
    """
    if fraction == 0 or not images:
        return np.zeros(len(images), bool)
    known = identities or [None] * len(images)
    names = (one or "/".join(pathlib.PurePath(image).parts[-2:]) for image, one in zip(images, known, strict=True))
    hashes = np.array(
        [int.from_bytes(hashlib.sha256(encoded_name(name)).digest()[:8], "big") / 2**64 for name in names]
    )
    return hashes < max(fraction, np.nextafter(hashes.min(), 1))


class Sides:
    """The sides of all images of all sources of a training.

    An image is its file, whatever the sources call it (a link and what it leads to are one, a copy is another), or its
    name where it is no file. What a source's own validation split holds is for validation in every source. So is what
    `in_validation` cuts off a source that has none, and with each image all others of whoever is in it: an identity
    that any source knows, also of a record without the wanted labels, holds for the file everywhere, and identities
    that share a file are one. The same name in two sources is taken for two people where no file says otherwise.

    So the same picture is on the same side in every run and task, whatever the seed and whatever pictures are added.
    Only what another source tells can move it: that it validates on it, or who is in it.

    Args:
        sources: all of the training.
        fraction: of train, for validation, where a source has no validation split.
        clean: images to leave out.
    """

    def __init__(self, sources: Sequence[Source], fraction: float, clean: Clean | None = None):
        self.sources, self.fraction, self.clean = list(sources), fraction, clean
        self._own: dict[tuple[str, str], Records] = {}
        self._places: dict[tuple[str, str], list[Place]] = {}
        self._folders: dict[str, str] = {}

    def records(self, source: Source, split: str) -> Records | None:
        """A source's records of a split, its own or cut off train, cleaned; None where it has no such split."""
        found = self._parted(source, split)
        if found is None or self.clean is None or split != "validation":
            return found
        # Not before the sides are known: whatever is cleaned of validation, the same is trained on.
        return self.clean.validated(source.name, found, self.fraction if self._is_cut(source) else None)

    def _parted(self, source: Source, split: str) -> Records | None:
        cut = self._is_cut(source) and split == "validation"
        if not cut and split not in source.splits():
            return None
        if not (cut or split == "train"):
            return self.own(source, split)
        records, places = self.own(source, "train"), self.places(source, "train")
        taken = [self._is_taken(source, place) for place in places]
        if not self._is_cut(source) and not any(taken):
            return records
        wanted = [i for i in range(len(records.images)) if taken[i] == cut]
        bad = [
            dataclasses.replace(one, split=split)
            for one, one_taken in zip(records.bad, taken[len(records.images) :], strict=True)
            if one_taken == cut
        ]
        return records.take(wanted, bad)

    def own(self, source: Source, split: str) -> Records:
        """The records of one of the source's own splits, but what is cleaned away of either side of test."""
        found = self._own.get((source.name, split))
        if found is None:
            found = source.records(split)
            if self.clean:
                found = self.clean.filter(source.name, split, found)
            self._own[source.name, split] = found
        return found

    def places(self, source: Source, split: str) -> list[Place]:
        """Where the images of one of its own splits are, those of bad records behind the others."""
        found = self._places.get((source.name, split))
        if found is None:
            records = self.own(source, split)
            names = [*records.images, *(one.image for one in records.bad)]
            found = self._places[source.name, split] = [self._place(source, name) for name in names]
        return found

    def kept_for_others(self, source: Source) -> int:
        """How many images of train are kept out of it only because other sources validate on them."""
        train = self.places(source, "train")[: len(self.own(source, "train").images)]
        return sum(self._is_taken(source, place) and not self._cut_by(source, place) for place in train)

    def people(self, source: Source, images: Sequence[str]) -> list[Place]:
        """What stands for each image and for all others of whoever is in it, as any split of any source tells."""
        return [self._people.find(self._place(source, image)) for image in images]

    def trained_on(self) -> set[Place]:
        """Where the images of all train and validation splits are."""
        splits = ((source, split) for source in self.sources if not source.drawn for split in _known(source))
        return {place for source, split in splits for place in self.places(source, split)}

    def _is_cut(self, source: Source) -> bool:
        return "train" in source.splits() and "validation" not in source.splits() and self.fraction > 0

    def _is_taken(self, source: Source, place: Place) -> bool:
        """Whether an image of the source's train is for validation."""
        validators = self._validators.get(self._groups.find(place), set())
        if self._is_cut(source):
            return bool(validators) or place in self._cut_bad[source.name]
        # Whoever made the source's splits may have parted a person, but nobody else does.
        return bool(validators - {source.name}) or place in self._validated

    def _cut_by(self, source: Source, place: Place) -> bool:
        return source.name in self._validators.get(self._groups.find(place), set())

    @functools.cached_property
    def _groups(self) -> _Groups:
        """Places that are parted never: those of one person."""
        return self._joined(_known)

    @functools.cached_property
    def _people(self) -> _Groups:
        """The same, with what test splits tell: it parts nothing."""
        return self._joined(lambda source: source.splits())

    def _joined(self, splits: Callable[[Source], Sequence[str]]) -> _Groups:
        """The places of one person, as these splits of each source tell."""
        groups = _Groups()
        for source in self.sources:
            for split in splits(source):
                records = self.own(source, split)
                known = [*(records.identities or [None] * len(records.images)), *(one.identity for one in records.bad)]
                for place, identity in zip(self.places(source, split), known, strict=True):
                    if identity:
                        groups.join(place, (source.name, identity), identity)
        return groups

    @functools.cached_property
    def _validated(self) -> set[Place]:
        """Where the images of the sources' own validation splits are."""
        own = [source for source in self.sources if "validation" in source.splits()]
        return {place for source in own for place in self.places(source, "validation")}

    @functools.cached_property
    def _validators(self) -> dict[Place, set[str]]:
        """The names of the sources that validate on a group of places."""
        found: dict[Place, set[str]] = {}
        for source in self.sources:
            if "validation" in source.splits():
                places = self.places(source, "validation")
            elif self._is_cut(source):
                places = self.places(source, "train")[: len(self.own(source, "train").images)]
                taken = self._cut(source, places, self.own(source, "train").images)
                places = [place for place, take in zip(places, taken, strict=True) if take]
            else:
                continue
            for place in places:
                found.setdefault(self._groups.find(place), set()).add(source.name)
        return found

    @functools.cached_property
    def _cut_bad(self) -> dict[str, set[Place]]:
        """By source, the bad records of train that are told of in validation, which no good one is beside."""
        found: dict[str, set[Place]] = {}
        for source in filter(self._is_cut, self.sources):
            records, places = self.own(source, "train"), self.places(source, "train")
            good = {self._groups.find(place) for place in places[: len(records.images)]}
            bad = places[len(records.images) :]
            taken = self._cut(source, bad, [one.image for one in records.bad])
            found[source.name] = {
                place for place, take in zip(bad, taken, strict=True) if take and self._groups.find(place) not in good
            }
        return found

    def _cut(self, source: Source, places: Sequence[Place], images: Sequence[str]) -> np.ndarray:
        names = [place if isinstance(place, str) else image for place, image in zip(places, images, strict=True)]
        return in_validation(names, self.fraction, [self._groups.name(place) for place in places])

    def _place(self, source: Source, image: str) -> Place:
        file = source.file(image)
        if file is None:
            return type(source).__name__, source.path, image
        folder, name = os.path.split(file)
        try:
            # The links in a folder's path are followed once for all that is in it.
            if folder not in self._folders:
                self._folders[folder] = os.path.realpath(folder)
            path = os.path.join(self._folders[folder], name)
            return os.path.realpath(path) if os.path.islink(path) else path
        except ValueError:  # No file can have this name.
            return str(file)


class _Groups:
    """Sets of places and identities that belong together, by union and find; each has the first of its names."""

    def __init__(self) -> None:
        self._parents: dict[Hashable, Hashable] = {}
        self._names: dict[Hashable, str] = {}

    def find(self, node: Hashable) -> Hashable:
        """What stands for the node's set."""
        while (parent := self._parents.get(node, node)) != node:
            self._parents[node] = node = self._parents.get(parent, parent)
        return node

    def join(self, one: Hashable, other: Hashable, name: str) -> None:
        first, second = self.find(one), self.find(other)
        names = [self._names.pop(root) for root in {first, second} if root in self._names]
        self._parents[second] = first
        self._names[first] = min([name, *names])

    def name(self, node: Hashable) -> str | None:
        """The name of the node's set; None where it is alone."""
        return self._names.get(self.find(node))


def _known(source: Source) -> list[str]:
    return [split for split in ("train", "validation") if split in source.splits()]
