"""SMILEs: a folder of smiling faces and one of others."""

from __future__ import annotations

import os

from keras_mtl.data.folder import FolderSource
from keras_mtl.data.source import Records

LABELS = {"negatives": "not smiling", "positives": "smiling"}


class Smiles(FolderSource):
    """SMILEsmileD (Arsic): `positives/` and `negatives/`, with any folders below them. `smiles:FOLDER`."""

    licence = "research only, as Labeled Faces in the Wild, from which its pictures are"
    description = "SMILEs: grey 64x64 faces from Labeled Faces in the Wild, smiling or not"
    offers = ("smile",)
    needs = tuple(LABELS)

    def records(self, split: str) -> Records:
        return self.collect(
            split,
            (
                (image, {"smile": label})
                for part, label in LABELS.items()
                for image in self.files(os.path.join(self.folders[split], part))
            ),
        )
