"""All photos of a source cropped to their faces, in parallel and so that a killed run goes on where it stopped.

The folder that this makes holds `faces/`, the crops; `labels.csv`, whose columns are `image`, `photo` and what the
source knows of it (`split`, `identity`, groups, a label for each task); `faces.jsonl`, what was found in each photo;
`no_face.csv` and `several_faces.csv`, photos where not just one face was found; `bad.csv`, what can't be used;
and `settings.json`, how the crops were made.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from keras_mtl.data.faces.children import map_in_children
from keras_mtl.data.faces.inventory import handle, name_crops
from keras_mtl.data.faces.journal import Found, Journal
from keras_mtl.data.source import Records, Source, label_text
from keras_mtl.errors import UserError
from keras_mtl.faces.crops import Cropping, crop_face
from keras_mtl.faces.detect import Detector, choose_detector, load_detector
from keras_mtl.files import read_bytes, read_json, replacing, write_csv, write_json

_TELL_EVERY = 10.0  # Seconds.


@dataclasses.dataclass(frozen=True)
class Counts:
    """How many photos a source has, and how many of them have a crop, no face, several faces, or can't be used."""

    photos: int
    crops: int
    no_face: int
    several: int
    bad: int


def crop_source(
    source: Source,
    folder: pathlib.Path,
    cropping: Cropping,
    *,
    jobs: int,
    load: Callable[[], Detector] | None = None,
) -> Counts:
    """Writes the folder described above; what is there already, of the same photos, is left as it is.

    Args:
        source: whose photos; with labels or none.
        folder: where to.
        cropping: how.
        jobs: child processes.
        load: makes the detector in each of them, by default the one that `cropping` names; a function at the top of a
            module.

    Raises:
        UserError: the folder was made with other settings, or the source has no photos.
        RuntimeError: a child process failed.
    """
    if source.drawn:
        raise UserError(f"Source {source.name} is drawn, face by face: there are no photos to look for faces in")
    if not load:
        cropping = dataclasses.replace(cropping, detector=choose_detector(cropping.detector))
        load = functools.partial(load_detector, cropping.detector)
    _keep_settings(folder, cropping)
    records = {split: source.records(split) for split in source.splits()}
    photos = list(dict.fromkeys(photo for part in records.values() for photo in part.images))
    crops = {photo: f"faces/{crop}" for photo, crop in name_crops(photos).items()}
    journal = Journal(folder / "faces.jsonl")
    with journal.adding() as add:
        found = map_in_children(
            _work,
            (load, cropping),
            _jobs(source, folder, crops, journal),
            min(jobs, len(photos)) or 1,
        )
        for one in _told(found, source.name, len(photos)):
            add(one)
    journal.rewrite(photos)
    return _write_lists(source, folder, records, crops, journal)


def _keep_settings(folder: pathlib.Path, cropping: Cropping) -> None:
    path, settings = folder / "settings.json", dataclasses.asdict(cropping)
    if not path.exists():
        write_json(path, settings)
    elif (before := {"detector": "mtcnn", **read_json(path, dict[str, Any])}) != settings:
        shown = ", ".join(f"{name}={value}" for name, value in before.items())
        raise UserError(f"{folder} holds crops that were made with {shown}: choose the same, or another --out")


def _jobs(source: Source, folder: pathlib.Path, crops: dict[str, str], journal: Journal) -> Iterator[tuple]:
    """The photos that are not done yet. One that couldn't be used is tried again: it may have been mended."""
    before = dict(journal.found)
    for photo, crop in crops.items():
        stamp, content = handle(source, photo)
        done = before.get(photo)
        if done is None or done.stamp != stamp or done.problem or (done.cropped and not (folder / crop).exists()):
            yield photo, stamp, content, folder / crop


def _work(load: Callable[[], Detector], cropping: Cropping) -> Callable[[tuple], Found]:
    """What a child process does with a photo."""
    detect = load()

    def work(job: tuple[str, str, pathlib.Path | bytes, pathlib.Path]) -> Found:
        photo, stamp, content, crop = job
        try:
            data = content if isinstance(content, bytes) else read_bytes(content)
            faces, encoded = crop_face(data, detect, cropping)
        except (OSError, ValueError) as error:
            crop.unlink(missing_ok=True)
            return Found(photo, stamp, problem=_reason(error))
        if encoded is None:
            crop.unlink(missing_ok=True)
        else:
            with replacing(crop) as beside:
                beside.write_bytes(encoded)
        return Found(photo, stamp, tuple(faces), cropped=encoded is not None)

    return work


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error or type(error).__name__).splitlines()[0]


