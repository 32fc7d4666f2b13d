"""Prepared TFDS data sets as sources: random access to encoded images in ArrayRecord shards."""

from __future__ import annotations

import importlib
import logging
import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from keras_mtl.data import cache
from keras_mtl.data.builders.catalogue import CATALOGUE, DataSet, Label, check_files
from keras_mtl.data.source import SPLITS, Entry, Records, Source, digest
from keras_mtl.photos import DECODING
from keras_mtl.scratch import scratch
from keras_mtl.tasks import Task

log = logging.getLogger(__name__)


class PreparedSource(Source):
    """A TFDS data set that is, or can be, prepared in ArrayRecord.

    A subclass gives `builder()`, which is asked once and only when a record is wanted, and sets `split_names`
    ({our split: TFDS split}), `fields` ({task: Label}) and, where the person or groups are known, `identity`, a
    feature, and `groups` ({kind: feature}). An image is named by its feature `file_name`, or by split and row where
    there is none.
    """

    split_names: Mapping[str, str]
    fields: Mapping[str, Label]
    identity = ""
    groups: Mapping[str, str] = {}

    def __init__(self, name: str, tasks: dict[str, Task], path: str = "", *, base: pathlib.Path | None = None):
        super().__init__(name, tasks, path, base=base)
        self._builder: Any = None
        self._rows: dict[str, tuple[str, int]] = {}
        self._data: dict[str, Any] = {}

    def builder(self) -> Any:
        """A prepared `tfds.core.DatasetBuilder`."""
        raise NotImplementedError

    def splits(self) -> tuple[str, ...]:
        return tuple(split for split in SPLITS if split in self.split_names)

    def records(self, split: str) -> Records:
        """Labels of all records; the bytes of the images are passed over, not decoded."""
        return self.collect(split, self._entries(split))

    def _entries(self, split: str) -> Iterator[Entry]:
        for row, example in enumerate(self._examples(split)):
            image = _text(example["file_name"]) if "file_name" in example else f"{split}/{row:07d}"
            self._rows[image] = (split, row)
            yield Entry(
                image,
                self._labels(example),
                _text(_feature(example, self.identity)) or None if self.identity else None,
                {kind: _text(_feature(example, feature)) or None for kind, feature in self.groups.items()},
            )

    def file(self, image: str) -> None:
        return None

    def decode(self, images: Sequence[str], size: int) -> tuple[np.ndarray, dict[int, str]]:
        from keras_mtl.data import images as image_files

        return image_files.decode_bytes(self.encoded(images), size)

    def encoded(self, images: Sequence[str]) -> list[bytes]:
        """The named images as they are kept: files' bytes."""
        self._locate(images)
        return [self._examples(split)[row]["image"] for split, row in (self._rows[image] for image in images)]

    def fingerprint(self, images: Sequence[str], size: int) -> str:
        builder = self._opened()
        folder = pathlib.Path(builder.data_path)
        stamps = [f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in sorted(folder.iterdir())]
        return digest([f"prepared {DECODING} {builder.info.full_name} {folder} {size}", *stamps, *images])

    def _opened(self) -> Any:
        if self._builder is None:
            self._builder = self.builder()
        return self._builder

    def _examples(self, split: str) -> Any:
        if split not in self._data:
            import tensorflow_datasets as tfds

            decoders = {"image": tfds.decode.SkipDecoding()}
            self._data[split] = self._opened().as_data_source(self.split_names[split], decoders=decoders)
        return self._data[split]

    def _locate(self, images: Sequence[str]) -> None:
        """Reads the names of all splits, where some image's place isn't known yet."""
        if not all(image in self._rows for image in images):
            for split in self.splits():
                self.records(split)

    def _labels(self, example: Mapping[str, Any]) -> dict[str, object] | str:
        labels: dict[str, object] = {}
        for task in self.tasks:
            field = self.fields[task]
            text = _text(_feature(example, field.feature))
            if field.values is not None and text:
                if text not in field.values:
                    return f"{field.feature} is {text!r}, expected one of {', '.join(field.values)}"
                text = field.values[text]
            labels[task] = text
        return labels


class CatalogueSource(PreparedSource):
    """A data set of `CATALOGUE`, prepared when it is first read. `TASK=NAME`."""

    def __init__(self, name: str, tasks: dict[str, Task], path: str = "", *, base: pathlib.Path | None = None):
        super().__init__(name, tasks, path, base=base)
        self.entry: DataSet = CATALOGUE[path]
        self.split_names, self.fields, self.identity = self.entry.splits, self.entry.labels, self.entry.identity
        self.groups = {feature: feature for feature in self.entry.groups}
        self.licence, self.description = self.entry.licence, self.entry.description
        default = pathlib.Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()
        self.manual = self.root if base else default / "downloads" / "manual"
        # Never into the folder of the owner's files: that may be read-only, and is theirs.
        self.data_dir = cache.default_folder() / "tfds" / digest([str(self.root)]) if base else default
        if not any(self.data_dir.glob(f"{self.entry.prepared_as}/*/dataset_info.json")):
            check_files(self.entry, self.manual)

    def builder(self) -> Any:
        builder = self._builder_in(self.data_dir)
        if not builder.is_prepared():
            check_files(self.entry, self.manual)
            log.info(
                "Preparing %s from %s in %s; delete that folder to prepare it again",
                self.entry.name, self.manual, builder.data_path,
            )  # fmt: skip
            self._prepare(pathlib.Path(builder.data_path))
            builder = self._builder_in(self.data_dir)
        return builder

    def _builder_in(self, folder: pathlib.Path) -> Any:
        import tensorflow_datasets as tfds

        from keras_mtl.data.builders.base import FaceBuilder

        options = {"data_dir": str(folder), "file_format": "array_record"}
        if self.entry.builder:
            return tfds.builder(self.entry.builder, **options)
        module = importlib.import_module(f"keras_mtl.data.builders.{self.entry.prepared_as}")
        found = [value for value in vars(module).values() if isinstance(value, type)]
        return next(kind for kind in found if issubclass(kind, FaceBuilder) and kind is not FaceBuilder)(**options)

    def _prepare(self, target: pathlib.Path) -> None:
        import tensorflow_datasets as tfds

        tfds.disable_progress_bar()  # One line in the log says it.
        with scratch(self.data_dir) as place:  # TFDS's own temporary folder would stay for good after a kill.
            builder = self._builder_in(place)
            builder.download_and_prepare(
                download_dir=str(self.data_dir / "downloads"),
                download_config=tfds.download.DownloadConfig(manual_dir=str(self.manual)),
            )
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                pathlib.Path(builder.data_path).rename(target)
            except OSError:
                if not target.exists():  # else another process was faster
                    raise

    def _labels(self, example: Mapping[str, Any]) -> dict[str, object] | str:
        return _text(example.get("problem", "")) or super()._labels(example)


def _feature(example: Mapping[str, Any], path: str) -> Any:
    value: Any = example
    for part in path.split("/"):
        value = value[part]
    return value


def _text(value: Any) -> str:
    if isinstance(value, np.generic):
        value = value.item()
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
