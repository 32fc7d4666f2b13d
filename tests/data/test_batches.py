"""Batches: what is in each, exact resume, the mix of sources, missing labels, and the measured wait."""

import pathlib
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_mtl.data.augment import Augmentation
from keras_mtl.data.batches import TrainingBatches, evaluation_batches
from keras_mtl.data.splits import SplitData

AUGMENT = Augmentation(flip=0.5, shift=0.1, rotation=10, contrast=0.2, colour=0.2, cutout=0.5)


def make_data(*sizes, side=8, labels=None):
    """A source of each size, whose images are all of one colour: (source, index // 256, index % 256)."""
    data = []
    for number, size in enumerate(sizes):
        pixels = np.zeros([size, side, side, 3], np.uint8)
        pixels[..., 0] = number
        pixels[..., 1] = np.arange(size)[:, None, None] // 256
        pixels[..., 2] = np.arange(size)[:, None, None] % 256
        name = f"source{number}"
        own = labels[number] if labels else {"age": np.arange(size, dtype=np.float32)}
        data.append(SplitData(name, pixels, [f"{name}/{i}" for i in range(size)], own))
    return data


def make_batches(data, tasks=("age",), **options):
    return TrainingBatches(data, tasks, **{"batch_size": 4, "mix": "equal", "seed": 1, **options})


def take(batches, epoch, first_step=0):
    batches.epoch, batches.first_step = epoch, first_step
    return [(x.numpy(), {t: v.numpy() for t, v in y.items()}) for x, y, _ in batches.dataset()]


def which(images):
    """The (source, index) of each unaugmented image."""
    return [(int(s), int(a) * 256 + int(b)) for s, a, b in images[:, 0, 0]]


def test_no_data_is_an_error():
    with pytest.raises(ValueError, match="No source"):
        make_batches([])


def test_a_batch_has_blocks_in_the_order_of_the_sources():
    batches = make_batches(make_data(7, 5), batch_size=5)
    for images, _ in take(batches, 0):
        assert [source for source, _ in which(images)] == [0, 0, 0, 1, 1]


def test_an_epoch_sees_the_longest_source_once_and_repeats_a_smaller_one():
    batches = make_batches(make_data(10, 3))
    assert batches.steps_per_epoch == 5
    seen = [pair for images, _ in take(batches, 0) for pair in which(images)]
    assert sorted(index for source, index in seen if source == 0) == list(range(10))
    small = [index for source, index in seen if source == 1]
    assert len(small) == 10
    assert {small.count(index) for index in range(3)} == {3, 4}


@given(
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=3),
    batch_size=st.integers(3, 9),
    seed=st.integers(0, 2**31),
    epoch=st.integers(0, 5),
    length=st.none() | st.integers(1, 7),
)
@settings(max_examples=30, deadline=None)
def test_each_source_is_an_endless_stream_of_whole_passes(sizes, batch_size, seed, epoch, length):
    batches = make_batches(make_data(*sizes, side=1), batch_size=batch_size, seed=seed, steps_per_epoch=length)
    assert length is None or batches.steps_per_epoch == length
    steps = [batches.indices(e, s) for e in range(epoch + 1) for s in range(batches.steps_per_epoch)]
    for source, size in enumerate(sizes):
        stream = np.concatenate([step[source] for step in steps])
        for first in range(0, len(stream) - size + 1, size):
            assert sorted(stream[first : first + size]) == list(range(size))


@given(
    sizes=st.lists(st.integers(1, 15), min_size=1, max_size=3),
    batch_size=st.integers(3, 8),
    seed=st.integers(0, 2**31),
    epoch=st.integers(0, 2),
    data=st.data(),
)
@settings(max_examples=5, deadline=None)
def test_a_resumed_epoch_equals_the_rest_of_the_unbroken_one_bit_for_bit(sizes, batch_size, seed, epoch, data):
    parts = make_data(*sizes)
    options = dict(batch_size=batch_size, seed=seed, augment=AUGMENT)
    unbroken = make_batches(parts, **options)
    dataset = unbroken.dataset()
    for unbroken.epoch in range(epoch + 1):
        whole = [(images.numpy(), labels["age"].numpy()) for images, labels, _ in dataset]
    step = data.draw(st.integers(0, unbroken.steps_per_epoch))
    rest = take(make_batches(parts, **options), epoch, step)
    assert len(whole) == unbroken.steps_per_epoch
    assert len(rest) == unbroken.steps_per_epoch - step
    for (images, ages), (same_images, same_labels) in zip(whole[step:], rest, strict=True):
        np.testing.assert_array_equal(images, same_images)
        np.testing.assert_array_equal(ages, same_labels["age"])


