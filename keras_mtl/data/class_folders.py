"""A folder for each class."""

from __future__ import annotations

import math
import os
import pathlib
from collections.abc import Iterator

from keras_mtl.data.folder import FolderSource
from keras_mtl.data.source import Records
from keras_mtl.errors import UserError
from keras_mtl.kinds import kind_of
from keras_mtl.tasks import Task


class ClassFolders(FolderSource):
    """`FOLDER/CLASS/…`, as torchvision's ImageFolder and Keras' `image_dataset_from_directory` read it.

    A folder's name is the label of all that lies in it and below: a class's name or index, or a regression's value.
    `classes:FOLDER`; `{split}` in it stands for a split, `photos/{split}` for instance, else all is train.

    Args:
        name, path, base: as for `Source`.
        tasks: the one task that the folders are the classes of.

    Raises:
        UserError: several tasks, or no folder whose name is a label of the task; MissingPath for no such folder.
    """

    description = "pictures in a folder for each class"

    def __init__(self, name: str, tasks: dict[str, Task], path: str = "", *, base: pathlib.Path | None = None):
        super().__init__(name, tasks, path, base=base)
        if len(tasks) != 1:
            raise UserError(f"Source {name}: a folder for each class labels one task. Received: {', '.join(tasks)}")
        (self.task,) = tasks.values()
        for folder in self.folders.values():
            self._check(folder)

    def records(self, split: str) -> Records:
        return self.collect(split, self._entries(self.folders[split]))

    def _entries(self, folder: str) -> Iterator[tuple[str, dict[str, object] | str]]:
        for image in self.files(folder):
            label, *rest = pathlib.PurePath(os.path.relpath(image, folder)).parts
            yield image, {self.task.name: label} if rest else "lies in no class's folder"

    def _check(self, folder: str) -> None:
        found = sorted(entry.name for entry in (self.root / folder).iterdir() if entry.is_dir())
        if not any(self._is_label(name) for name in found if not name.startswith(".")):
            raise UserError(
                f"Source {self.name}: no folder in {folder!r} is named after a class of {self.task.name} "
                f"({kind_of(self.task).wanted}); its folders are: {', '.join(found[:10]) or 'none'}. Where they are "
                "splits, write {split} for them"
            )

    def _is_label(self, name: str) -> bool:
        try:
            return not math.isnan(self.task.parse(name))
        except ValueError:
            return False
