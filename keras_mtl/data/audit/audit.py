"""The audit of sources: facts, duplicates, leaks and conflicts, as one result and as files."""

from __future__ import annotations

import collections
import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np

from keras_mtl.data.audit import THRESHOLD
from keras_mtl.data.audit.facts import split_facts
from keras_mtl.data.audit.leaks import (
    Duplicate,
    Image,
    conflicts,
    find_duplicates,
    group_numbers,
    leaks,
    removals,
    twins,
)
from keras_mtl.data.audit.pictures import read_pictures
from keras_mtl.data.clean import Removed, names_digest, names_of, write_clean
from keras_mtl.data.sides import Sides
from keras_mtl.data.source import SPLITS, Bad, Records, Source
from keras_mtl.files import write_csv, write_json


@dataclasses.dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        facts: by source and split, as `split_facts` gives; validation is what training would cut off.
        images: every readable image of a split, once, however many records it has.
        duplicates: pairs of positions in `images`.
        leaking: those between a test split and another.
        twins: those between a validation split and train.
        conflicting: pairs with different labels, and the tasks that differ.
        shared_identities: by source, people who are in test and in another split, sorted; a source whose people
            are unknown is absent.
        removed: what a clean split is without, `side` says from where.
        not_validated: what a clean split doesn't validate on, since it is trained on.
        bad: the quarantined records.
        seen: by source and split of its own, a hash over the names of all records.
        validation_fraction: share of train that was taken for validation, where a source has no such split.
    """

    facts: dict[str, dict[str, dict]]
    images: list[Image]
    duplicates: list[Duplicate]
    leaking: list[Duplicate]
    twins: list[Duplicate]
    conflicting: list[tuple[Duplicate, list[str]]]
    shared_identities: dict[str, list[str]]
    removed: list[Removed]
    not_validated: list[Removed]
    side: str
    bad: list[Bad]
    seen: dict[str, dict[str, str]]
    validation_fraction: float

    def images_of(self, split: str) -> int:
        """How many images are in a split, of any source."""
        return sum(image.split == split for image in self.images)

    @property
    def leaking_images(self) -> int:
        """How many images of test are in another split as well."""
        return self._in(self.leaking, "test")

    @property
    def twin_images(self) -> int:
        """How many images of validation are in train as well."""
        return self._in(self.twins, "validation")

    def _in(self, pairs: Sequence[Duplicate], split: str) -> int:
        return len({i for pair in pairs for i in pair[:2] if self.images[i].split == split})

    def count(self, pairs: Sequence[Duplicate]) -> dict[str, dict[str, int]]:
        """How many of the pairs are exact and near, by which two splits they lie in."""
        found: dict[str, collections.Counter] = {}
        for pair in pairs:
            places = sorted(
                f"{image.source} {image.split}" for image in (self.images[pair.first], self.images[pair.second])
            )
            found.setdefault(" – ".join(places), collections.Counter())["exact" if pair.exact else "near"] += 1
        return {place: dict(found[place]) for place in sorted(found)}


def audit_sources(
    sources: Sequence[Source], *, validation_fraction: float = 0.1, threshold: float = THRESHOLD, side: str = "test"
) -> Audit:
    """Looks at every image of every split.

    Args:
        sources: as from `parse_sources`.
        validation_fraction: share of train that training would cut off, where a source has no validation split.
        threshold: similarity from which two pictures count as one.
        side: "test" or "train", from which a clean split removes what is in both.

    Raises:
        UserError: a source that can't be used.
    """
    sides = Sides(sources, validation_fraction)
    looks = [_look(sides, source, split) for source in sources for split in SPLITS]
    found = [look for look in looks if look]
    images = [image for look in found for image in look.images]
    duplicates = find_duplicates(
        np.concatenate([look.grey for look in found]), [one for look in found for one in look.hashes], threshold
    )
    leaking = leaks(images, duplicates)
    removed = removals(images, leaking, side)
    facts: dict[str, dict[str, dict]] = {source.name: {} for source in sources}
    for look in found:
        facts[look.source.name][look.split] = look.facts
    return Audit(
        facts,
        images,
        duplicates,
        leaking,
        twins(images, duplicates),
        conflicts(images, duplicates),
        _shared_identities(found),
        removed,
        removals(images, twins(images, duplicates, removed), "validation"),
        side,
        [one for look in found for one in look.bad],
        _seen(sides),
        validation_fraction,
    )


@dataclasses.dataclass(frozen=True)
class _Look:
    """What one split of one source holds; of its images, those that can be read."""

    source: Source
    split: str
    records: Records
    facts: dict
    images: list[Image]
    grey: np.ndarray
    hashes: list[str]
    bad: list[Bad]


def _look(sides: Sides, source: Source, split: str) -> _Look | None:
    records = sides.records(source, split)
    if records is None:
        return None
    labels: dict[str, dict[str, float]] = {}
    for i, image in enumerate(records.images):
        # Of several records the first that has a task's label tells it.
        known = {task: float(values[i]) for task, values in records.labels.items() if not np.isnan(values[i])}
        labels[image] = {**known, **labels.get(image, {})}
    names = list(labels)
    pictures = read_pictures(source, names)
    bad = records.bad + [Bad(source.name, split, names[i], reason) for i, reason in pictures.unreadable.items()]
    good = [i for i in range(len(names)) if i not in pictures.unreadable]
    images = [Image(source.name, split, names[i], labels[names[i]]) for i in good]
    facts = split_facts(records, pictures, source.declared, bad)
    return _Look(source, split, records, facts, images, pictures.grey[good], [pictures.hashes[i] for i in good], bad)


def _shared_identities(found: Sequence[_Look]) -> dict[str, list[str]]:
    tested: dict[str, set[str]] = {}
    others: dict[str, set[str]] = {}
    for look in found:
        if look.records.identities:
            for people in (tested, others):
                people.setdefault(look.source.name, set())
            side = tested if look.split == "test" else others
            side[look.source.name] |= {one for one in look.records.identities if one}
    return {name: sorted(tested[name] & others[name]) for name in tested}


def _seen(sides: Sides) -> dict[str, dict[str, str]]:
    """By source and split of its own, a hash over the names."""
    return {
        source.name: {split: names_digest(names_of(sides.own(source, split))) for split in source.splits()}
        for source in sides.sources
    }


def write_audit(audit: Audit, folder: str | pathlib.Path, *, clean: bool = False) -> None:
    """Writes `audit.json`, `duplicates.csv`, `quarantine.csv`, and with `clean` the folder `clean/`."""
    folder = pathlib.Path(folder)
    write_csv(
        folder / "quarantine.csv",
        ("source", "split", "image", "reason"),
        [(one.source, one.split, one.image, one.reason) for one in audit.bad],
    )
    differing, leaking = dict(audit.conflicting), set(audit.leaking)
    groups = group_numbers(len(audit.images), audit.duplicates)
    write_csv(
        folder / "duplicates.csv",
        (
            *("group", "kind", "similarity", "mirrored", "leaks", "conflicting"),
            *("source", "split", "image", "other_source", "other_split", "other_image"),
        ),
        [
            (
                *(int(groups[pair.first]), "exact" if pair.exact else "near", pair.similarity, int(pair.mirrored)),
                *(int(pair in leaking), "+".join(differing.get(pair, ()))),
                *audit.images[pair.first][:3],
                *audit.images[pair.second][:3],
            )
            for pair in audit.duplicates
        ],
    )
    if clean:
        removed = [*audit.removed, *audit.not_validated]
        write_clean(folder / "clean", audit.side, removed, audit.seen, audit.validation_fraction)
    write_json(
        folder / "audit.json",
        {
            "sources": audit.facts,
            "duplicates": audit.count(audit.duplicates),
            "leaks": audit.count(audit.leaking),
            "twins": audit.count(audit.twins),
            "conflicting": audit.count([pair for pair, _ in audit.conflicting]),
            "shared_identities": audit.shared_identities,
            "removed": {"from": audit.side, **collections.Counter(row.source for row in audit.removed)},
            "not_validated": collections.Counter(row.source for row in audit.not_validated),
        },
    )
