"""GENKI-4K: numbered photos and one file of labels."""

from __future__ import annotations

import os
from collections.abc import Iterator

from keras_mtl.data.folder import FolderSource
from keras_mtl.data.source import Records

SMILES = {"0": "not smiling", "1": "smiling"}


class Genki4k(FolderSource):
    """The MPLab GENKI database, subset GENKI-4K: line N of `labels.txt` belongs to `files/fileN.jpg`.

    A line is the smile (0 or 1) and yaw, pitch and roll in radians; N has four digits and counts from 1.
    `genki4k:FOLDER`.
    """

    licence = "public use with acknowledgement; see the README that comes with it"
    description = "GENKI-4K: photos from the web, smiling or not, with the pose of the head"
    offers = ("smile",)
    needs = ("labels.txt", "files")

    def records(self, split: str) -> Records:
        return self.collect(split, self._entries(self.folders[split]))

    def _entries(self, folder: str) -> Iterator[tuple[str, dict[str, object] | str]]:
        text = (self.root / folder / "labels.txt").read_text(encoding="utf-8", errors="replace")
        named = set()
        for number, line in enumerate(text.splitlines(), 1):
            image = os.path.normpath(os.path.join(folder, "files", f"file{number:04d}.jpg"))
            named.add(image)
            fields = line.split()
            if len(fields) != 4 or fields[0] not in SMILES:
                yield image, f"line {number} of labels.txt is {line[:40]!r}, expected 0 or 1 and three angles"
            else:
                yield image, {"smile": SMILES[fields[0]]}
        for image in self.files(os.path.join(folder, "files")):
            if image not in named:
                yield image, "labels.txt has no line for it"
