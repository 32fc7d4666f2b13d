"""A training's checkpoints as files: which there are, and which stay."""

from __future__ import annotations

import pathlib
import re
import shutil

import tensorflow as tf

STEM = "ckpt"
KEPT = 2
_INDEX = re.compile(rf"{STEM}-(\d+)\.index")


class CheckpointFiles:
    """The folder of a training's checkpoints, `ckpt-<number>.index` and `.data-...` each; the newest two stay.

    TensorFlow's own `latest_checkpoint` and `CheckpointManager` take the folder's path for a pattern.

    Args:
        directory: the folder; it is made with the first checkpoint.
    """

    def __init__(self, directory: pathlib.Path):
        self.directory = pathlib.Path(directory)

    def newest(self) -> pathlib.Path | None:
        """The newest checkpoint, as TensorFlow names it: without the suffixes of its files; None where there is none.

        TensorFlow writes the index last.
        """
        numbers = self._numbers()
        return self._path(max(numbers)) if numbers else None

    def write(self, checkpoint: tf.train.Checkpoint) -> None:
        """Writes one more, and removes all but the newest, and what a killed write left."""
        self.directory.mkdir(parents=True, exist_ok=True)
        checkpoint.save(str(self.directory / STEM))
        kept = {self._path(number).name for number in sorted(self._numbers())[-KEPT:]}
        for path in self.directory.glob(f"{STEM}-*"):
            if path.stem in kept:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    def _path(self, number: int) -> pathlib.Path:
        return self.directory / f"{STEM}-{number}"

    def _numbers(self) -> list[int]:
        return [int(found[1]) for path in self.directory.glob("*") if (found := _INDEX.fullmatch(path.name))]