def test_order_depends_on_seed_and_epoch_but_not_on_the_place_of_a_source():
    data = make_data(40, 40)
    streams = [
        np.concatenate([batches.indices(epoch, step)[0] for step in range(20)]).tolist()
        for batches, epoch in ((make_batches(data), 0), (make_batches(data), 1), (make_batches(data, seed=2), 0))
    ]
    assert len({tuple(stream) for stream in streams}) == 3
    turned = make_batches(data[::-1])
    assert np.concatenate([turned.indices(0, step)[1] for step in range(20)]).tolist() == streams[0]


def test_augmentation_differs_between_batches():
    data = make_data(4)
    data[0].images[:] = np.random.default_rng(0).integers(0, 256, data[0].images.shape)
    batches = make_batches(data, augment=AUGMENT)
    (first, labels), (second, more) = take(batches, 0)[0], take(batches, 1)[0]
    order, other = np.argsort(labels["age"]), np.argsort(more["age"])
    assert (first[order] != second[other]).any()


def test_a_missing_label_is_zero_with_weight_zero():
    nan = np.nan
    data = make_data(
        2,
        2,
        labels=[
            {"age": np.array([30, nan], np.float32), "smile": np.array([nan, 1], np.float32)},
            {"age": np.array([50, 60], np.float32)},
        ],
    )
    images, labels, weights = next(iter(make_batches(data, tasks=("age", "smile")).dataset()))
    expected = {(0, 0): (30, 1, 0, 0), (0, 1): (0, 0, 1, 1), (1, 0): (50, 1, 0, 0), (1, 1): (60, 1, 0, 0)}
    for i, pair in enumerate(which(images.numpy())):
        found = tuple(float(part[task][i]) for task in ("age", "smile") for part in (labels, weights))
        assert found == expected[pair]
    assert labels["age"].dtype == weights["smile"].dtype == tf.float32
    assert images.dtype == tf.uint8


def test_the_dataset_has_static_shapes_and_a_cardinality():
    batches = make_batches(make_data(10, 3))
    dataset = batches.dataset()
    images, labels, weights = dataset.element_spec
    assert images.shape == (4, 8, 8, 3)
    assert labels["age"].shape == weights["age"].shape == (4,)
    assert int(dataset.cardinality()) == 5


def test_fit_goes_on_in_the_middle_of_an_epoch_and_then_takes_whole_ones():
    class Follow(keras.callbacks.Callback):
        def __init__(self, batches, first):
            super().__init__()
            self.batches, self.first, self.steps = batches, first, {}

        def on_epoch_begin(self, epoch, logs=None):
            self.batches.epoch, self.batches.first_step = epoch, self.first
            self.first, self.steps[epoch] = 0, 0
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            self.steps[self.epoch] += 1

    inputs = keras.Input([8, 8, 3], dtype="uint8")
    hidden = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
    model = keras.Model(inputs, {"age": keras.layers.Dense(1)(hidden)})
    model.compile("sgd", "mse")
    batches = make_batches(make_data(20))
    follow = Follow(batches, 3)
    with pytest.warns(UserWarning, match="ran out of data"):
        model.fit(batches.dataset(), initial_epoch=1, epochs=4, verbose=0, shuffle=False, callbacks=[follow])
    assert follow.steps == {1: 2, 2: 5, 3: 5}


