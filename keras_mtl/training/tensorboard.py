"""TensorBoard: scalars by task, sample images with predictions, settings, weights."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterable, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw
from tensorboard.plugins.hparams import api as hparams

from keras_mtl.kinds import kind_of
from keras_mtl.names import owner_of
from keras_mtl.tasks import Task

SAMPLES = 6
EVERY = 20  # steps between two points of a training curve


class TensorBoardByTask(keras.callbacks.Callback):
    """Writes `<task>/<metric>` and the like to `logs/train` and `logs/validation`, over the training's steps.

    Args:
        directory: the run's `logs/`.
        tasks: by name.
        samples: `SplitData` of the validation split, some of whose images are shown with predictions.
        settings: what HParams shows, plain values by name.
        histograms: whether to write histograms of the weights at the end of each epoch.
    """

    def __init__(
        self,
        directory: pathlib.Path,
        tasks: Mapping[str, Task],
        samples: Sequence,
        settings: Mapping[str, object],
        histograms: bool = False,
    ):
        super().__init__()
        self.directory = pathlib.Path(directory)
        self.tasks = tasks
        self.samples = samples
        self.settings = settings
        self.histograms = histograms

    def on_train_begin(self, logs=None):
        self._writers = {
            name: tf.summary.create_file_writer(str(self.directory / name)) for name in ("train", "validation")
        }
        with self._writers["validation"].as_default():
            hparams.hparams(dict(self.settings))

    @property
    def train_writer(self):
        """The summary writer of `logs/train` while a training goes on; there is to be only one a folder."""
        return self._writers["train"]

    def on_train_batch_end(self, batch, logs=None):
        step = int(self.model.optimizer.iterations)
        if step % EVERY == 0:
            self._write("train", {**logs, "learning_rate": float(self.model.optimizer.learning_rate)}, step)

    def on_epoch_end(self, epoch, logs=None):
        step = int(self.model.optimizer.iterations)
        self._write("train", {name: value for name, value in logs.items() if not name.startswith("val_")}, step)
        validation = {name[len("val_") :]: value for name, value in logs.items() if name.startswith("val_")}
        self._write("validation", validation, step)
        with self._writers["validation"].as_default(step):
            for data in self.samples:
                tf.summary.image(f"samples/{data.source}", self._sample_sheet(data)[None], step=step)
        if self.histograms:
            with self._writers["train"].as_default(step):
                for variable in self.model.trainable_variables:
                    tf.summary.histogram(f"weights/{variable.path}", variable.value)
        for writer in self._writers.values():
            writer.flush()

    def on_train_end(self, logs=None):
        for writer in self._writers.values():
            writer.close()

    def _write(self, writer: str, figures: Mapping[str, float], step: int) -> None:
        with self._writers[writer].as_default(step):
            for tag, value in by_tag(figures, self.tasks).items():
                tf.summary.scalar(tag, value)

    def _sample_sheet(self, data) -> np.ndarray:
        """Some images of a source with label and prediction under each, uint8 `[height, width, 3]`."""
        # Spread over the source, since its order is often that of the labels.
        chosen = np.unique(np.linspace(0, len(data.keys) - 1, SAMPLES).round().astype(int))
        images = np.asarray(data.images[chosen])
        decoded = {
            name: np.asarray(value) for name, value in self.model.decode(self.model(images, training=False)).items()
        }
        tile, line = 128, 12
        sheet = Image.new("RGB", (tile * len(images), tile + line * len(self.tasks)), "white")
        draw = ImageDraw.Draw(sheet)
        for column, image in enumerate(images):
            sheet.paste(Image.fromarray(image).resize((tile, tile)), (column * tile, 0))
            for row, (name, task) in enumerate(self.tasks.items()):
                label = data.labels[name][chosen[column]] if name in data.labels else np.nan
                text = f"{name} {kind_of(task).readable(decoded[name][column])}"
                if not np.isnan(label):
                    text += f" (is {kind_of(task).readable(label)})"
                draw.text((column * tile + 2, tile + row * line), text, fill="black")
        return np.asarray(sheet)


def by_tag(figures: Mapping[str, float], tasks: Iterable[str]) -> dict[str, float]:
    """The logs of a step or an epoch under the tags that they have in TensorBoard: `age_mae` as `age/mae`, say.

    Args:
        figures: as Keras names them, without "val_".
        tasks: the names of the model's tasks.
    """
    tasks = list(tasks)
    tags = {}
    for name, value in figures.items():
        task = owner_of(name, tasks)
        tags[name if task is None else f"{task}/{name[len(task) + 1 :]}"] = float(value)
    return tags


def plain_settings(config) -> dict[str, object]:
    """A config as HParams takes it: numbers, switches and texts."""
    return {
        name: ",".join(str(element) for element in value) if isinstance(value, tuple) else value
        for name, value in dataclasses.asdict(config).items()
        if value is not None and name not in ("workdir", "cache_dir", "resume")
    }
