"""The clean split: which images are left out because they are in two splits, and why.

`keras_mtl.audit --write_clean` writes a folder of two files: `removed.csv`, the ledger, and `clean.json`, which says
what the audit saw, and whose ledger it is by a hash. `--clean=FOLDER` of train, evaluate and compare leaves the
ledger's images out:

- What is in test and in train or validation goes from test, or from train and validation; the side is one for all.
- What is in validation and in train, of any source, goes from validation: the epoch must not be chosen by what is
  trained on. It is never train's that goes, so that a net is trained on the same images, cleaned of this or not. Where
  validation is cut off train, that depends on the share that is cut off, and holds for the audit's alone.

Folders of before the second rule, and of before the hash, are read as they are.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterable, Mapping
from typing import Literal, TypedDict

from keras_mtl.data.source import Records, digest
from keras_mtl.errors import UserError
from keras_mtl.files import (
    content_hash,
    file_hash,
    parse_csv,
    printable,
    read_bytes,
    read_json,
    renewing,
    write_csv,
    write_json,
)
from keras_mtl.values import read_number

LEDGER, FACTS = "removed.csv", "clean.json"
SIDES = ("test", "train")
AS_GIVEN = "as given"


@dataclasses.dataclass(frozen=True)
class Removed:
    """An image that a clean split is without.

    Attributes:
        source, split, image: which one; the split as the audit parts them, validation cut off train where it has to.
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

    @property
    def validated(self) -> bool:
        """Whether it is removed from validation alone, since it is in train."""
        return (self.split, self.twin_split) == ("validation", "train")


@dataclasses.dataclass(frozen=True)
class Clean:
    """A clean split as it is read back.

    Attributes:
        folder: where it was read.
        side: "test" or "train", from which its images were removed.
        removed: names by source, as `printable` gives them.
        twins: those that are removed from validation alone, since they are in train, likewise.
        seen: by source and split, a hash over the names that the audit saw.
        validation_fraction: what the audit cut off train for validation; None where it did not say.
    """

    folder: pathlib.Path
    side: str
    removed: Mapping[str, frozenset[str]]
    twins: Mapping[str, frozenset[str]]
    seen: Mapping[str, Mapping[str, str]]
    validation_fraction: float | None = None

    def __str__(self) -> str:
        removed, twins = (sum(map(len, some.values())) for some in (self.removed, self.twins))
        also = f" and {twins} from validation" if twins else ""
        return f"clean: {removed} images removed from {self.side}{also}, {self.folder / LEDGER}"

    @property
    def changes_training(self) -> bool:
        """Whether a training reads other images with it, to train or to validate on."""
        return self.side == "train" or any(self.twins.values())

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
        return _without(records, self.removed[source])

    def validated(self, source: str, records: Records, fraction: float | None) -> Records:
        """A source's records of validation, without the images that are trained on.

        Args:
            source: its name.
            records: its own split, or what was cut off train.
            fraction: the share that was cut off; None for its own split.

        Raises:
            UserError: the audit cut off another share: others are validated on.
        """
        if None not in (fraction, self.validation_fraction) and fraction != self.validation_fraction:
            raise UserError(
                f"--clean={self.folder}: its audit cut off {self.validation_fraction:g} of train for validation, and "
                f"--validation_fraction is {fraction:g}; run keras_mtl.audit --write_clean again with that one"
            )
        return _without(records, self.twins[source]) if source in self.twins else records


def _without(records: Records, gone: frozenset[str]) -> Records:
    kept = [i for i, image in enumerate(records.images) if printable(image) not in gone]
    return records.take(kept, [bad for bad in records.bad if printable(bad.image) not in gone])


def names_of(records: Records) -> list[str]:
    """The names of all of a split's records, good and bad: the same, whichever tasks are wanted."""
    return [*records.images, *(bad.image for bad in records.bad)]


def names_digest(names: Iterable[str]) -> str:
    """A hash over names, whatever their order."""
    return digest(sorted(names))


def write_clean(
    folder: str | pathlib.Path,
    side: str,
    removed: Iterable[Removed],
    seen: Mapping[str, Mapping[str, str]],
    validation_fraction: float | None = None,
) -> None:
    """Writes the ledger and what the audit saw, both at once; each is of the other's audit."""
    with renewing(folder) as beside:
        columns = [field.name for field in dataclasses.fields(Removed)]
        write_csv(beside / LEDGER, columns, map(dataclasses.astuple, removed))
        facts = {"side": side, "validation_fraction": validation_fraction, "seen": seen}
        write_json(beside / FACTS, {**facts, "ledger": file_hash(beside / LEDGER)})


class _Facts(TypedDict):
    side: Literal["test", "train"]
    seen: dict[str, dict[str, str]]


class Facts(_Facts, total=False):
    """What `clean.json` holds."""

    validation_fraction: float | None
    ledger: str


def _rows(path: pathlib.Path, ledger: bytes) -> list[Removed]:
    names = [field.name for field in dataclasses.fields(Removed)]
    found = []
    for line, row in enumerate(parse_csv(path, ledger.decode("utf-8"), names), 2):
        try:
            similarity = read_number(row.pop("similarity"))
            found.append(Removed(**{name: row[name] for name in names[:-1]}, similarity=similarity))
        except ValueError as error:
            raise UserError(f"{path} is damaged: line {line}: similarity {error}") from None
    return found


def _by_source(rows: Iterable[Removed]) -> dict[str, frozenset[str]]:
    images: dict[str, set[str]] = {}
    for row in rows:
        images.setdefault(row.source, set()).add(row.image)
    return {name: frozenset(some) for name, some in images.items()}


def read_clean(folder: str | pathlib.Path) -> Clean | None:
    """The clean split in a folder; None for no folder, which is the split as given.

    Raises:
        UserError: there is none, it can't be read, or its two files are not of one audit.
    """
    if not str(folder):
        return None
    path = pathlib.Path(folder)
    try:
        facts: Facts = read_json(path / FACTS, Facts)
        ledger = read_bytes(path / LEDGER)
        if facts.get("ledger") not in (None, content_hash(ledger)):
            raise UserError(f"{path / LEDGER} is not the one that {FACTS} was written with")
        rows = _rows(path / LEDGER, ledger)
    except (OSError, ValueError) as error:
        raise UserError(
            f"--clean={folder}: {error}; it must be a folder that keras_mtl.audit --write_clean wrote: run that again"
        ) from None
    return Clean(
        path,
        facts["side"],
        _by_source(row for row in rows if not row.validated),
        _by_source(row for row in rows if row.validated),
        facts["seen"],
        facts.get("validation_fraction"),
    )


def splits_note(folder: str) -> str:
    """How results call the splits: "as given", or "clean" with what was removed."""
    return str(read_clean(folder) or AS_GIVEN)
