"""A split of all sources, ready to be trained on: pixels, labels, and what had to be left out."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import pathlib
from collections.abc import Iterable, Sequence

import numpy as np

from keras_mtl.data import cache as pixel_cache
from keras_mtl.data.clean import Clean
from keras_mtl.data.clusters import find_clusters
from keras_mtl.data.sides import Sides
from keras_mtl.data.source import SPLITS, Bad, Records, Source, digest
from keras_mtl.errors import UserError
from keras_mtl.values import check_number

log = logging.getLogger(__name__)


@dataclasses.dataclass
class SplitData:
    """One split of one source.

    Args:
        source: the source's name.
        images: uint8 [n, height, width, 3], in memory or mapped from the cache file.
        keys: the n images' names.
        labels: {task: float32 [n]}, NaN where an image isn't labelled.
        split: the split's name.
        fingerprint: a hash over the images' pixels, names, order and labels.
        groups: {kind of group: which one each of the n images is in}, None where that is unknown.
        clusters: int64 [n], the same number for images that are drawn together, over all sources of the split, as
            `find_clusters` gives them; None where nobody asked.
    """

    source: str
    images: np.ndarray
    keys: list[str]
    labels: dict[str, np.ndarray]
    split: str = ""
    fingerprint: str = ""
    groups: dict[str, list[str | None]] = dataclasses.field(default_factory=dict)
    clusters: np.ndarray | None = None


def load_split(
    sources: Sequence[Source],
    tasks: Iterable[str],
    split: str,
    *,
    image_size: int,
    cache_dir: str | pathlib.Path | None = None,
    validation_fraction: float = 0.1,
    max_bad_share: float = 0.05,
    cache: str = "auto",
    clean: Clean | None = None,
    clusters: bool = False,
) -> tuple[list[SplitData], list[Bad]]:
    """Loads a split of every source that has it.

    A source without a validation split of its own has one cut off its train split: the images whose files' names'
    hash is among the lowest `validation_fraction` of all hashes, or whose identity's, where any source knows who is
    pictured. What any source validates on none trains on, and all pictures of a person are on one side; `Sides` says
    how. A test split is as it is given: what of it is trained on is told, and left out by `clean` alone.

    Args:
        sources: all of the training, as from `parse_sources`.
        tasks: the names of the wanted tasks.
        split: "train", "validation" or "test".
        image_size: height and width in pixels.
        cache_dir: where decoded pixels are kept; None for `cache.default_folder()`.
        validation_fraction: share of train, from 0 up to but not including 1.
        max_bad_share: the largest share of bad records, by source, that is put up with.
        cache: "memory", "file", "none", or "auto" for memory up to 2 GiB of pixels and the file beyond.
        clean: images to leave out, as from `read_clean`.
        clusters: whether to say which images are of one person or one photo, which takes time.

    Returns:
        One `SplitData` for each source that has the split, in the order of `sources`; and the quarantined records.

    Raises:
        UserError: no source has the split, one has nothing in it, or too much of it is bad; a share out of range.
    """
    if split not in SPLITS:
        raise UserError(f"split must be one of {', '.join(SPLITS)}. Received: {split!r}")
    if not 0 <= validation_fraction < 1:
        raise UserError(f"validation_fraction must be from 0 to below 1. Received: {validation_fraction}")
    check_number("max_bad_share", max_bad_share, low=0.0, high=1.0)
    sides = Sides(sources, validation_fraction, clean)
    found = [(source, sides.records(source, split)) for source in sources]
    parts = [(source, records) for source, records in found if records is not None]
    _check_tasks(sources, [source for source, _ in parts], tasks, split)
    _tell_shared(sides, [source for source, _ in parts], split)
    for source, records in parts:
        _check_share(source.name, split, records, max_bad_share)
    mode = pixel_cache.choose_mode(cache, sum(len(records.images) for _, records in parts), image_size)
    data: list[SplitData] = []
    bad: list[Bad] = []
    for source, records in parts:
        part, records = _load(source, split, records, image_size, cache_dir, mode)
        data.append(part)
        _check_share(source.name, split, records, max_bad_share)
        _tell(source.name, split, records)
        bad += records.bad
    if clusters:
        for part, numbers in zip(data, find_clusters(sides, data, cache_dir, mode), strict=True):
            part.clusters = numbers
    return data, bad


def _load(
    source: Source, split: str, records: Records, size: int, cache_dir: str | pathlib.Path | None, mode: str
) -> tuple[SplitData, Records]:
    """Loads the pixels; in the records that it returns, images that turned out bad are among the bad ones."""
    fingerprint = source.fingerprint(records.images, size)
    pixels, reasons = pixel_cache.load_pixels(source, records.images, size, fingerprint, cache_dir, mode)
    bad = [Bad(source.name, split, records.images[i], reason) for i, reason in sorted(reasons.items())]
    records = records.take([i for i in range(len(records.images)) if i not in reasons], records.bad + bad)
    labels = (f"{task} {values.tobytes().hex()}" for task, values in records.labels.items())
    # Of what is seen, not of when files were written: a set may be copied while a training stands still.
    whole = digest([hashlib.sha256(pixels.data).hexdigest(), *records.images, *labels])
    return SplitData(source.name, pixels, records.images, records.labels, split, whole, records.groups), records


def _check_tasks(sources: Sequence[Source], used: Sequence[Source], tasks: Iterable[str], split: str) -> None:
    """Every task needs training images; in another split one without any is only told."""
    if not used:
        has = "; ".join(f"{source.name} has {', '.join(source.splits())}" for source in sources)
        hint = " (validation_fraction is 0, so none is cut off train)" if split == "validation" else ""
        raise UserError(f"No source has the split {split!r}{hint}: {has}")
    for task in tasks:
        if not any(task in source.tasks for source in used):
            message = f"No source that labels the task {task!r} has the split {split!r}"
            if split == "train":
                raise UserError(f"{message}; add one to --sources or leave the task out of --tasks")
            log.warning("%s: it is left without figures there", message)


def _tell_shared(sides: Sides, sources: Sequence[Source], split: str) -> None:
    """Tells which images of a source are left out of training for another, or tested on all the same."""
    for source in sources:
        if split == "train" and (count := sides.kept_for_others(source)):
            log.warning("%s, train: %d images are left out, since other splits validate on them", source.name, count)
        if split == "test" and not source.drawn and not sides.clean:
            tested = sides.places(source, "test")
            count = sum(map(sides.trained_on().__contains__, tested))
            if count:
                log.warning(
                    "%s, test: %d of %d images are in train or validation as well, of some source: figures on them "
                    "flatter. keras_mtl.audit --write_clean finds them, and copies, and --clean leaves them out",
                    *(source.name, count, len(tested)),
                )


def _check_share(source: str, split: str, records: Records, most: float) -> None:
    bad = [one for one in records.bad if not one.unlabelled]
    total = len(records.images) + len(bad)
    first = f"; the first: {bad[0].name}: {bad[0].reason}" if bad else ""
    if not records.images:
        unlabelled = len(records.bad) - len(bad)
        raise UserError(
            f"Source {source}, split {split}: nothing is left of it ({len(bad)} bad records, "
            f"{unlabelled} without a label){first}"
        )
    if len(bad) > most * total:
        raise UserError(
            f"Source {source}, split {split}: {len(bad)} of {total} records are bad, more than "
            f"max_bad_share={most:g} allows{first}"
        )


def _tell(source: str, split: str, records: Records) -> None:
    total = len(records.images) + len(records.bad)
    log.info("%s, %s: %d images", source, split, len(records.images))
    for what, some in (
        ("bad", [bad for bad in records.bad if not bad.unlabelled]),
        ("without a label for the wanted tasks", [bad for bad in records.bad if bad.unlabelled]),
    ):
        if some:
            log.warning(
                "%s, %s: %d of %d records are %s and left out; the first: %s: %s",
                *(source, split, len(some), total, what, some[0].name, some[0].reason),
            )