def test_iterating_changes_nothing_of_the_state():
    batches = make_batches(make_data(9), augment=AUGMENT)
    batches.epoch, batches.first_step = 2, 1
    first = [images.numpy() for images, _, _ in batches.dataset()]
    assert (batches.epoch, batches.first_step) == (2, 1)
    next(iter(batches.dataset()))
    for images, again in zip(first, batches.dataset(), strict=True):
        np.testing.assert_array_equal(images, again[0].numpy())


def test_a_slow_source_is_waited_for_and_a_fast_one_is_not():
    class Slow(np.ndarray):
        def __getitem__(self, rows):
            time.sleep(0.03)
            return np.asarray(super().__getitem__(rows))

    def wait(batches, pause):
        for step, _ in enumerate(batches.dataset()):
            if step == 0:
                # The first batch can't be ready before it is asked for, whatever the source.
                assert batches.wait_seconds() > 0
                assert batches.wait_seconds() == 0
            time.sleep(pause)
        return batches.wait_seconds()

    data = make_data(60)
    assert wait(make_batches(data), pause=0.03) < 0.5 * 14 * 0.03
    data[0].images = data[0].images.view(Slow)
    slow = make_batches(data)
    start = time.perf_counter()
    assert 0.5 * 14 * 0.03 < wait(slow, pause=0) <= time.perf_counter() - start


DETERMINISTIC = """
import sys, time
import tensorflow as tf
sys.path.insert(0, sys.argv[1])
from test_batches import make_batches, make_data
tf.config.experimental.enable_op_determinism()
batches = make_batches(make_data(60))
pick, asleep = batches.indices, 0
batches.indices = lambda *place: (time.sleep(0.03), pick(*place))[1]
for step, _ in enumerate(batches.dataset()):
    if step == 0:
        batches.wait_seconds()
    time.sleep(0.05)
print(batches.wait_seconds())
"""


def test_batches_are_fetched_ahead_under_op_determinism_too():
    folder = str(pathlib.Path(__file__).parent)
    done = subprocess.run([sys.executable, "-c", DETERMINISTIC, folder], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) < 0.5 * 14 * 0.03


def test_batches_from_a_mapped_file_equal_those_from_memory(tmp_path):
    data = make_data(30)
    np.save(tmp_path / "images.npy", data[0].images)
    mapped = [SplitData("source0", np.load(tmp_path / "images.npy", mmap_mode="r"), data[0].keys, data[0].labels)]
    for (images, _), (same, _) in zip(take(make_batches(data), 0), take(make_batches(mapped), 0), strict=True):
        np.testing.assert_array_equal(images, same)


def test_evaluation_batches_are_in_order_and_whole():
    data = make_data(10, labels=[{"age": np.array([*range(9), np.nan], np.float32)}])[0]
    dataset = evaluation_batches(data, ["age", "smile"], 4)
    assert int(dataset.cardinality()) == 3
    triples = list(dataset)
    assert [len(images) for images, _, _ in triples] == [4, 4, 2]
    assert [i for images, _, _ in triples for _, i in which(images.numpy())] == list(range(10))
    np.testing.assert_array_equal(np.concatenate([y["age"] for _, y, _ in triples]), [*range(9), 0])
    np.testing.assert_array_equal(np.concatenate([w["age"] for _, _, w in triples]), [1] * 9 + [0])
    assert not any(w["smile"].numpy().any() for _, _, w in triples)


def test_several_sources_are_spread_evenly_over_evaluation_batches():
    dataset = evaluation_batches(make_data(30, 60), ["age"], 9)
    assert int(dataset.cardinality()) == 10
    found = [which(images.numpy()) for images, _, _ in dataset]
    assert {tuple(np.bincount([source for source, _ in batch])) for batch in found} == {(3, 6)}
    assert sorted(image for batch in found for image in batch) == [(0, i) for i in range(30)] + [
        (1, i) for i in range(60)
    ]


def test_fit_sees_another_order_in_every_epoch():
    batches = make_batches(make_data(12))
    follow = batches.follow_epochs()
    orders = []
    for epoch in range(2):
        follow.on_epoch_begin(epoch, {})
        orders.append([image for images, _, _ in batches.dataset() for image in which(images.numpy())])
    assert orders[0] != orders[1] and sorted(orders[0]) == sorted(orders[1])
