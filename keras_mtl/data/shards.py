"""Sets packed into ArrayRecord shards, for those too large to read as single files.

The form is TFDS's own (https://www.tensorflow.org/datasets/external_tfrecord): a folder that
`tfds.builder_from_directory` reads, with the encoded image, its name, its labels as text ("" where it has none), and,
where the source knows them, `identity` (the person, or the near-duplicates it is one of) and `groups` by kind.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator
from typing import Any, TypedDict
from urllib.parse import unquote

from keras_mtl.data.builders.catalogue import Label
from keras_mtl.data.images import why_unread
from keras_mtl.data.prepared import PreparedSource
from keras_mtl.data.source import SPLITS, Bad, MissingPath, Records, Source, label_text
from keras_mtl.errors import UserError
from keras_mtl.files import printable, read_json, replacing
from keras_mtl.photos import decode_photo
from keras_mtl.scratch import scratch
from keras_mtl.tasks import Task

_INFO, _FEATURES, _VERSION = "dataset_info.json", "features.json", "1.0.0"


def write_shards(source: Source, folder: str | pathlib.Path) -> list[Bad]:
    """Packs all splits of a source, in the order of its records; whole or not at all.

    Args:
        source: what to pack. Labels of its tasks, identities and groups are kept, and an image's bytes as they are.
        folder: is made, or replaced where it holds shards already.

    Returns:
        What is left out: the source's bad records, and images whose file can't be read.

    Raises:
        UserError: the folder holds something else, or nothing can be packed.

    Example:
        >>> write_shards(source, "prepared/faces")  # doctest: +SKIP
    """
    import tensorflow_datasets as tfds

    folder = pathlib.Path(folder)
    if folder.exists() and not (folder / _INFO).exists():
        raise UserError(f"{folder} exists and holds no shards: choose another folder")
    if source.drawn:
        raise UserError(f"Source {source.name} is drawn anew wherever it is used: there is nothing to pack")
    records = {split: source.records(split) for split in source.splits()}
    bad = [one for some in records.values() for one in some.bad]
    features: dict[str, Any] = {
        "image": tfds.features.Image(shape=(None, None, 3)),
        "file_name": tfds.features.Text(),
        "labels": {task: tfds.features.Text() for task in source.tasks},
    }
    kinds = list(dict.fromkeys(kind for some in records.values() for kind in some.groups))
    if kinds:
        features["groups"] = {_feature_name(kind): tfds.features.Text() for kind in kinds}
    if any(some.identities for some in records.values()):
        features["identity"] = tfds.features.Text()
    examples = {}
    for split, some in records.items():
        # TFDS can't write a split without an example: the first good one is looked for, or all are found to be bad.
        found: list[Bad] = []
        if next(iter(_Examples(source, split, some, found, features)), None):
            examples[split] = _Examples(source, split, some, bad, features)
        else:
            bad += found
    if not examples:
        first = f"; the first: {bad[0].image}: {bad[0].reason}" if bad else ""
        raise UserError(f"Source {source.name} has no image that could be packed ({len(bad)} bad records{first})")
    with replacing(folder) as beside, scratch(folder.parent) as place:
        tfds.disable_progress_bar()
        builder = tfds.dataset_builders.AdhocBuilder(
            name="shards",
            version=_VERSION,
            features=tfds.features.FeaturesDict(features),
            split_datasets=examples,
            data_dir=str(place),
            description=f"{source.description} Licence: {source.licence}",
            file_format="array_record",
            disable_shuffling=True,
        )
        builder.download_and_prepare()
        pathlib.Path(builder.data_path).rename(beside)
    return bad


class _Split(TypedDict):
    name: str


class _Info(TypedDict):
    """What is needed of TFDS's `dataset_info.json`."""

    splits: list[_Split]


class _Features(TypedDict):
    features: dict[str, dict[str, Any]]


class _Nested(TypedDict):
    """TFDS's `features.json`, and each nested feature in it."""

    featuresDict: _Features


class ShardSource(PreparedSource):
    """A folder that `write_shards` wrote. `shards:FOLDER`.

    Raises:
        UserError: it lacks a wanted task; MissingPath where there are no shards.
    """

    description = "a set packed by keras_mtl.prepare"

    def __init__(self, name: str, tasks: dict[str, Task], path: str = "", *, base: pathlib.Path | None = None):
        super().__init__(name, tasks, path, base=base)
        self.folder = self.root / path
        for needed in (_INFO, _FEATURES):
            if not (self.folder / needed).is_file():
                raise MissingPath(f"Source {name}: {path!r} holds no shards (it has no {needed})")
        # Plain JSON, so that a wrong --sources is told before TFDS is imported.
        info: _Info = read_json(self.folder / _INFO, _Info)
        features = read_json(self.folder / _FEATURES, _Nested)["featuresDict"]["features"]
        known = _nested(features, "labels")
        for task in tasks:
            if task not in known:
                raise UserError(f"Source {name}: the shards in {path!r} label {', '.join(known)}, not {task!r}")
        present = {split["name"] for split in info["splits"]}
        self.split_names = {split: split for split in SPLITS if split in present}
        self.fields = {task: Label(f"labels/{task}") for task in tasks}
        self.groups = {unquote(kind): f"groups/{kind}" for kind in _nested(features, "groups")}
        self.identity = "identity" if "identity" in features else ""

    def builder(self) -> Any:
        import tensorflow_datasets as tfds

        return tfds.builder_from_directory(self.folder)


class _Examples:
    """The examples of a split, read when asked for: a large set doesn't fit into memory."""

    def __init__(self, source: Source, split: str, records: Records, bad: list[Bad], features: dict[str, Any]):
        self.source, self.split, self.records, self.bad, self.features = source, split, records, bad, features

    def __iter__(self) -> Iterator[tuple[int, dict[str, Any]]]:
        for row, image in enumerate(self.records.images):
            try:
                (encoded,) = self.source.encoded([image])
                decode_photo(encoded)
            except (OSError, ValueError) as error:
                self.bad.append(Bad(self.source.name, self.split, image, why_unread(error)))
                continue
            yield row, {"image": encoded, **self._about(row)}

    def _about(self, row: int) -> dict[str, Any]:
        """All features of a record but its image."""
        records = self.records
        about: dict[str, Any] = {
            "file_name": printable(_name(self.source, records.images[row])),
            "labels": {
                name: label_text(task, records.labels[name][row]) for name, task in self.source.declared.items()
            },
        }
        if "groups" in self.features:
            about["groups"] = {
                name: (records.groups[kind][row] if kind in records.groups else None) or ""
                for name, kind in ((name, unquote(name)) for name in self.features["groups"])
            }
        if "identity" in self.features:
            about["identity"] = (records.identities[row] if records.identities else None) or ""
        return about


def _name(source: Source, image: str) -> str:
    """An image's name with the last folder, which decides with it on which side of validation it is."""
    file = source.file(image)
    return image if file is None or os.path.dirname(image) else f"{file.parent.name}/{image}"


def _feature_name(kind: str) -> str:
    """What the feature of a kind of group is called; TFDS parts nested names by "/", which a column may well hold."""
    return kind.replace("%", "%25").replace("/", "%2F")


def _nested(features: dict[str, Any], name: str) -> list[str]:
    """The names inside a nested feature; none where it is not there."""
    nested = features.get(name, {}).get("featuresDict")
    inside = nested.get("features") if isinstance(nested, dict) else None
    return list(inside) if isinstance(inside, dict) else []
