"""GENKI-4K: numbered photos and one file of labels."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator

from keras_mtl.data.folder import FolderSource
from keras_mtl.data.source import Records
from keras_mtl.files import read_text

SMILES = {"0": "not smiling", "1": "smiling"}
NO_LINE = "labels.txt has no line for it"


def parse_labels(text: str) -> Iterator[tuple[str, dict[str, object] | str]]:
    """What each line of `labels.txt` says: the image's name in `files/`, and its labels or why the line is bad.

    Example:
        >>> list(parse_labels("1 0.1 0.2 0.3"))
        [('file0001.jpg', {'smile': 'smiling'})]
    """
    for number, line in enumerate(io.StringIO(text), 1):
        fields = line.split()
        good = len(fields) == 4 and fields[0] in SMILES
        problem = f"line {number} of labels.txt is {line.rstrip()[:40]!r}, expected 0 or 1 and three angles"
        yield f"file{number:04d}.jpg", {"smile": SMILES[fields[0]]} if good else problem


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
        text = read_text(self.root / folder / "labels.txt", errors="replace")
        named = set()
        for name, found in parse_labels(text):
            image = os.path.normpath(os.path.join(folder, "files", name))
            named.add(image)
            yield image, found
        for image in self.files(os.path.join(folder, "files")):
            if image not in named:
                yield image, NO_LINE