def _told(found: Iterable[Found], name: str, total: int) -> Iterator[Found]:
    """The same, telling now and then how far it is."""
    start = told = time.monotonic()
    for count, one in enumerate(found, 1):
        yield one
        now = time.monotonic()
        if now - told > _TELL_EVERY:
            told = now
            print(f"{name}: {count} of up to {total} photos, {count / (now - start):.1f}/s", file=sys.stderr)


def _write_lists(
    source: Source, folder: pathlib.Path, records: dict[str, Records], crops: dict[str, str], journal: Journal
) -> Counts:
    found = journal.found
    several = [one for one in found.values() if len(one.faces) > 1]
    no_face = [one.photo for one in found.values() if not one.faces and not one.problem]
    bad = [(bad.image, bad.split, bad.reason) for part in records.values() for bad in part.bad]
    unusable = [
        (photo, split if source.tasks else "", found[photo].problem)
        for split, part in records.items()
        for photo in dict.fromkeys(part.images)
        if found[photo].problem
    ]
    write_csv(folder / "no_face.csv", ["photo"], [[photo] for photo in no_face])
    write_csv(
        folder / "several_faces.csv",
        ["photo", "faces", "boxes", "crop"],
        [[one.photo, len(one.faces), _boxes(one), crops[one.photo] if one.cropped else ""] for one in several],
    )
    write_csv(folder / "bad.csv", ["photo", "split", "reason"], bad + unusable)
    kept = {photo for photo, one in found.items() if one.cropped}
    _write_labels(folder / "labels.csv", source, records, {photo: crops[photo] for photo in kept})
    problems = sum(bool(one.problem) for one in found.values())
    return Counts(len(crops) + len(bad), len(kept), len(no_face), len(several), len(bad) + problems)


def group_columns(source: Source, records: Mapping[str, Records]) -> dict[str, str]:
    """In which column of labels.csv each kind of group stands: one of its name, or of NAME_group where that is taken.

    Groups that are a task's labels, as UTKFace's genders are, stand in the task's column.
    """
    columns: dict[str, str] = {}
    for kind in dict.fromkeys(kind for part in records.values() for kind in part.groups):
        column, taken = kind, {"image", "photo", "split", "identity", *source.tasks, *columns.values()}
        if kind not in source.tasks or not all(_are_labels(source, kind, part) for part in records.values()):
            while column in taken:
                column += "_group"
        columns[kind] = column
    return columns


def _are_labels(source: Source, kind: str, part: Records) -> bool:
    labels = (label_text(source.declared[kind], value) for value in part.labels[kind])
    return [name or "" for name in part.groups.get(kind, [None] * len(part.images))] == list(labels)


def _write_labels(path: pathlib.Path, source: Source, records: dict[str, Records], crops: dict[str, str]) -> None:
    """Crops with all that the source knows of their photos, in the order of its records."""
    groups = {kind: column for kind, column in group_columns(source, records).items() if column not in source.tasks}
    known = any(part.identities for part in records.values())
    columns = ["image", "photo"]
    if source.tasks:
        columns += ["split", *["identity"] * known, *groups.values(), *source.tasks]
    rows = []
    for split, part in records.items():
        for i, photo in enumerate(part.images):
            if photo not in crops:
                continue
            row: list[Any] = [crops[photo], photo]
            if source.tasks:
                row += [split, *[part.identities[i] if part.identities else None] * known]
                row += [part.groups[kind][i] if kind in part.groups else None for kind in groups]
                row += [label_text(task, part.labels[name][i]) for name, task in source.declared.items()]
            rows.append(row)
    write_csv(path, columns, rows)


def _boxes(one: Found) -> str:
    """Left, top, right and bottom in whole pixels, the largest face first."""
    return "; ".join(" ".join(f"{side:.0f}" for side in face.box) for face in one.faces)
