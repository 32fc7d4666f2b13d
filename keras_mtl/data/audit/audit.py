"""The audit of sources: facts, duplicates, leaks and conflicts, as one result and as files."""

from __future__ import annotations

import collections
import csv
import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np

from keras_mtl.data.audit.facts import split_facts
from keras_mtl.data.audit.leaks import (
    Duplicate,
    Image,
    conflicts,
    find_duplicates,
    group_numbers,
    leaks,
    removals,
)
from keras_mtl.data.audit.near import THRESHOLD
from keras_mtl.data.audit.pictures import read_pictures
from keras_mtl.data.clean import Removed, names_digest, write_clean
from keras_mtl.data.source import SPLITS, Bad, Source
from keras_mtl.data.splits import split_records
from keras_mtl.files import replacing, write_json


@dataclasses.dataclass(frozen=True)
class Audit:
    """What an audit found.

    Attributes:
        facts: by source and split, as `split_facts` gives; validation is what training would cut off.
        images: every readable image.
        duplicates: pairs of positions in `images`.
        leaking: those between a test split and another.
        conflicting: pairs with different labels, and the tasks that differ.
        shared_identities: by source, people who are in test and in another split, sorted; a source whose people
            are unknown is absent.
        removed: what a clean split is without, `side` says from where.
        bad: the quarantined records.
    """

    facts: dict[str, dict[str, dict]]
    images: list[Image]
    duplicates: list[Duplicate]
    leaking: list[Duplicate]
    conflicting: list[tuple[Duplicate, list[str]]]
    shared_identities: dict[str, list[str]]
    removed: list[Removed]
    side: str
    bad: list[Bad]
    seen: dict[str, dict[str, str]]

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
        side: "test" or "train", from which a clean split removes leaks.

    Raises:
        UserError: a source that can't be used.
    """
    facts: dict[str, dict[str, dict]] = {}
    images: list[Image] = []
    greys: list[np.ndarray] = []
    hashes: list[str] = []
    bad: list[Bad] = []
    shared: dict[str, list[str]] = {}
    for source in sources:
        facts[source.name] = {}
        people: dict[str, set[str]] = {}
        for split in SPLITS:
            records = split_records(source, split, validation_fraction)
            if records is None:
                continue
            pictures = read_pictures(source, records.images)
            unreadable = pictures.unreadable.items()
            wrong = records.bad + [Bad(source.name, split, records.images[i], reason) for i, reason in unreadable]
            facts[source.name][split] = split_facts(records, pictures, source.declared, wrong)
            bad += wrong
            good = [i for i in range(len(records.images)) if i not in pictures.unreadable]
            images += [
                Image(
                    source.name,
                    split,
                    records.images[i],
                    {task: float(values[i]) for task, values in records.labels.items()},
                )
                for i in good
            ]
            greys.append(pictures.grey[good])
            hashes += [pictures.hashes[i] for i in good]
            if records.identities:
                people[split] = {one for one in records.identities if one}
        if people:
            others = set().union(*(some for split, some in people.items() if split != "test"))
            shared[source.name] = sorted(people.get("test", set()) & others)
    duplicates = find_duplicates(np.concatenate(greys), hashes, threshold)
    leaking = leaks(images, duplicates)
    seen = {
        source.name: {split: names_digest(source.records(split)) for split in source.splits()} for source in sources
    }
    return Audit(
        facts,
        images,
        duplicates,
        leaking,
        conflicts(images, duplicates),
        shared,
        removals(images, leaking, side),
        side,
        bad,
        seen,
    )


def write_audit(audit: Audit, folder: str | pathlib.Path, *, clean: bool = False) -> None:
    """Writes `audit.json`, `duplicates.csv`, `quarantine.csv`, and with `clean` the folder `clean/`."""
    folder = pathlib.Path(folder)
    _write_rows(
        folder / "quarantine.csv",
        ("source", "split", "image", "reason"),
        [(one.source, one.split, one.image, one.reason) for one in audit.bad],
    )
    differing, leaking = dict(audit.conflicting), set(audit.leaking)
    groups = group_numbers(len(audit.images), audit.duplicates)
    _write_rows(
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
        write_clean(folder / "clean", audit.side, audit.removed, audit.seen)
    write_json(
        folder / "audit.json",
        {
            "sources": audit.facts,
            "duplicates": audit.count(audit.duplicates),
            "leaks": audit.count(audit.leaking),
            "conflicting": audit.count([pair for pair, _ in audit.conflicting]),
            "shared_identities": audit.shared_identities,
            "removed": {"from": audit.side, **collections.Counter(row.source for row in audit.removed)},
        },
    )


def _write_rows(path: pathlib.Path, columns: Sequence[str], rows: Sequence[Sequence]) -> None:
    with replacing(path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
