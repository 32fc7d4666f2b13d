"""The clean split: which images are left out because they are in train and in test, and why.

`keras_mtl.audit --write_clean` writes a folder of two files: `removed.csv`, the ledger, and `clean.json`, which says
what the audit saw. `--clean=FOLDER` of train, evaluate and compare leaves the ledger's images out.
"""

from __future__ import annotations

import csv
import dataclasses
import pathlib
from collections.abc import Iterable, Mapping

from keras_mtl.data.source import Records, digest
from keras_mtl.errors import UserError
from keras_mtl.files import printable, read_json, write_csv, write_json

LEDGER, FACTS = "removed.csv", "clean.json"
SIDES = ("test", "train")
AS_GIVEN = "as given"


@dataclasses.dataclass(frozen=True)
class Removed:
    """An image that a clean split is without.

    Attributes:
        source, split, image: which one.
        reason: "exact duplicate" or "near duplicate".
        twin_source, twin_split, twin: the image on the other side that it is like.
        similarity: 1 for an exact duplicate, else of the fine structure.
    """

    source: str
    split: str
    image: str
    reason: str
    twin_source: str
    twin_split: str
    twin: str
    similarity: float


@dataclasses.dataclass(frozen=True)
class Clean:
    """A clean split as it is read back.

    Attributes:
        folder: where it was read.
        side: "test" or "train", from which its images were removed.
        removed: names by source, as `printable` gives them.
        seen: by source and split, a hash over the names that the audit saw.
    """

    folder: pathlib.Path
    side: str
    removed: Mapping[str, frozenset[str]]
    seen: Mapping[str, Mapping[str, str]]

    def __str__(self) -> str:
        count = sum(map(len, self.removed.values()))
        return f"clean: {count} images removed from {self.side}, {self.folder / LEDGER}"

    def filter(self, source: str, split: str, records: Records) -> Records:
        """A source's records of one of its own splits, without what is removed.

        Raises:
            UserError: the audit saw no such source, or other images in it.
        """
        seen = self.seen.get(source, {}).get(split)
        if seen != names_digest(names_of(records)):
            what = "didn't see" if seen is None else "saw other images in"
            raise UserError(
                f"--clean={self.folder}: its audit {what} the source {source}, split {split}; "
                f"run keras_mtl.audit --write_clean again, with the same --sources"
            )
        if (split == "test") != (self.side == "test") or source not in self.removed:
            return records
        gone = self.removed[source]
        kept = [i for i, image in enumerate(records.images) if printable(image) not in gone]
        return records.take(kept, [bad for bad in records.bad if printable(bad.image) not in gone])


def names_of(records: Records) -> list[str]:
    """The names of all of a split's records, good and bad: the same, whichever tasks are wanted."""
    return [*records.images, *(bad.image for bad in records.bad)]


def names_digest(names: Iterable[str]) -> str:
    """A hash over names, whatever their order."""
    return digest(sorted(names))


def write_clean(
    folder: str | pathlib.Path, side: str, removed: Iterable[Removed], seen: Mapping[str, Mapping[str, str]]
) -> None:
    """Writes the ledger and what the audit saw; the facts last, since a clean split counts once they are there."""
    folder = pathlib.Path(folder)
    write_csv(folder / LEDGER, [field.name for field in dataclasses.fields(Removed)], map(dataclasses.astuple, removed))
    write_json(folder / FACTS, {"side": side, "seen": seen})


def read_removed(folder: str | pathlib.Path) -> list[Removed]:
    """The ledger."""
    with (pathlib.Path(folder) / LEDGER).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [Removed(similarity=float(row.pop("similarity")), **row) for row in rows]


def read_clean(folder: str | pathlib.Path) -> Clean | None:
    """The clean split in a folder; None for no folder, which is the split as given.

    Raises:
        UserError: there is none, or it can't be read.
    """
    if not str(folder):
        return None
    path = pathlib.Path(folder)
    try:
        facts, rows = read_json(path / FACTS), read_removed(path)
        images: dict[str, set[str]] = {}
        for row in rows:
            images.setdefault(row.source, set()).add(row.image)
        return Clean(path, facts["side"], {name: frozenset(some) for name, some in images.items()}, facts["seen"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"--clean must be a folder that keras_mtl.audit --write_clean wrote, with {FACTS} and {LEDGER}. "
            f"Received: {str(folder)!r} ({type(error).__name__})"
        ) from None


def splits_note(folder: str) -> str:
    """How results call the splits: "as given", or "clean" with what was removed."""
    return str(read_clean(folder) or AS_GIVEN)
