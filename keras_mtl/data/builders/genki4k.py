"""GENKI-4K as a TFDS data set; the layout is that of `keras_mtl.data.genki4k`."""

from __future__ import annotations

import pathlib

import tensorflow_datasets as tfds

from keras_mtl.data import genki4k
from keras_mtl.data.builders.base import FaceBuilder, read_image
from keras_mtl.files import printable, read_text, visible_files


class Genki4k(FaceBuilder):
    """All photos are `train`; `problem` says what is wrong with a line of `labels.txt`, or that there is none."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    CITATION = """@misc{genki4k, title={The MPLab GENKI Database, GENKI-4K Subset},
howpublished={http://mplab.ucsd.edu}}"""
    own_features = ("smile", "problem")

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(self.manual_folder(dl_manager))}

    def _generate_examples(self, manual: pathlib.Path):
        folder = manual / "GENKI-4K" / "files"
        text = read_text(folder.parent / "labels.txt", errors="replace")
        found = dict(genki4k.parse_labels(text))
        found.update(dict.fromkeys((name for name in visible_files(folder) if name not in found), genki4k.NO_LINE))
        for image, labels in found.items():
            name = printable(f"GENKI-4K/files/{image}")
            known = {"problem": labels} if isinstance(labels, str) else labels
            yield name, {"image": read_image(folder / image), "file_name": name, "smile": "", "problem": "", **known}
