"""Batches of images, labels and sample weights out of the loaded splits."""

from __future__ import annotations

import functools
import time
import zlib
from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_mtl.cores import count_cores
from keras_mtl.data.augment import Augmentation
from keras_mtl.data.mixing import images_per_batch
from keras_mtl.data.splits import SplitData
from keras_mtl.errors import UserError

_PREFETCH = 8  # Batches ready ahead of the consumer: rides out a slow read from a mapped file.


class TrainingBatches:
    """An endless, seeded mix of sources, cut into epochs, that can start anywhere.

    Every batch holds the same number of images of each source (`counts`), in blocks in the order of the sources:
    first those of `data[0]`, then those of `data[1]`, and so on, so that a source's sub-batch is a static slice.
    Each source is a stream of passes over its images, each pass in an order of its own; a batch takes the next
    of every stream. What is in a batch, augmentation included, depends on (seed, epoch, step) and the data
    alone: a run that is resumed at a step sees what the unbroken one would have seen, bit for bit.

    Args:
        data: the sources' train splits, all of one image size.
        tasks: names of the tasks, the keys of labels and sample weights.
        batch_size: images in a batch, at least one for each source.
        mix: "size" for each source's share by its number of images, "equal", or ratios by source name.
        seed: of order and augmentation.
        augment: the random changes of images; None for none.
        steps_per_epoch: batches in an epoch; by default as many as show every image of every source, so that the
            source that takes the longest is seen once and others repeat.

    Attributes:
        counts: images of each source in a batch, in the order of `data`.
        sub_batches: for each source those images' number and the tasks that it labels, as `compile` takes them.
        steps_per_epoch: batches in an epoch.
        epoch: which epoch the next iteration is of. Plain, set by the caller.
        first_step: at which step that iteration starts. Plain, set by the caller.

    Raises:
        UserError: no data, a batch smaller than the number of sources, or an unknown mix.

    Example:
        >>> pixels, ages = np.zeros([6, 8, 8, 3], np.uint8), np.ones(6, np.float32)
        >>> faces = SplitData("faces", pixels, list("abcdef"), {"age": ages})
        >>> batches = TrainingBatches([faces], ["age"], batch_size=2, mix="size", seed=0, augment=None)
        >>> [images.shape[0] for images, labels, sample_weight in batches.dataset()]
        [2, 2, 2]
    """

    def __init__(
        self,
        data: Sequence[SplitData],
        tasks: Sequence[str],
        *,
        batch_size: int,
        mix: str | Mapping[str, float] = "size",
        seed: int = 0,
        augment: Augmentation | None = None,
        steps_per_epoch: int | None = None,
    ):
        if not data:
            raise UserError("No source to make batches of")
        self.data = list(data)
        self.tasks = tuple(tasks)
        self.seed = seed
        self.augment = augment
        self.counts = images_per_batch(self.data, batch_size, mix)
        self.steps_per_epoch = steps_per_epoch or max(
            -(-len(part.keys) // count) for part, count in zip(self.data, self.counts, strict=True)
        )
        self.epoch = 0
        self.first_step = 0
        self._tables = [_label_table(part, self.tasks) for part in self.data]
        self._order = functools.lru_cache(maxsize=2 * len(self.data))(self._permutation)
        self._waited = 0.0

    # Nothing in the datasets branches on tensors, and looking for it takes a good second at every start.
    @tf.autograph.experimental.do_not_convert
    def dataset(self) -> tf.data.Dataset:
        """Batches for `fit`, of cardinality `steps_per_epoch`.

        One iteration yields the steps from `first_step` to the end of `epoch`, as these stand when its first batch
        is asked for, and changes nothing but the time waited. An iteration that starts at a later step is shorter
        than the cardinality says: end `fit`'s epoch after its last step, as `training.fit.EpochEnd` does.

        Returns:
            (images uint8 [batch, height, width, 3], labels {task: float32 [batch]},
            sample_weight {task: float32 [batch]}); where a label is missing both are 0.
        """
        batches = self._positions().map(self._gather)
        if self.augment is not None:
            batches = batches.map(self._augment, num_parallel_calls=2 * count_cores(), deterministic=True)
        batches = self._clocked(batches.prefetch(_PREFETCH))
        batches = batches.map(lambda images, labels: _triple(images, labels, self.tasks))
        options = tf.data.Options()
        options.autotune.enabled = False  # Its thread holds up the end of short epochs, for a quarter of a second.
        # A buffer behind the clock would hide the consumer's wait from it, a parallel clock would run ahead.
        options.experimental_optimization.inject_prefetch = False
        options.experimental_optimization.map_parallelization = False
        return batches.with_options(options)

    @property
    def sub_batches(self) -> list[tuple[int, tuple[str, ...]]]:
        return [
            (count, tuple(task for task in self.tasks if task in part.labels))
            for part, count in zip(self.data, self.counts, strict=True)
        ]

    def follow_epochs(self) -> keras.callbacks.Callback:
        """A callback for `fit` that sets `epoch`; without it every epoch is the first one again."""
        return keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: setattr(self, "epoch", epoch))

    def wait_seconds(self) -> float:
        """Seconds that the consumer has waited for batches since the last call."""
        waited, self._waited = self._waited, 0.0
        return waited

    def indices(self, epoch: int, step: int) -> list[np.ndarray]:
        """Which images of each source are in a batch: int64 [count] for each, in the order of `data`."""
        position = epoch * self.steps_per_epoch + step
        chosen = []
        for source, (part, count) in enumerate(zip(self.data, self.counts, strict=True)):
            places = np.arange(position * count, (position + 1) * count)
            passes, offsets = np.divmod(places, len(part.keys))
            chosen.append(
                np.concatenate([self._order(source, int(p))[offsets[passes == p]] for p in np.unique(passes)])
            )
        return chosen

    def plain_batch(self, epoch: int, step: int):
        """The batch of a step as `dataset` yields it, but without augmentation."""
        images, labels = self._rows(epoch, step)
        return _triple(images, labels, self.tasks)

    def _rows(self, epoch: int, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Images and labels, NaN where one is missing, of a step."""
        chosen = self.indices(epoch, step)
        images = np.concatenate([part.images[rows] for part, rows in zip(self.data, chosen, strict=True)])
        labels = np.concatenate([table[rows] for table, rows in zip(self._tables, chosen, strict=True)])
        return images, labels

    def _permutation(self, source: int, number: int) -> np.ndarray:
        """The order of a source's images in its pass of this number, by the source's name and not its place."""
        part = self.data[source]
        return np.random.default_rng([self.seed, zlib.crc32(part.source.encode()), number]).permutation(len(part.keys))

    def _positions(self) -> tf.data.Dataset:
        """(epoch, step) from the attributes as they stand at the first request, with a finite cardinality."""

        def now(_: np.ndarray) -> np.ndarray:
            return np.array([self.epoch, self.first_step], np.int64)

        def steps(place):
            rest = tf.data.Dataset.range(place[1], self.steps_per_epoch)
            return rest.map(lambda step: tf.stack([place[0], step]))

        some = tf.data.Dataset.from_tensors(0).map(lambda zero: _python(now, [zero], tf.int64, [2])).flat_map(steps)
        # How many steps are left is known only then, and Keras takes an unknown cardinality, once it has counted
        # a short first epoch, for the length of all. A choice between this and an endless dataset, of which
        # the second is never chosen, has an endless cardinality, which `take` makes that of a whole epoch.
        never = tf.data.Dataset.from_tensors(tf.zeros([2], tf.int64)).repeat()
        first = tf.data.Dataset.from_tensors(tf.zeros([], tf.int64)).repeat()
        chosen = tf.data.Dataset.choose_from_datasets([some, never], first, stop_on_empty_dataset=True)
        return chosen.take(self.steps_per_epoch)

    def _gather(self, place: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        def pick(place: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            epoch, step = (int(number) for number in place)
            images, labels = self._rows(epoch, step)
            seed = np.random.SeedSequence([self.seed, epoch, step]).generate_state(2)
            return images, labels, seed.view(np.int32)

        batch = sum(self.counts)
        shapes = [batch, *self.data[0].images.shape[1:]], [batch, len(self.tasks)], [2]
        return _python(pick, [place], (tf.uint8, tf.float32, tf.int32), shapes)

    def _augment(self, images: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        assert self.augment is not None
        return self.augment(images, seed), labels, seed

    def _clocked(self, batches: tf.data.Dataset) -> tf.data.Dataset:
        """Images and labels; the time from a batch's request to its arrival is added to the time waited."""

        def ask(_: np.ndarray) -> np.ndarray:
            return np.array(time.perf_counter())

        def arrive(asked: np.ndarray, labels: np.ndarray) -> np.ndarray:
            self._waited += time.perf_counter() - float(asked)
            return labels

        def pass_on(asked, batch):
            images, labels, _ = batch
            return images, _python(arrive, [asked, labels], tf.float32, labels.shape)

        # `zip` asks its inputs one after the other, so the clock is read just before the batch is waited for.
        clock = tf.data.Dataset.range(self.steps_per_epoch + 1).map(lambda i: _python(ask, [i], tf.float64, []))
        return tf.data.Dataset.zip((clock, batches)).map(pass_on)


@tf.autograph.experimental.do_not_convert  # As above.
def evaluation_batches(data: SplitData | Sequence[SplitData], tasks: Sequence[str], batch_size: int) -> tf.data.Dataset:
    """All images once, unchanged; those of one source in order.

    Several sources are spread evenly over the batches: what is told on the way is of all of them.

    Args:
        data: a source's split, or those of several sources.
        tasks: names of the tasks.
        batch_size: images in a batch; the last batch may be shorter.

    Returns:
        Triples as from `TrainingBatches.dataset`, with a known cardinality.
    """
    parts = [data] if isinstance(data, SplitData) else list(data)
    tables = [_label_table(part, tuple(tasks)) for part in parts]
    sources = np.repeat(np.arange(len(parts)), [len(part.keys) for part in parts])
    rows = np.concatenate([np.arange(len(part.keys)) for part in parts])
    places = np.concatenate([(np.arange(len(part.keys)) + 0.5) / len(part.keys) for part in parts])
    order = np.argsort(places, kind="stable")

    def gather(step: tf.Tensor):
        def pick(step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            chosen = order[int(step) * batch_size : (int(step) + 1) * batch_size]
            images = np.empty((len(chosen), *parts[0].images.shape[1:]), np.uint8)
            labels = np.empty((len(chosen), len(tasks)), np.float32)
            for source, (part, table) in enumerate(zip(parts, tables, strict=True)):
                here = sources[chosen] == source
                images[here], labels[here] = part.images[rows[chosen[here]]], table[rows[chosen[here]]]
            return images, labels

        shapes = [None, *parts[0].images.shape[1:]], [None, len(tasks)]
        images, labels = _python(pick, [step], (tf.uint8, tf.float32), shapes)
        return _triple(images, labels, tuple(tasks))

    steps = -(-len(order) // batch_size)
    return tf.data.Dataset.range(steps).map(gather).prefetch(2)


def _python(function, inputs: list[tf.Tensor], dtypes, shapes):
    """A Python function in a dataset, its result of known shape.

    Declared stateless, also where it keeps time: the state is none of TensorFlow's. Otherwise TensorFlow would
    drop every prefetch and every parallel call of the pipeline under `enable_op_determinism`.
    """
    results = tf.numpy_function(function, inputs, dtypes, stateful=False)
    if isinstance(dtypes, tuple):
        return tuple(tf.ensure_shape(result, shape) for result, shape in zip(results, shapes, strict=True))
    return tf.ensure_shape(results, shapes)


def _triple(images: tf.Tensor, labels: tf.Tensor, tasks: tuple[str, ...]):
    known = ~tf.math.is_nan(labels)
    values = tf.where(known, labels, 0.0)
    weights = tf.cast(known, tf.float32)
    return (
        images,
        {task: values[:, i] for i, task in enumerate(tasks)},
        {task: weights[:, i] for i, task in enumerate(tasks)},
    )


def _label_table(data: SplitData, tasks: tuple[str, ...]) -> np.ndarray:
    """float32 [n, tasks], NaN where a label is missing."""
    missing = np.full(len(data.keys), np.nan, np.float32)
    return np.stack([np.asarray(data.labels.get(task, missing), np.float32) for task in tasks], axis=1)
