"""What sources that are folders in a layout of their own have in common."""

from __future__ import annotations

import os
import pathlib

from keras_mtl.data.source import SPLITS, MissingPath, Source
from keras_mtl.files import visible_files
from keras_mtl.tasks import Task


class FolderSource(Source):
    """A folder, or one for each split where `path` holds `{split}`; without it all of it is train.

    Args:
        name, tasks, path, base: as for `Source`.

    Raises:
        UserError: a task that this layout has no labels for; MissingPath for no such folder, or one that
            lacks what `needs` names.
    """

    needs: tuple[str, ...] = ()
    """Files and folders that the layout can't do without."""

    def __init__(self, name: str, tasks: dict[str, Task], path: str = "", *, base: pathlib.Path | None = None):
        super().__init__(name, tasks, path, base=base)
        self.folders = self.split_paths("folder")
        for folder in self.folders.values():
            if not (self.root / folder).is_dir():
                raise MissingPath(f"Source {name}: {folder!r} is not a folder")
            for part in self.needs:
                if not (self.root / folder / part).exists():
                    raise MissingPath(f"Source {name}: there is no {part!r} in the folder {folder!r}")

    def splits(self) -> tuple[str, ...]:
        return tuple(split for split in SPLITS if split in self.folders)

    def files(self, folder: str) -> list[str]:
        """Names, relative to `root`, of all files in the folder and those below it, but hidden ones; sorted."""
        return [os.path.normpath(os.path.join(folder, name)) for name in visible_files(self.root / folder)]
