"""Near duplicates: the same photo at another size, crop, compression, brightness, or mirrored.

Two steps, as in copy detection at large (Douze et al. 2021, "The 2021 Image Similarity Dataset and Challenge",
arXiv:2106.09672: a global descriptor finds candidates, a local comparison decides). The descriptor is the 63 lowest
cosine coefficients of a 16x16 picture, each times its frequency, which is how the picture's gradient is made up, of
length 1. Candidates are nearest neighbours in an inverted file (Sivic and Zisserman 2003, "Video Google"; Johnson et
al. 2017, arXiv:1702.08734): the pictures are in lists of about 200, and only the 12 lists nearest to what is asked for
are searched, a list at once for all that ask it. Each image asks for itself, for eighteen crops of it, and for the
mirror images of all these. A candidate counts where the fine structure agrees as well, because aligned faces all look
alike when small: the normalised cross-correlation of the two pictures without their coarse shading, best over shifts
and small changes of scale. It is computed at half size first, and no further where that is low.
"""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import cv2
import faiss
import numpy as np

from keras_mtl.cores import count_cores
from keras_mtl.data.audit import THRESHOLD
from keras_mtl.values import check_number

_CANDIDATE = 0.8  # Cosine of the descriptors from which the fine structure is looked at.
_NEIGHBOURS = 8
_LIST, _SEARCHED = 200, 12  # Pictures in a list on average, and lists that are searched.
_SMALL, _FREQUENCIES = 16, 8
# Share of the picture, and what of the rest lies left of and above it.
_CROPS = ((1.0, 0.0, 0.0), *((share, left, top) for share in (0.9, 0.8) for left in (0, 0.5, 1) for top in (0, 0.5, 1)))
_SCALES = (0.94, 1.0, 1.06)
# Scales tried at half size, and the share of the threshold that their best has to reach.
_HALF_SIZE = (((1.0,), 0.6), (_SCALES, 0.78))
_FLAT = 1.0  # Standard deviation in grey levels below which a picture shows nothing.
_CHUNK = 1024


class Pair(NamedTuple):
    """Two pictures that are one.

    Attributes:
        first, second: positions, `first` below `second`.
        similarity: correlation of the fine structure, up to 1.
        mirrored: one is the other's mirror image.
    """

    first: int
    second: int
    similarity: float
    mirrored: bool


def near_duplicates(grey: np.ndarray, threshold: float = THRESHOLD) -> list[Pair]:
    """Pairs of pictures that show the same photo.

    Pictures that are nearly of one grey are passed over. Where more than 8 pictures are one, not all their pairs are
    found, but chains of pairs still connect them.

    Args:
        grey: uint8 [n, 64, 64].
        threshold: 0 to 1, see `THRESHOLD`.

    Returns:
        The pairs, sorted; the same for the same pictures.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> grey = rng.integers(0, 256, [3, 64, 64], np.uint8)
        >>> grey[2] = grey[0][:, ::-1]
        >>> [(pair.first, pair.second, pair.mirrored) for pair in near_duplicates(grey)]
        [(0, 2, True)]
    """
    check_number("threshold", threshold, low=0.0, high=1.0)
    spread = [grey[start : start + _CHUNK].std(axis=(1, 2)) for start in range(0, len(grey), _CHUNK)]
    shown = np.flatnonzero(np.concatenate([np.zeros(0), *spread]) > _FLAT)
    if len(shown) < 2:
        return []
    grey = grey[shown]
    chunks = [slice(start, start + _CHUNK) for start in range(0, len(grey), _CHUNK)]
    # One thread of faiss in each of ours: a chunk's result then doesn't depend on how many there are.
    with ThreadPoolExecutor(count_cores(), initializer=faiss.omp_set_num_threads, initargs=(1,)) as pool:
        wholes = np.concatenate(list(pool.map(lambda chunk: _descriptors(grey[chunk], _CROPS[:1])[:, 0], chunks)))
        lists = pool.submit(_lists, wholes).result()
        halves = np.concatenate(list(pool.map(lambda chunk: _halves(grey[chunk]), chunks)))
        scored = list(pool.map(lambda chunk: _scored(grey, halves, chunk, lists, threshold), chunks))
    best: dict[tuple[int, int], Pair] = {}
    for asking, found, similarity, mirrored in itertools.chain.from_iterable(scored):
        first, second = sorted((int(shown[asking]), int(shown[found])))
        known = best.get((first, second))
        if known is None or similarity > known.similarity:
            best[first, second] = Pair(first, second, round(similarity, 4), mirrored)
    return [best[key] for key in sorted(best)]


