"""Predictions for what was read, in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import PIL.Image

from keras_mtl.serving.reading import Look

Predict = Callable[[Sequence[PIL.Image.Image]], list[dict]]
"""From RGB images to one dict each, as `ExportedModel.readable` gives them."""


def predict_looks(looks: Iterable[Look], predict: Predict, batch_size: int) -> Iterator[tuple[Look, list[dict]]]:
    """Each look with its entries, in order: one for each image that the model saw, or one with an `error`.

    Args:
        looks: what was read.
        predict: the model.
        batch_size: images at once, or somewhat more where a photo has several faces.
    """
    batch: list[Look] = []
    for look in looks:
        batch.append(look)
        if sum(len(one.images) for one in batch) >= batch_size or len(batch) >= batch_size:
            yield from _predict_batch(batch, predict)
            batch = []
    yield from _predict_batch(batch, predict)


def _predict_batch(batch: Sequence[Look], predict: Predict) -> Iterator[tuple[Look, list[dict]]]:
    images = [image for look in batch for image in look.images]
    answers = iter(predict(images))
    for look in batch:
        if look.error:
            yield look, [{**look.shot.told, "error": look.error}]
        else:
            yield look, [{**look.shot.told, **told, **next(answers)} for told in look.told]
