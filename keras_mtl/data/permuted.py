"""Labels that tell nothing: a control for what images and updates do without them."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Sequence

import numpy as np

from keras_mtl.data.splits import SplitData


def permuted(data: SplitData, tasks: Sequence[str], seed: int) -> SplitData:
    """A split with some tasks' labels permuted, each by itself, among the images that have one.

    So a task keeps its labels' distribution and its images, and what an image shows says nothing of its label.

    Args:
        data: the split of one source.
        tasks: whose labels are permuted; those that the source doesn't label are passed over.
        seed: of the permutations; with the source's and the task's name it decides them.

    Returns:
        The same split with other labels.
    """
    labels = dict(data.labels)
    for task in tasks:
        if task in labels:
            known = np.flatnonzero(~np.isnan(labels[task]))
            random = np.random.default_rng([seed, zlib.crc32(f"{data.source}\n{task}".encode())])
            mixed = np.array(labels[task])
            mixed[known] = labels[task][random.permutation(known)]
            labels[task] = mixed
    return dataclasses.replace(data, labels=labels)
