"""Which images of a split are drawn together when its figures are resampled: all of one person, all of one photo.

Resamples that draw every image by itself take 28 pictures of each of 57 people for 1,596 people, and their intervals
are far too narrow; whole clusters are to be drawn (Field and Welsh, Bootstrapping clustered data, Journal of the Royal
Statistical Society B 69, 2007). One cluster are images of one file, images of whom any source says that they show one
person, as `Sides` joins them, and images that are the same photo as the audit says: the same to the pixel, or near
duplicates. A chain of these is one cluster too. Drawn faces are each drawn anew, and looked at by name alone.

Looking for the same photo takes about 2 ms an image. What was found is kept in the cache folder, so that the nets of
a comparison share it.
"""

from __future__ import annotations

import hashlib
import logging
import pathlib
import time
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from keras_mtl.data import cache as pixel_cache
from keras_mtl.data.audit import THRESHOLD
from keras_mtl.data.sides import Sides
from keras_mtl.data.source import Source, digest
from keras_mtl.files import read_json, write_json

if TYPE_CHECKING:
    from keras_mtl.data.splits import SplitData

log = logging.getLogger(__name__)

_VERSION = 1  # Of what `_same_photos` finds: another one finds anew.


def find_clusters(
    sides: Sides, data: Sequence[SplitData], cache_dir: str | pathlib.Path | None = None, mode: str = "memory"
) -> list[np.ndarray]:
    """The clusters of a split's images.

    Args:
        sides: of all sources that the split is of.
        data: the split, one entry for each source.
        cache_dir: where what was found is kept; None for `cache.default_folder()`.
        mode: as for `load_pixels`; "none" leaves the disk alone.

    Returns:
        For each entry int64 [its images]: numbers from 0, in the order in which they first appear over all entries.
    """
    sources = {source.name: source for source in sides.sources}
    people: dict[object, int] = {}
    whose = np.array(
        [
            people.setdefault(person, len(people))
            for part in data
            for person in sides.people(sources[part.source], part.keys)
        ],
        np.int64,
    )
    starts = np.cumsum([0, *(len(part.keys) for part in data)])
    photos = [
        (sources[part.source], part, start)
        for part, start in zip(data, starts[:-1], strict=True)
        if not sources[part.source].drawn
    ]
    place = np.concatenate([np.zeros(0, np.int64), *(start + np.arange(len(part.keys)) for _, part, start in photos)])
    pairs = whose[place[_same_photos([(source, part) for source, part, _ in photos], cache_dir, mode)]]
    return np.split(_connected(len(people), pairs)[whose], starts[1:-1])


def _connected(count: int, pairs: np.ndarray) -> np.ndarray:
    """int64 [count]: the same number for nodes that pairs, int [m, 2], connect; numbered as they first appear."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    graph = coo_matrix((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    found = connected_components(graph, directed=False)[1]
    _, first, inverse = np.unique(found, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].astype(np.int64)


def _same_photos(
    photos: Sequence[tuple[Source, SplitData]], cache_dir: str | pathlib.Path | None, mode: str
) -> np.ndarray:
    """int64 [m, 2]: pairs of positions, over all parts, that connect images of one photo; from the cache, or found."""
    count = sum(len(part.keys) for _, part in photos)
    if mode == "none" or count < 2:
        return _find_photos(photos, cache_dir, mode)
    from keras_mtl.data.audit.pictures import SIDE

    facts = [text for source, part in photos for text in (source.fingerprint(part.keys, SIDE), *part.keys)]
    name = f"photos-{digest([f'{_VERSION} {THRESHOLD}', *facts])}.json"
    path = pathlib.Path(cache_dir or pixel_cache.default_folder()).expanduser() / name
    pairs = _read(path, count)
    if pairs is None:
        start = time.monotonic()
        pairs = _find_photos(photos, cache_dir, mode)
        log.info("%d images searched for the same photo in %.1f s", count, time.monotonic() - start)
        try:
            write_json(path, {"pairs": pairs.tolist(), "crc32": zlib.crc32(pairs.tobytes())})
        except OSError as error:
            log.warning("%s can't be written (%s): the next scoring searches again", path, error.strerror)
    return pairs


class _Pairs(TypedDict):
    pairs: list[list[int]]
    crc32: int


def _read(path: pathlib.Path, count: int) -> np.ndarray | None:
    """The pairs among `count` images in a cache file; None where there is none that is whole."""
    if not path.exists():
        return None
    try:
        facts = read_json(path, _Pairs)
        pairs = np.array(facts["pairs"], np.int64).reshape(-1, 2)
        if zlib.crc32(pairs.tobytes()) == facts["crc32"] and np.all((pairs >= 0) & (pairs < count)):
            return pairs
    except (ValueError, OverflowError):
        pass
    log.warning("The cache file %s is damaged; it is made anew", path)
    return None


def _find_photos(
    photos: Sequence[tuple[Source, SplitData]], cache_dir: str | pathlib.Path | None, mode: str
) -> np.ndarray:
    """The pairs, by hash and by the audit's search; of equal images the first stands for all."""
    if sum(len(part.keys) for _, part in photos) < 2:
        return np.zeros((0, 2), np.int64)
    import cv2

    from keras_mtl.data.audit.near import near_duplicates

    originals: dict[bytes, int] = {}
    equal, grey = [], []
    start = 0
    for source, part in photos:
        pixels, places = _pictures(source, part, cache_dir, mode)
        for picture, place in zip(pixels, places, strict=True):
            original = originals.setdefault(hashlib.sha256(picture).digest(), start + place)
            if original == start + place:
                grey.append(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))
            else:
                equal.append((original, start + place))
        start += len(part.keys)
    position = list(originals.values())
    near = near_duplicates(np.stack(grey)) if grey else []
    return np.array([*equal, *((position[one.first], position[one.second]) for one in near)], np.int64).reshape(-1, 2)


def _pictures(
    source: Source, part: SplitData, cache_dir: str | pathlib.Path | None, mode: str
) -> tuple[np.ndarray, list[int]]:
    """uint8 [n, 64, 64, 3], as the audit's search wants them whatever the net is trained on; and whose they are."""
    from keras_mtl.data.audit.pictures import SIDE

    places = range(len(part.keys))
    if part.images.shape[1] == SIDE:
        return part.images, list(places)
    pixels, bad = pixel_cache.load_pixels(source, part.keys, SIDE, source.fingerprint(part.keys, SIDE), cache_dir, mode)
    return pixels, [i for i in places if i not in bad]
