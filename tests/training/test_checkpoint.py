"""Checkpoints: the newest that is whole is gone on with, wherever the run lies and whatever became of the others."""

import os
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_mtl.errors import UserError
from keras_mtl.training.checkpoint import Checkpoint, Progress

ODD = ("a[1]", "b*", "c?", "d[!x]", "e\\[f]")
"""Names of folders that are patterns, some of which don't fit themselves."""


class Training:
    """What `Checkpoint` sees of one, with a single weight."""

    def __init__(self, directory):
        self.weight = keras.Variable(np.zeros(1000, np.float32))
        optimizer = keras.optimizers.SGD()
        optimizer.build([self.weight])
        self.progress = Progress()
        batches = SimpleNamespace(first_step=0, steps_per_epoch=10)
        self.checkpoint = Checkpoint(directory, batches, self.progress)
        finite = SimpleNamespace(check=lambda: None, found=lambda: None)
        state = {"variables": [self.weight], "metrics_variables": [], "balance_variables": [], "divergence": finite}
        self.checkpoint.set_model(SimpleNamespace(optimizer=optimizer, **state))

    def start(self) -> bool:
        """Whether there was something to go on with."""
        found = self.checkpoint.read_progress()
        self.checkpoint.on_train_begin()
        return found

    def epochs(self, count: int) -> None:
        for epoch in range(self.progress.epoch, self.progress.epoch + count):
            self.checkpoint.on_epoch_begin(epoch)
            self.weight.assign(np.full(1000, epoch + 1, np.float32))
            self.checkpoint.on_epoch_end(epoch)


def written(directory, epochs=3):
    """The folder of a training's checkpoints after so many epochs."""
    training = Training(directory)
    assert not training.start()
    training.epochs(epochs)
    return directory


@pytest.mark.parametrize("name", ODD)
def test_a_run_goes_on_wherever_it_lies(name, tmp_path):
    folder = written(tmp_path / name / "checkpoints")
    training = Training(folder)
    assert training.start()
    assert training.progress.epoch == 3 and float(training.weight[0]) == 3
    training.epochs(1)
    assert sorted({path.stem for path in folder.glob("ckpt-*")}) == ["ckpt-3", "ckpt-4"]


def test_what_a_killed_write_left_is_swept_by_the_next(tmp_path):
    folder = written(tmp_path)
    (folder / "ckpt-4_temp").mkdir()
    (folder / "ckpt-4_temp" / "part-00000-of-00001.data-00000-of-00001").write_bytes(b"half")
    for name in ("ckpt-9.data-00000-of-00001", "checkpoint.tmp0123"):
        (folder / name).write_bytes(b"half")
    training = Training(folder)
    assert training.start() and training.progress.epoch == 3
    training.epochs(1)
    assert sorted({path.stem for path in folder.iterdir()}) == ["checkpoint", "ckpt-3", "ckpt-4"]


def emptied(path):
    path.write_bytes(b"")


def halved(path):
    os.truncate(path, path.stat().st_size // 2)


def flipped(path, at=0.5):
    content = bytearray(path.read_bytes())
    content[int(at * len(content))] ^= 4
    path.write_bytes(content)


def flipped_at_the_end(path):
    flipped(path, 0.999)


def followed(path):
    path.write_bytes(path.read_bytes() + b"more")


def gone(path):
    path.unlink()


def a_folder(path):
    path.unlink()
    path.mkdir()


DATA, INDEX = ".data-00000-of-00001", ".index"
DAMAGES = [
    (suffix, damage)
    for suffix in (DATA, INDEX)
    for damage in (emptied, halved, flipped, flipped_at_the_end, followed, gone, a_folder)
]


def resumed(folder) -> Training:
    """A training that has gone on, for two epochs more; its newest checkpoint is then whole."""
    training = Training(folder)
    assert training.start()
    assert float(training.weight[0]) == training.progress.epoch
    training.epochs(2)
    again = Training(folder)
    assert again.start() and again.progress.epoch == training.progress.epoch
    return training


@pytest.mark.parametrize("sums", [True, False], ids=["sums", "of before"])
@pytest.mark.parametrize("suffix, damage", DAMAGES, ids=lambda value: getattr(value, "__name__", value))
def test_a_damaged_newest_checkpoint_is_passed_over_for_the_one_before_with_a_line(
    suffix, damage, sums, tmp_path, capsys
):
    folder = written(tmp_path)
    if not sums:
        for path in folder.glob("*.json"):
            path.unlink()
    # What TensorFlow's own checksums don't cover changes nothing that is read.
    harmless = not sums and damage is followed and suffix == DATA
    damage(folder / f"ckpt-3{suffix}")
    training = resumed(folder)
    assert training.progress.epoch == (5 if harmless else 4)
    told = capsys.readouterr().out.splitlines()
    assert len(told) == (not harmless)
    assert harmless or ("ckpt-3 is not whole (" in told[0] and told[0].endswith("going on from ckpt-2, the one before"))


@pytest.mark.parametrize("suffix", [DATA, INDEX])
def test_the_line_names_the_file(suffix, tmp_path, capsys):
    flipped(written(tmp_path) / f"ckpt-3{suffix}")
    Training(tmp_path).start()
    assert f"ckpt-3 is not whole (ckpt-3{suffix} is damaged)" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["checkpoint", "ckpt-3.json"])
