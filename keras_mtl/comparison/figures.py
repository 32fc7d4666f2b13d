"""Every net's figures for a task on the same images, with and without each part of them."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from keras_mtl.comparison.cells import Row
from keras_mtl.comparison.results import Results
from keras_mtl.errors import UserError
from keras_mtl.evaluation.crossed import Crossed, crossed, number_parts
from keras_mtl.evaluation.metrics import metrics_for
from keras_mtl.evaluation.predictions import clusters_of, labels_and_predictions
from keras_mtl.tasks import Task

KEY = ["source", "image", "number"]


class Figures:
    """The metrics of every net of a comparison, by task and row.

    Images of one cluster in any net's predictions are in one part for all nets and tasks, so that figures of several
    tasks, delta-m for one, can be reckoned without it.

    Args:
        results: the comparison.

    Attributes:
        images: labelled images of the split by task.
        of: by task and row, `crossed` figures by metric; empty for a task that no image is labelled for.

    Raises:
        UserError: two nets were scored on different images or labels of a task.
    """

    def __init__(self, results: Results):
        self.results = results
        self._predictions = functools.cache(results.predictions)  # Each file is of several tasks, and of `_parts`.
        self._parts = _parts([self._predictions(row, results.seeds[0]) for row in results.rows])
        self.images: dict[str, int] = {}
        self.of: dict[str, dict[Row, dict[str, Crossed]]] = {}
        for task in results.tasks.values():
            self.images[task.name], self.of[task.name] = self._of_task(task)

    def _of_task(self, task: Task) -> tuple[int, dict[Row, dict[str, Crossed]]]:
        common: pd.Series | None = None
        figures = {}
        for row in self.results.rows:
            if task.name not in self.results.tasks_of(row):
                continue
            predictions = []
            for seed in self.results.seeds:
                frame = self._labelled(self._predictions(row, seed), task)
                common = frame[task.name] if common is None else common
                _check_same(common, frame[task.name], task, f"{row.title} with seed {seed}")
                labels, predicted = labels_and_predictions(frame, task)
                predictions.append(predicted)
            if len(labels):
                parts = self._parts.reindex(frame.index).to_numpy()
                count = int(self._parts.max()) + 1
                figures[row] = crossed(metrics_for(task), labels, predictions, parts, count)
        return 0 if common is None else len(common), figures

    def _labelled(self, frame: pd.DataFrame, task: Task) -> pd.DataFrame:
        """The labelled images by name: the same order for all nets."""
        return _keyed(frame[frame[task.name].notna()]).sort_index()


def _keyed(frame: pd.DataFrame) -> pd.DataFrame:
    """By source, name and, where a source lists an image twice, number."""
    number = frame.groupby(["source", "image"]).cumcount()
    return frame.assign(number=number).set_index(KEY)


def _parts(predictions: Sequence[pd.DataFrame]) -> pd.Series:
    """The part that each image is left out with, by `KEY`: those that any net's predictions have in one cluster."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    frames = [_keyed(frame) for frame in predictions]
    # The same image has one number in each frame, whichever of its labels the net knows.
    index = pd.MultiIndex.from_tuples(list(dict.fromkeys(key for frame in frames for key in frame.index)), names=KEY)
    images, clusters, first = [], [], len(index)
    for frame in frames:
        numbers = clusters_of(frame)
        images.append(index.get_indexer(frame.index))
        clusters.append(first + numbers)
        first += int(numbers.max(initial=-1)) + 1
    pairs = np.concatenate(images), np.concatenate(clusters)
    _, together = connected_components(coo_array((np.ones(len(pairs[0])), pairs), shape=(first, first)), directed=False)
    return pd.Series(number_parts(together[: len(index)]), index)


def _check_same(ours: pd.Series, theirs: pd.Series, task: Task, net: str) -> None:
    """Raises UserError where two nets were not scored on the same images with the same labels."""
    if ours.index.equals(theirs.index) and (ours.to_numpy() == theirs.to_numpy()).all():
        return
    different = ours.index.symmetric_difference(theirs.index)
    if len(different):
        what = f"{len(ours)} and {len(theirs)} labelled images, {different[0][1]} in one of them only"
    else:
        what = f"other labels, for instance of {ours.index[int(np.argmax(ours.to_numpy() != theirs.to_numpy()))][1]}"
    raise UserError(
        f"The nets were not scored on the same images of {task.name} ({what}, in {net}): "
        "remove the predictions/ of all cells and compare again"
    )
