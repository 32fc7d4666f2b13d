"""Near duplicates: the same photo at another size, crop, compression, brightness, or mirrored.

Two steps, as in copy detection at large (Douze et al. 2021, "The 2021 Image Similarity Dataset and Challenge",
arXiv:2106.09672: a global descriptor finds candidates, a local comparison decides). Candidates are nearest neighbours
of a 16x16 picture, normalised to mean 0 and length 1, in a graph index (HNSW: Malkov and Yashunin 2018,
arXiv:1603.09320) whose cost grows as n log n; each image asks for itself, for eighteen crops of it, and for the mirror
images of all these. A candidate counts where the fine structure agrees as well, because aligned faces all look alike
when small: the normalised cross-correlation of the two pictures without their coarse shading, best over shifts and
small changes of scale.
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

_CANDIDATE = 0.85  # Cosine of the small pictures from which the fine structure is looked at.
_NEIGHBOURS = 8
_SMALL = 16
# Share of the picture, and what of the rest lies left of and above it.
_CROPS = ((1.0, 0.0, 0.0), *((share, left, top) for share in (0.9, 0.8) for left in (0, 0.5, 1) for top in (0, 0.5, 1)))
_SCALES = (0.94, 1.0, 1.06)
_FLAT = 1.0  # Standard deviation in grey levels below which a picture shows nothing.
_CHUNK = 8192


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
    shown = np.flatnonzero(grey.std(axis=(1, 2)) > _FLAT) if len(grey) else np.zeros(0, int)
    best: dict[tuple[int, int], Pair] = {}
    with ThreadPoolExecutor(count_cores()) as pool:
        candidates = _candidates(grey[shown])
        scored = pool.map(
            lambda entry: _similarity(grey[shown[entry[0]]], grey[shown[entry[1]]], *entry[2:]), candidates
        )
        for (asking, found, _, mirrored), similarity in zip(candidates, scored, strict=True):
            first, second = sorted((int(shown[asking]), int(shown[found])))
            known = best.get((first, second))
            if similarity >= threshold and (known is None or similarity > known.similarity):
                best[first, second] = Pair(first, second, round(similarity, 4), mirrored)
    return [best[key] for key in sorted(best)]


def _candidates(grey: np.ndarray) -> list[tuple[int, int, float, bool]]:
    """(asking, found, share, mirrored): a view of the asking picture is like the whole of the found one."""
    if len(grey) < 2:
        return []
    index = faiss.IndexHNSWFlat(_SMALL * _SMALL, 32, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction, index.hnsw.efSearch = 80, 64
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)  # Threads that insert at the same time make another graph each time.
    try:
        for start in range(0, len(grey), _CHUNK):
            index.add(_descriptors(grey[start : start + _CHUNK], _CROPS[0], False))
    finally:
        faiss.omp_set_num_threads(threads)
    best: dict[tuple[int, int], tuple[float, float, bool]] = {}
    for crop, mirrored in itertools.product(_CROPS, (False, True)):
        for start in range(0, len(grey), _CHUNK):
            cosines, found = index.search(_descriptors(grey[start : start + _CHUNK], crop, mirrored), _NEIGHBOURS)
            for row, column in zip(*np.nonzero((cosines >= _CANDIDATE) & (found >= 0)), strict=True):
                pair = (start + int(row), int(found[row, column]))
                cosine = float(cosines[row, column])
                if pair[0] != pair[1] and cosine > best.get(pair, (0.0,))[0]:
                    best[pair] = (cosine, crop[0], mirrored)
    return [(*pair, share, mirrored) for pair, (_, share, mirrored) in sorted(best.items())]


def _descriptors(grey: np.ndarray, crop: tuple[float, float, float], mirrored: bool) -> np.ndarray:
    """float32 [n, 256]: that crop of each picture, small, of mean 0 and length 1."""
    share, left, top = crop
    side = round(grey.shape[1] * share)
    x, y = (round((grey.shape[1] - side) * where) for where in (left, top))
    cropped = grey[:, y : y + side, x : x + side]
    small = np.stack([cv2.resize(one, (_SMALL, _SMALL), interpolation=cv2.INTER_AREA) for one in cropped])
    small = (small[:, :, ::-1] if mirrored else small).reshape(len(grey), -1).astype(np.float32)
    small -= small.mean(axis=1, keepdims=True)
    return np.ascontiguousarray(small / np.maximum(np.linalg.norm(small, axis=1, keepdims=True), 1e-6))


def _similarity(asking: np.ndarray, found: np.ndarray, share: float, mirrored: bool) -> float:
    """Correlation of the found picture's inner part with where it fits the asking one best, -1 to 1."""
    whole = _fine(asking[:, ::-1] if mirrored else asking)
    other = _fine(found)
    best = -1.0
    for scale in _SCALES:
        side = round(len(found) * share * scale)
        resized = cv2.resize(
            other, (side, side), interpolation=cv2.INTER_AREA if side < len(found) else cv2.INTER_LINEAR
        )
        edge = round(side * 0.15)
        inner = resized[edge : side - edge, edge : side - edge]
        best = max(best, float(cv2.matchTemplate(whole, inner, cv2.TM_CCOEFF_NORMED).max()))
    return best


def _fine(picture: np.ndarray) -> np.ndarray:
    """The picture without noise of a pixel and without shading wider than some pixels."""
    smooth = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 0.7)
    return smooth - cv2.GaussianBlur(smooth, (0, 0), 3)