@pytest.mark.parametrize("damage", [emptied, halved, flipped, followed, gone], ids=lambda damage: damage.__name__)
def test_a_damaged_file_beside_it_costs_nothing(name, damage, tmp_path):
    damage(written(tmp_path) / name)
    if damage is flipped and name != "checkpoint":
        # Either no JSON any more or another checksum: then the one before is taken.
        assert Training(tmp_path).start()
    else:
        assert resumed(tmp_path).progress.epoch == 5


@pytest.mark.parametrize("damage", [emptied, flipped, gone], ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("suffixes", [[DATA], [INDEX], [DATA, INDEX], [DATA, INDEX, ".json"]], ids="".join)
def test_where_none_is_whole_it_ends_with_a_line_and_leaves_all_as_it_is(suffixes, damage, tmp_path):
    written(tmp_path)
    for number in (2, 3):
        for suffix in suffixes:
            damage(tmp_path / f"ckpt-{number}{suffix}")
    before = sorted((path.name, path.read_bytes()) for path in tmp_path.iterdir())
    with pytest.raises(
        UserError, match=r"ckpt-3 is not whole \(.*\), and there is no other: remove .* to start anew"
    ) as told:
        Training(tmp_path).start()
    assert "\n" not in str(told.value)
    assert before == sorted((path.name, path.read_bytes()) for path in tmp_path.iterdir())


def test_every_byte_counts(tmp_path):
    index = written(tmp_path) / "ckpt-3.index"
    whole = index.read_bytes()
    for at in range(0, len(whole), 9):
        index.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :])
        assert Training(tmp_path).checkpoint.files.newest_whole().name == "ckpt-2"


@pytest.mark.parametrize("left", [(), (DATA,), (DATA, INDEX)], ids=["nothing", "data", "half an index"])
def test_a_first_checkpoint_that_was_never_finished_is_none(left, tmp_path):
    written(tmp_path, epochs=1)
    (tmp_path / "ckpt-1.json").unlink()
    (tmp_path / "checkpoint").unlink()
    halved(tmp_path / f"ckpt-1{INDEX}")
    for suffix in {DATA, INDEX} - set(left):
        (tmp_path / f"ckpt-1{suffix}").unlink()
    training = Training(tmp_path)
    assert not training.start()
    training.epochs(1)
    assert Training(tmp_path).start()


def test_a_run_of_before_goes_on(tmp_path):
    training = Training(tmp_path)
    training.start()
    manager = tf.train.CheckpointManager(training.checkpoint._checkpoint, str(tmp_path), max_to_keep=2)
    for epoch in range(3):
        training.weight.assign(np.full(1000, epoch + 1, np.float32))
        training.progress.epoch = epoch + 1
        training.checkpoint._state.assign(f'{{"epoch": {epoch + 1}}}')
        manager.save()
    assert resumed(tmp_path).progress.epoch == 5
    assert sorted(path.name for path in tmp_path.glob("*.json")) == ["ckpt-4.json", "ckpt-5.json"]
