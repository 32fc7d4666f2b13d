"""How many images of each source a batch holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from keras_mtl.data.splits import SplitData
from keras_mtl.errors import UserError


def images_per_batch(data: Sequence[SplitData], batch_size: int, mix: str | Mapping[str, float]) -> list[int]:
    """The fixed number of images of each source in a batch, by largest remainder, at least one of each.

    Args:
        data: the sources' splits.
        batch_size: the sum of the numbers.
        mix: "size" for each source's share by its number of images, "equal", or ratios by source name.

    Raises:
        UserError: a batch smaller than the number of sources, an unknown mix, or ratios that don't fit the sources.

    Example:
        >>> images_per_batch([SplitData("a", None, ["x"] * 30, {}), SplitData("b", None, ["x"] * 10, {})], 8, "size")
        [6, 2]
    """
    if batch_size < len(data):
        raise UserError(
            f"batch_size must be at least the number of sources, {len(data)}, so that each is in every batch. "
            f"Received: {batch_size}"
        )
    shares = _shares(data, mix)
    quotas = shares * batch_size / shares.sum()
    counts = np.maximum(np.floor(quotas).astype(int), 1)
    while counts.sum() < batch_size:
        counts[np.argmax(quotas - counts)] += 1
    while counts.sum() > batch_size:
        counts[np.argmax(np.where(counts > 1, counts - quotas, -np.inf))] -= 1
    return counts.tolist()


def _shares(data: Sequence[SplitData], mix: str | Mapping[str, float]) -> np.ndarray:
    names = [part.source for part in data]
    if isinstance(mix, Mapping):
        if set(mix) != set(names) or not all(0 < ratio < float("inf") for ratio in mix.values()):
            raise UserError(
                f"mix must have a ratio over 0 for each source and no other: {', '.join(names)}. Received: {dict(mix)}"
            )
        return np.array([mix[name] for name in names], float)
    if mix == "equal":
        return np.ones(len(data))
    if mix == "size":
        return np.array([len(part.keys) for part in data], float)
    raise UserError(f"mix must be size, equal or ratios by source name. Received: {mix!r}")
