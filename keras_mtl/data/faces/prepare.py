"""Sources and folders of photos made into sets to train on: crops of faces, shards, or both."""

from __future__ import annotations

import itertools
import os
import pathlib
import shlex
from collections.abc import Callable, Sequence
from urllib.parse import quote

from keras_mtl import cli
from keras_mtl.cores import count_cores
from keras_mtl.data.faces.crop_source import crop_source, group_columns
from keras_mtl.data.faces.inventory import PhotoFolder
from keras_mtl.data.source import Source
from keras_mtl.data.sources import GROUPS, parse_sources
from keras_mtl.data.tabular import CsvSource
from keras_mtl.errors import UserError
from keras_mtl.faces.crops import Cropping
from keras_mtl.faces.detect import Detector, choose_detector
from keras_mtl.files import short_name, write_csv
from keras_mtl.locks import only_writer
from keras_mtl.table import aligned
from keras_mtl.tasks import read_task_file, select_tasks


def prepare(
    *,
    sources: Sequence[str],
    photos: Sequence[str],
    out: str,
    detect: bool,
    cropping: Cropping,
    format: str,
    jobs: int = 0,
    data_dir: str = "",
    task_file: str = "",
    load: Callable[[], Detector] | None = None,
) -> str:
    """Makes a set of each source in a folder of its name below `out`; what `keras_mtl.prepare` does.

    Args:
        sources, data_dir, task_file: as `keras_mtl.train` takes them.
        photos: folders of photos without labels.
        out: where to.
        detect: whether faces are looked for, aligned and cropped; see `crop_source`.
        cropping: how.
        format: "files", or "shards" for a TFDS data set in ArrayRecord.
        jobs: child processes; 0 for one a core.
        load: as for `crop_source`.

    Returns:
        What was done, in words: a table of the photos, and the command that trains on the sets.

    Raises:
        UserError: settings that contradict each other or `out`, or a source that isn't there.
    """
    if not out:
        raise UserError("No folder to write to: --out=FOLDER")
    if format == "files" and not detect:
        raise UserError("There is nothing to do: give --detect to crop faces, --format=shards to pack files, or both")
    if detect and not load:
        choose_detector(cropping.detector)
    declared = read_task_file(task_file) if task_file else {}
    found = _find_sources(sources, data_dir, declared) + _find_folders(photos)
    for source in found:
        if detect and (clash := {"split", "identity"} & set(source.tasks)):
            raise UserError(f"The list of crops has a column {min(clash)!r} of its own: give that task another name")
    if not found:
        raise UserError("No photos given: --sources=TASK=KIND:PATH or --photos=FOLDER")
    if format == "shards" and photos:
        raise UserError("Shards hold labelled images, and --photos have no labels: use --format=files")
    base = data_dir or os.environ.get("KERAS_MTL_DATA") or ""
    rows: list[tuple] = [("source", "photos", "crops", "no face", "several", "bad")]
    entries: list[str] = []
    left_out: list[str] = []
    with only_writer(pathlib.Path(out).expanduser()):
        for source in found:
            folder = pathlib.Path(out).expanduser() / short_name(source.name)
            if detect:
                counts = crop_source(source, folder, cropping, jobs=jobs or count_cores(), load=load)
                rows.append((source.name, counts.photos, counts.crops, counts.no_face, counts.several, counts.bad))
                path, source = _as_table(source, folder, base)
            if format == "shards":
                left_out += _pack(source, folder)
                path = _shown(folder / "shards", base)
            if source.tasks:
                kind = "shards" if format == "shards" else "csv"
                entries.append(f"{'+'.join(source.tasks)}={kind}:{path}")
    flags = {"data_dir": data_dir, "task_file": task_file}
    more = [f"--{name}={shlex.quote(value)}" for name, value in flags.items() if value]
    return _summary(rows if detect else [], left_out, entries, more, out)


def _find_sources(entries: Sequence[str], data_dir: str, declared: dict) -> list[Source]:
    plain = itertools.chain.from_iterable(GROUPS.get(entry.strip(), (entry,)) for entry in entries)
    names = [name.strip() for entry in plain if "=" in entry for name in entry.partition("=")[0].split("+")]
    if not entries:
        return []
    tasks = select_tasks(list(dict.fromkeys(names)), declared) if names else {}
    return parse_sources(entries, tasks, data_dir)


def _find_folders(photos: Sequence[str]) -> list[Source]:
    """Each named after its folder, a second one of a name with _2 behind it."""
    found: list[Source] = []
    for path in photos:
        name = pathlib.Path(path).expanduser().resolve().name or "photos"
        before = sum(source.name.rpartition("_")[0] == name or source.name == name for source in found)
        found.append(PhotoFolder(name if not before else f"{name}_{before + 1}", path))
    return found


def _as_table(source: Source, folder: pathlib.Path, base: str) -> tuple[str, Source]:
    """The crops as a source of the same name, and its path as `--sources` takes it."""
    groups = list(group_columns(source, {split: source.records(split) for split in source.splits()}).values())
    options = [f"group={quote(column)}" for column in groups if groups != ["group"]]
    path = "?".join(filter(None, ("labels.csv", "&".join(options))))
    table = CsvSource(source.name, source.declared, path, base=folder) if source.tasks else source
    shown = _shown(folder / "labels.csv", base)
    if base and not pathlib.Path(shown).is_absolute():
        # A table in the data folder names its images from there.
        options.insert(0, f"image={pathlib.PurePath(shown).parent.as_posix()}/{{image}}")
    return "?".join(filter(None, (shown, "&".join(options)))), table


def _pack(source: Source, folder: pathlib.Path) -> list[str]:
    """Writes shards; a line for a source of which images had to be left out, which are listed beside them."""
    from keras_mtl.data.shards import write_shards

    bad = write_shards(source, folder / "shards")
    path = folder / "left_out.csv"
    write_csv(path, ["image", "split", "reason"], [(one.image, one.split, one.reason) for one in bad])
    return [f"{source.name}: {len(bad)} images are left out of the shards, see {path}"] if bad else []


def _shown(path: pathlib.Path, base: str) -> str:
    """A path as an entry names it: from the data folder where it lies there."""
    if not base:
        return str(path)
    path, start = path.resolve(), pathlib.Path(base).expanduser().resolve()
    return str(path.relative_to(start) if path.is_relative_to(start) else path)


def _summary(rows: list[tuple], left_out: list[str], entries: list[str], more: list[str], out: str) -> str:
    parts = []
    if rows:
        parts.append(aligned(rows, right=range(1, 6)))
        parts.append(
            f"Photos without a face, with several, and those that can't be used are listed in\n"
            f"{out}/SOURCE/no_face.csv, several_faces.csv and bad.csv."
        )
    if left_out:
        parts.append("\n".join(left_out))
    if entries:
        tasks = dict.fromkeys(task for entry in entries for task in entry.partition("=")[0].split("+"))
        listed = cli.write_list(entries).replace("'", "'\\''")  # As a shell takes it.
        words = ["python -m keras_mtl.train", f"--tasks={','.join(tasks)}", *more, f"--sources='{listed}'"]
        parts.append(f"Train on it:\n  {' '.join(words)}")
    return "\n\n".join(parts)