class _Lists(NamedTuple):
    """All pictures, in lists of like ones.

    Attributes:
        centres: faiss index of what the lists' descriptors are near to.
        members: positions of the pictures in each list.
        wholes: float32 [n, 64], descriptors of all pictures.
    """

    centres: faiss.Index
    members: list[np.ndarray]
    wholes: np.ndarray


def _lists(wholes: np.ndarray) -> _Lists:
    """Lists around the centres that spherical k-means finds; its seed is fixed."""
    count = max(1, len(wholes) // _LIST)
    means = faiss.Kmeans(
        wholes.shape[1], count, niter=10, spherical=True, min_points_per_centroid=1, max_points_per_centroid=64
    )
    means.train(wholes)
    nearest = means.index.search(wholes, 1)[1][:, 0]
    order = np.argsort(nearest, kind="stable")
    return _Lists(means.index, np.split(order, np.searchsorted(nearest[order], np.arange(1, count))), wholes)


def _search(lists: _Lists, views: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each of the views, float32 [m, 64], up to 8 likest pictures: their cosines, the view, the picture."""
    searched = lists.centres.search(views, min(_SEARCHED, len(lists.members)))[1]
    order = np.argsort(searched, axis=None, kind="stable")
    starts = np.searchsorted(searched.ravel()[order], np.arange(1, len(lists.members)))
    hits = []
    for asking, members in zip(np.split(order // searched.shape[1], starts), lists.members, strict=True):
        if len(asking) and len(members):
            cosines, found = faiss.knn(
                views[asking], lists.wholes[members], min(_NEIGHBOURS, len(members)), faiss.METRIC_INNER_PRODUCT
            )
            row, column = np.nonzero(cosines >= _CANDIDATE)
            hits.append((cosines[row, column], asking[row], members[found[row, column]]))
    cosines, asking, found = (np.concatenate(parts) for parts in zip(*hits, strict=True))
    order = np.lexsort([found, -cosines, asking])
    place = np.arange(len(order)) - np.searchsorted(asking[order], asking[order])
    order = order[place < _NEIGHBOURS]
    return cosines[order], asking[order], found[order]


def _scored(
    grey: np.ndarray, halves: np.ndarray, chunk: slice, lists: _Lists, threshold: float
) -> list[tuple[int, int, float, bool]]:
    """(asking, found, similarity, mirrored) of those candidates of a chunk of pictures that are similar."""
    similar = []
    last, whole = -1, np.zeros(0)
    for asking, found, share, mirrored in _candidates(grey[chunk], chunk.start, lists):
        half = halves[asking], halves[found], share, mirrored
        if any(_similarity(*half, scales) < least * threshold for scales, least in _HALF_SIZE):
            continue
        if asking != last:
            last, whole = asking, _fine(grey[asking])
        similarity = _similarity(whole, _fine(grey[found]), share, mirrored, _SCALES)
        if similarity >= threshold:
            similar.append((asking, found, similarity, mirrored))
    return similar


def _candidates(grey: np.ndarray, start: int, lists: _Lists) -> list[tuple[int, int, float, bool]]:
    """(asking, found, share, mirrored): a view of the asking picture is like the whole of the found one.

    Args:
        grey: the asking pictures.
        start: position of the first of them among all.
        lists: of all.

    Returns:
        A pair once, with the view that is most alike.
    """
    views = _descriptors(grey, _CROPS)
    # Half of a mirror image's coefficients, those of odd frequency from left to right, change their sign.
    sign = np.tile(np.where(np.arange(_FREQUENCIES) % 2, -1, 1), _FREQUENCIES).astype(np.float32)
    views = np.concatenate([views, views * sign], axis=1)
    cosines, asking, found = _search(lists, views.reshape(-1, views.shape[-1]))
    asking, view = np.divmod(asking, views.shape[1])
    other = found != start + asking
    cosines, asking, view, found = cosines[other], asking[other], view[other], found[other]
    order = np.lexsort([view, -cosines, found, asking])
    asking, view, found = asking[order], view[order], found[order]
    likest = np.ones(len(order), bool)
    likest[1:] = (asking[1:] != asking[:-1]) | (found[1:] != found[:-1])
    return [
        (start + int(one), int(other), _CROPS[which % len(_CROPS)][0], bool(which >= len(_CROPS)))
        for one, other, which in zip(asking[likest], found[likest], view[likest], strict=True)
    ]


def _descriptors(grey: np.ndarray, crops: tuple[tuple[float, float, float], ...]) -> np.ndarray:
    """float32 [n, crops, 64]: of each of those crops of each picture; the first number is 0."""
    whole = grey.astype(np.float32)
    frequency = np.arange(_FREQUENCIES)
    weight = np.hypot(frequency[:, None], frequency).astype(np.float32)
    views = np.empty([len(grey), len(crops), _FREQUENCIES, _FREQUENCIES], np.float32)
    for i, (share, left, top) in enumerate(crops):
        rows, columns = (_cosines(grey.shape[1], share, where) for where in (top, left))
        views[:, i] = weight * (rows @ (whole @ columns.T))
    flat = views.reshape(len(grey), len(crops), -1)
    return flat / np.maximum(np.linalg.norm(flat, axis=2, keepdims=True), 1e-6)


def _cosines(side: int, share: float, where: float) -> np.ndarray:
    """float32 [8, side]: makes a row of pixels a crop of it, 16 pixels of that, and their lowest frequencies."""
    cropped = round(side * share)
    edges = round((side - cropped) * where) + np.linspace(0, cropped, _SMALL + 1)[:, None]
    covered = np.diff(np.clip(edges - np.arange(side), 0, 1), axis=0)
    cosines = np.cos(np.pi / _SMALL * np.arange(_FREQUENCIES)[:, None] * (np.arange(_SMALL) + 0.5))
    cosines[0] /= np.sqrt(2)
    return (cosines @ covered).astype(np.float32)


def _similarity(
    asking: np.ndarray, found: np.ndarray, share: float, mirrored: bool, scales: tuple[float, ...]
) -> float:
    """Correlation of the found picture's inner part with where it fits the asking one best, -1 to 1.

    Both without coarse shading, float32, square.
    """
    whole = np.ascontiguousarray(asking[:, ::-1]) if mirrored else asking
    best = -1.0
    for scale in scales:
        side = round(len(found) * share * scale)
        resized = cv2.resize(
            found, (side, side), interpolation=cv2.INTER_AREA if side < len(found) else cv2.INTER_LINEAR
        )
        edge = round(side * 0.15)
        inner = resized[edge : side - edge, edge : side - edge]
        best = max(best, float(cv2.matchTemplate(whole, inner, cv2.TM_CCOEFF_NORMED).max()))
    return best


def _halves(grey: np.ndarray) -> np.ndarray:
    """float32 [n, height / 2, width / 2]: the fine structure of pictures at half their size."""
    size = grey.shape[2] // 2, grey.shape[1] // 2
    return np.stack([cv2.resize(_fine(picture), size, interpolation=cv2.INTER_AREA) for picture in grey])


def _fine(picture: np.ndarray) -> np.ndarray:
    """The picture without noise of a pixel and without shading wider than some pixels."""
    smooth = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 0.7)
    return smooth - cv2.GaussianBlur(smooth, (0, 0), 3)
