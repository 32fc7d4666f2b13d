"""The rows of `conflict.csv`: a look at two tasks in a stage of the trunk each."""

from __future__ import annotations

import itertools
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from keras_mtl.errors import UserError
from keras_mtl.files import read_csv
from keras_mtl.training.conflict_cosine import SIGNAL, products_of
from keras_mtl.training.conflict_meter import Products, agreement
from keras_mtl.values import is_whole

COLUMNS = (
    *("step", "stage", "task", "other", "cosine", "magnitude_similarity"),
    *("magnitude", "other_magnitude", "weight", "other_weight", *SIGNAL),
)
NUMBERS = tuple(name for name in COLUMNS if name not in ("stage", "task", "other"))
Place = tuple[str, str, str]  # a stage and two tasks


class Share:
    """How often tasks conflicted in a stage: looks with a conflicting pair in them, and pairs over all looks."""

    def __init__(self):
        self.looks = self.conflicting_looks = self.pairs = self.conflicting_pairs = 0
        self._by_chance = 0.0

    @property
    def of_looks(self) -> float:
        return self.conflicting_looks / self.looks

    @property
    def of_pairs(self) -> float:
        return self.conflicting_pairs / self.pairs

    @property
    def by_chance(self) -> float:
        """`of_looks` where no gradients have anything in common: each pair then conflicts in half of the looks."""
        return self._by_chance / self.looks

    def add(self, cosines: Sequence[float]) -> None:
        """Counts a look."""
        negative = sum(cosine < 0 for cosine in cosines)
        self.looks += 1
        self.conflicting_looks += negative > 0
        self.pairs += len(cosines)
        self.conflicting_pairs += negative
        self._by_chance += 1 - 0.5 ** len(cosines)


def shares(rows: Iterable[Mapping[str, str]], counted: dict[str, Share] | None = None) -> dict[str, Share]:
    """How often tasks conflicted, by stage.

    Args:
        rows: of `conflict.csv`, those of a look one after the other.
        counted: what is added to; by default nothing was counted so far.
    """
    counted = {} if counted is None else counted
    for (_, stage), look in itertools.groupby(rows, lambda row: (row["step"], row["stage"])):
        counted.setdefault(stage, Share()).add([float(row["cosine"]) for row in look])
    return counted


def read_rows(path: pathlib.Path) -> list[dict[str, str]]:
    """The rows of a `conflict.csv` by column; none where there is no file. Raises UserError where it is damaged."""
    if not path.is_file():
        return []
    rows = read_csv(path, COLUMNS[: COLUMNS.index("magnitude")])  # Older files have no more.
    for line, row in enumerate(rows, 2):
        for name, text in row.items():
            if name in NUMBERS and not _is_number(text, name):
                raise UserError(f"{path} is damaged: line {line}: {name} must be a number. Received: {text[:40]!r}")
    return rows


def _is_number(text: str, name: str) -> bool:
    if name == "step":
        return is_whole(text)
    try:
        float(text or 0)
    except ValueError:
        return False
    return True


def place_of(row: Mapping[str, str]) -> Place:
    """The stage and the two tasks of a row of `conflict.csv`."""
    return row["stage"], row["task"], row["other"]


def gather(
    rows: Iterable[Mapping[str, str]], gathered: dict[Place, list[tuple[float, ...]]] | None = None
) -> dict[Place, list[tuple[float, ...]]]:
    """What `cosine_without_noise` takes, by stage and pair of tasks.

    Args:
        rows: of `conflict.csv`.
        gathered: what is added to; by default nothing.
    """
    gathered = {} if gathered is None else gathered
    for row in rows:
        gathered.setdefault(place_of(row), []).append(products_of(row))
    return gathered


def rows_of(step: int, tasks: Sequence[str], seen: Mapping[str, Products], chosen) -> Iterator[dict[str, str]]:
    """The rows of a look.

    Args:
        step: its number.
        tasks: their names, in the order of the matrices.
        seen: by part, as `ConflictMeter.look` gives it.
        chosen: the weighting's weights [tasks]; None for one that chooses none.
    """
    weights = [""] * len(tasks) if chosen is None else [_text(weight) for weight in chosen]
    for part, (batch, signal) in seen.items():
        magnitudes, cosines, similarities = agreement(batch)
        for one, other in itertools.combinations(range(len(tasks)), 2):
            if np.isfinite(cosines[one, other]):
                values = (cosines[one, other], similarities[one, other], magnitudes[one], magnitudes[other])
                products = (signal[one, other], signal[one, one], signal[other, other])
                named = (str(step), part, tasks[one], tasks[other])
                row = (*named, *map(_text, values), weights[one], weights[other], *map(_text, products))
                yield dict(zip(COLUMNS, row, strict=True))


def _text(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.6g}"
