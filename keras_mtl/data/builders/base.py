"""What our TFDS builders have in common."""

from __future__ import annotations

import pathlib

import tensorflow_datasets as tfds

from keras_mtl.data.builders.catalogue import CATALOGUE, DataSet, check_files
from keras_mtl.files import read_bytes


class FaceBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
    """A builder of images from the manual folder, described by its entry of `CATALOGUE`.

    A subclass sets `entry`, `CITATION`, `VERSION`, `RELEASE_NOTES` and `own_features`, and defines
    `_split_generators` and `_generate_examples`. Every example has `image` (the encoded bytes are kept) and
    `file_name` (relative to the manual folder, unique). A label is Text, empty where it is missing.
    `problem`, where a builder has it, says why a record is bad, empty for a good one.
    """

    entry: DataSet
    CITATION = ""
    own_features: tuple[str, ...]
    """The features besides `image` and `file_name`; all are Text."""

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        name = cls.__module__.rpartition(".")[2]
        entry = CATALOGUE.get(name)
        if entry:
            cls.entry = entry
            cls.MANUAL_DOWNLOAD_INSTRUCTIONS = entry.instructions

    def _info(self) -> tfds.core.DatasetInfo:
        texts = {name: tfds.features.Text() for name in ("file_name", *self.own_features)}
        return self.dataset_info_from_configs(
            description=f"{self.entry.description}\n\nLicence: {self.entry.licence}",
            homepage=self.entry.homepage,
            citation=self.CITATION or None,
            features=tfds.features.FeaturesDict({"image": tfds.features.Image(shape=(None, None, 3)), **texts}),
            supervised_keys=None,
        )

    def manual_folder(self, dl_manager: tfds.download.DownloadManager) -> pathlib.Path:
        """The manual folder, once it is known to hold what the data set needs."""
        check_files(self.entry, dl_manager.manual_dir)
        return pathlib.Path(dl_manager.manual_dir)


def read_image(path: pathlib.Path) -> bytes:
    """The file's bytes; none where it can't be read, so that its record is quarantined when it is decoded."""
    try:
        return read_bytes(path)
    except (OSError, ValueError):
        return b""
