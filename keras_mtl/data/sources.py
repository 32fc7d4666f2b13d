"""The registry of kinds of sources, and `--sources` read into sources."""

from __future__ import annotations

import itertools
import logging
import os
import pathlib
from collections.abc import Sequence

from keras_mtl.data.builders.catalogue import CATALOGUE
from keras_mtl.data.class_folders import ClassFolders
from keras_mtl.data.columns import check_options, read_options
from keras_mtl.data.drawn import DrawnFaces
from keras_mtl.data.genki4k import Genki4k
from keras_mtl.data.parquet import ParquetSource
from keras_mtl.data.prepared import CatalogueSource
from keras_mtl.data.shards import ShardSource
from keras_mtl.data.smiles import Smiles
from keras_mtl.data.source import MissingPath, Source
from keras_mtl.data.table import TableFile
from keras_mtl.data.tabular import CsvSource, JsonLinesSource
from keras_mtl.data.utkface import UtkFace
from keras_mtl.errors import UserError
from keras_mtl.tasks import Task

KINDS: dict[str, type[Source]] = {
    "classes": ClassFolders,
    "csv": CsvSource,
    "drawn": DrawnFaces,
    "genki4k": Genki4k,
    "jsonl": JsonLinesSource,
    "parquet": ParquetSource,
    "shards": ShardSource,
    "smiles": Smiles,
    "utkface": UtkFace,
}

GROUPS = {"drawn": ("age=drawn:", "gender=drawn:", "smile=drawn:")}
"""Names that stand for several entries."""

FORMAT = "TASK[+TASK...]=KIND:PATH"

log = logging.getLogger(__name__)


def parse_sources(
    entries: Sequence[str], tasks: dict[str, Task], data_dir: str | pathlib.Path | None = None
) -> list[Source]:
    """The sources that the entries ask for.

    Args:
        entries: each `TASK[+TASK...]=KIND:PATH`, or the name of a group in `GROUPS`. A source is named after
            its kind and its tasks, `csv_age` for instance; a second one of that name is `csv_age_2`.
        tasks: the wanted tasks by name. What an entry labels besides is dropped, and an entry that labels
            none of them is dropped as a whole.
        data_dir: where relative paths start; None or empty for $KERAS_MTL_DATA, and the working directory
            where that isn't set either.

    Raises:
        UserError: a malformed entry, an unknown kind, a path with nothing usable, or a wanted task that no
            entry labels. TensorFlow isn't imported to find that out.

    Example:
        >>> from keras_mtl import tasks
        >>> [source.name for source in parse_sources(["drawn"], tasks.select_tasks(["age", "smile"]))]
        ['drawn_age', 'drawn_smile']
    """
    base, origin = _base(data_dir)
    sources: list[Source] = []
    taken: set[str] = set()
    for entry in itertools.chain.from_iterable(GROUPS.get(text.strip(), (text.strip(),)) for text in entries):
        names, kind, make, path = _parse_entry(entry)
        name = "_".join((kind, *names))
        # A task may well be called "age_2".
        numbered = (f"{name}_{number}" for number in itertools.count(2))
        name = next(free for free in itertools.chain([name], numbered) if free not in taken)
        taken.add(name)
        wanted = {task: tasks[task] for task in names if task in tasks}
        if not wanted:
            log.info("Source %s is not used: it labels none of the tasks %s", entry, ", ".join(tasks))
            continue
        try:
            sources.append(make(name, wanted, os.path.expanduser(path), base=base))
        except MissingPath as error:
            raise UserError(f"{error}; {origin}") from None
    for task in tasks:
        if not any(task in source.tasks for source in sources):
            raise UserError(
                f"No source labels the task {task!r}. Received: {', '.join(entries) or 'no source'}; "
                f"add one in the form {FORMAT}"
            )
    return sources


def _parse_entry(entry: str) -> tuple[list[str], str, type[Source], str]:
    """The tasks, the name of the kind or builder, the source's class, and the path that it takes."""
    left, equals, right = entry.partition("=")
    kind, colon, path = right.partition(":")
    names = [name.strip() for name in left.split("+")]
    if not equals or not all(names):
        raise UserError(f"A source must be {FORMAT} or one of {', '.join(GROUPS)}. Received: {entry!r}")
    if len(set(names)) != len(names):
        raise UserError(f"Source {entry!r} names a task twice")
    if not colon:
        return names, right.strip(), _find_builder(entry, names, right.strip()), right.strip()
    if kind not in KINDS:
        raise UserError(f"Unknown kind of source {kind!r} in {entry!r}; known kinds: {', '.join(KINDS)}")
    if issubclass(KINDS[kind], TableFile):
        check_options(read_options(path)[1], names)
    offers = KINDS[kind].offers
    for name in names:
        if offers and name not in offers:
            raise UserError(f"A {kind} source labels {' and '.join(offers)}, not {name!r}. Received: {entry!r}")
    return names, kind, KINDS[kind], path.strip()


def _find_builder(entry: str, names: list[str], builder: str) -> type[Source]:
    """The class for an entry without a colon: the name of a data set, which is its path as well."""
    if builder not in CATALOGUE:
        raise UserError(
            f"A source must be {FORMAT}, TASK[+TASK...]=BUILDER or one of {', '.join(GROUPS)}. Received: {entry!r}; "
            f"known kinds: {', '.join(KINDS)}; known builders: {', '.join(CATALOGUE)}"
        )
    offers = tuple(CATALOGUE[builder].labels)
    for name in names:
        if name not in offers:
            raise UserError(f"{builder} labels {' and '.join(offers)}, not {name!r}. Received: {entry!r}")
    return CatalogueSource


def _base(data_dir: str | pathlib.Path | None) -> tuple[pathlib.Path | None, str]:
    """Where relative paths start, and a half-sentence that says why there."""
    given, by = (data_dir, "--data_dir") if data_dir else (os.environ.get("KERAS_MTL_DATA"), "KERAS_MTL_DATA")
    if not given:
        return None, f"looked from the working directory {os.getcwd()}, since --data_dir and KERAS_MTL_DATA are not set"
    base = pathlib.Path(given).expanduser()
    if data_dir and not base.is_dir():
        raise UserError(f"--data_dir must be a folder that exists. Received: {str(given)!r}")
    return base, f"looked from {by}={given}"
