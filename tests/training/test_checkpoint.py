"""Checkpoints: the newest is gone on with, wherever the run lies."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

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
        self.checkpoint.set_model(
            SimpleNamespace(optimizer=optimizer, variables=[self.weight], metrics_variables=[], balance_variables=[])
        )

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
    (folder / "ckpt-9.data-00000-of-00001").write_bytes(b"half")
    training = Training(folder)
    assert training.start() and training.progress.epoch == 3
    training.epochs(1)
    assert sorted({path.stem for path in folder.glob("ckpt-*")}) == ["ckpt-3", "ckpt-4"]
