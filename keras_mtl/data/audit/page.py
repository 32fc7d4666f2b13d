"""An audit as one HTML page: histograms of labels, and the duplicates as pictures."""

from __future__ import annotations

import base64
import io
import pathlib
from collections.abc import Mapping, Sequence

import PIL.Image

from keras_mtl.data.audit.audit import Audit
from keras_mtl.data.audit.facts import classes_of, task_names, unseen_in_training
from keras_mtl.data.audit.leaks import Duplicate
from keras_mtl.data.source import SPLITS, Source, label_text
from keras_mtl.files import printable, replacing
from keras_mtl.photos import decode_photo

MOST_PAIRS = 120
"""Pairs that are shown; all are in duplicates.csv."""
_THUMBNAIL = 96


def write_page(audit: Audit, sources: Sequence[Source], path: str | pathlib.Path) -> None:
    """Writes the page; it needs no network and no other file. It shows pictures of the data: mind their licence."""
    import jinja2

    environment = jinja2.Environment(loader=jinja2.PackageLoader("keras_mtl.data.audit"), autoescape=True)
    leaking = set(audit.leaking)
    differing = dict(audit.conflicting)
    # What matters first, and among that what is least sure.
    pairs = sorted(audit.duplicates, key=lambda pair: (pair not in leaking, pair not in differing, pair.similarity))
    by_name = {source.name: source for source in sources}
    page = environment.get_template("audit.html").render(
        audit=audit,
        tasks=[_task(audit, name) for name in task_names(audit.facts)],
        places=audit.count(audit.duplicates),
        marks=dict.fromkeys(audit.count(audit.leaking), "leak") | dict.fromkeys(audit.count(audit.twins), "twins"),
        pairs=[_pair(audit, by_name, pair, pair in leaking, differing.get(pair, [])) for pair in pairs[:MOST_PAIRS]],
        licences=sorted({f"{source.name}: {source.licence}" for source in sources}),
    )
    with replacing(path) as beside:
        beside.write_text(page, encoding="utf-8")


def _task(audit: Audit, name: str) -> dict:
    """A histogram for each split: bars with heights from 0 to 1, relative to the split's highest."""
    labels = list(dict.fromkeys(label for split in SPLITS for label in classes_of(audit.facts, name, split)))
    if all(label.lstrip("-").replace(".", "", 1).isdigit() for label in labels):
        labels.sort(key=float)
    histograms = []
    for split in SPLITS:
        counts = [_count(audit.facts, name, split, label) for label in labels]
        if any(counts):
            bars = [(label, count, count / max(counts)) for label, count in zip(labels, counts, strict=True)]
            histograms.append({"split": split, "total": sum(counts), "bars": bars})
    return {"name": name, "histograms": histograms, "unseen": unseen_in_training(audit.facts, name)}


def _count(facts: Mapping[str, Mapping], task: str, split: str, label: str) -> int:
    every = (splits[split]["tasks"] for splits in facts.values() if split in splits)
    return sum(tasks[task]["labels"].get(label, 0) for tasks in every if task in tasks)


def _pair(audit: Audit, sources: Mapping[str, Source], pair: Duplicate, leaks: bool, conflicting: list[str]) -> dict:
    sides = []
    for position in pair[:2]:
        image = audit.images[position]
        declared = sources[image.source].declared
        labels = [
            f"{task} {label_text(declared[task], value)}" for task, value in image.labels.items() if value == value
        ]
        sides.append(
            {
                "image": image._replace(name=printable(image.name)),
                "labels": ", ".join(labels),
                "data": _thumbnail(sources[image.source], image.name),
            }
        )
    return {"pair": pair, "sides": sides, "leaks": leaks, "conflicting": conflicting}


def _thumbnail(source: Source, image: str) -> str:
    if source.drawn:
        picture = PIL.Image.fromarray(source.decode([image], _THUMBNAIL)[0][0])
    else:
        picture = decode_photo(source.encoded([image])[0])
        picture.thumbnail((_THUMBNAIL, _THUMBNAIL))
    encoded = io.BytesIO()
    picture.save(encoded, "JPEG", quality=80)
    return base64.b64encode(encoded.getvalue()).decode()
