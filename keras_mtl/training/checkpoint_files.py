"""A training's checkpoints as files: which of them are whole, and which stay."""

from __future__ import annotations

import pathlib
import re
import shutil

import tensorflow as tf

from keras_mtl.errors import UserError
from keras_mtl.files import checksum, read_json, without_pattern, write_json
from keras_mtl.scratch import sync

STEM = "ckpt"
KEPT = 2
_MARK = re.compile(rf"{STEM}-(\d+)\.(?:index|json)")
_NAMED = re.compile(rb'ckpt-(\d+)"')


class CheckpointFiles:
    """The folder of a training's checkpoints, of which the newest two stay.

    Each is TensorFlow's `ckpt-<number>.index` and `.data-00000-of-00001`, and `ckpt-<number>.json` with the checksums
    of both, written after them: a damaged file is noticed before anything is read out of it. Checkpoints of before
    have no checksums, nor has one whose writer was killed just then; by TensorFlow's own, of each tensor, they are
    checked as well. TensorFlow's `checkpoint` is only another witness of what there was.

    Args:
        directory: the folder; it is made with the first checkpoint.
    """

    def __init__(self, directory: pathlib.Path):
        self.directory = pathlib.Path(directory)

    def newest_whole(self) -> pathlib.Path | None:
        """The newest checkpoint that is whole, as TensorFlow names it, without the suffixes of its files.

        Tells in a line where a newer one is not. None where none was ever finished.

        Raises:
            UserError: there were some, and none is whole.
        """
        damage = ""
        finished = self._finished()
        for number in sorted({*finished, *self._numbers()}, reverse=True):
            path = self._path(number)
            problem = self._problem(path)
            if not problem:
                if damage:
                    print(f"Checkpoint {damage}: going on from {path.name}, the one before")
                return path
            damage = damage or f"{path} is not whole ({problem})"
        if finished:
            raise UserError(f"Checkpoint {damage}, and there is no other: remove {self.directory} to start anew")
        return None

    def write(self, checkpoint: tf.train.Checkpoint) -> None:
        """Writes one more, and leaves the newest of those before it."""
        self.directory.mkdir(parents=True, exist_ok=True)
        before = int(checkpoint.save_counter)
        self._leave(before)  # A later one is damaged, or was never finished.
        path = pathlib.Path(checkpoint.save(str(self.directory / STEM)))
        for part in self._parts(path):
            sync(part)
        write_json(self._sums(path), {part.name: checksum(part) for part in self._parts(path)})
        self._leave(before + 1)

    def _leave(self, newest: int) -> None:
        """Removes all but the newest up to a number, and what killed writes left."""
        numbers = sorted(number for number in self._numbers() if number <= newest)
        kept = {self._path(number).name for number in numbers[-KEPT:]}
        for part in (*self.directory.glob(f"{STEM}-*"), *self.directory.glob("checkpoint.tmp*")):
            if part.stem in kept:
                continue
            if part.is_dir():
                shutil.rmtree(part)
            else:
                part.unlink()

    def _problem(self, path: pathlib.Path) -> str:
        """What is wrong with a checkpoint; empty where it is whole."""
        for part in self._parts(path):
            if not part.is_file():
                return f"{part.name} is gone"
        try:
            sums = read_json(self._sums(path))
            wrong = [part.name for part in self._parts(path) if sums[part.name] != checksum(part)]
        except (UserError, KeyError, TypeError):
            return self._problem_of_tensors(path)
        return f"{wrong[0]} is damaged" if wrong else ""

    def _problem_of_tensors(self, path: pathlib.Path) -> str:
        try:
            with without_pattern(self.directory) as plain:
                reader = tf.train.load_checkpoint(f"{plain}/{path.name}")
                for name in reader.get_variable_to_shape_map():
                    reader.get_tensor(name)
        except Exception as error:  # TensorFlow raises many kinds, an IndexError for a file that was cut among them.
            return str(error).splitlines()[0]
        return ""

    def _finished(self) -> set[int]:
        """The numbers of those that were written to their end, as far as is known, even if they are gone."""
        state = self.directory / "checkpoint"
        named = _NAMED.findall(state.read_bytes()) if state.is_file() else []
        return {int(number) for number in named} | self._numbers(".json")

    def _numbers(self, suffix: str = "") -> set[int]:
        names = [path.name for path in self.directory.glob("*") if path.name.endswith(suffix)]
        return {int(found[1]) for name in names if (found := _MARK.fullmatch(name))}

    def _path(self, number: int) -> pathlib.Path:
        return self.directory / f"{STEM}-{number}"

    def _sums(self, path: pathlib.Path) -> pathlib.Path:
        return path.with_name(f"{path.name}.json")

    def _parts(self, path: pathlib.Path) -> list[pathlib.Path]:
        return [path.with_name(f"{path.name}{suffix}") for suffix in (".index", ".data-00000-of-00001")]
