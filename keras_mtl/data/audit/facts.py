"""What one split of one source holds, in plain data: images, labels, classes, forms, and the records that are bad."""

from __future__ import annotations

import collections
import math
import os
from collections.abc import Mapping, Sequence

import numpy as np

from keras_mtl.data.audit.pictures import Pictures
from keras_mtl.data.source import Bad, Records
from keras_mtl.data.utkface import parse_name
from keras_mtl.files import printable
from keras_mtl.kinds import kind_of
from keras_mtl.tasks import Task
from keras_mtl.values import number_of


def split_facts(records: Records, pictures: Pictures, tasks: Mapping[str, Task], bad: Sequence[Bad]) -> dict:
    """The facts of a split.

    Args:
        records: its good records.
        pictures: of their images, each once.
        tasks: those that the source labels.
        bad: its quarantined records, images that can't be read among them.

    Returns:
        `images`; `malformed_names` {name: what is wrong}; `forms` {size, mode and format: count}; `bad` {reason:
        count}; `identities`, how many people are known; and `tasks`: by name `labelled` and `labels` {label: count},
        of records, in order.
    """
    reasons = collections.Counter("no label" if one.unlabelled else one.reason for one in bad)
    forms = collections.Counter(form for form in pictures.forms if form)
    return {
        "images": len(pictures.forms) - len(pictures.unreadable),
        "forms": dict(forms.most_common()),
        "bad": dict(reasons.most_common()),
        "malformed_names": malformed_names(list(dict.fromkeys(records.images))),
        "identities": len({one for one in records.identities or () if one}),
        "tasks": {name: _label_facts(task, records.labels[name]) for name, task in tasks.items()},
    }


def malformed_names(images: Sequence[str]) -> dict[str, str]:
    """Names that break UTKFace's form, in a split where nearly all names keep it, and how; however they are listed."""
    wrong = {}
    for image in images:
        try:
            parse_name(os.path.basename(image))
        except ValueError as error:
            wrong[printable(image)] = printable(str(error))
    return wrong if len(wrong) < 0.1 * len(images) else {}


def _label_facts(task: Task, values: np.ndarray) -> dict:
    known = values[~np.isnan(values)]
    return {"labelled": len(known), "labels": kind_of(task).counts(known)}


def task_names(facts: Mapping[str, Mapping]) -> list[str]:
    """The tasks that any source labels, in order; `facts` as for `classes_of`."""
    every = (task for splits in facts.values() for found in splits.values() for task in found["tasks"])
    return list(dict.fromkeys(every))


def classes_of(facts: Mapping[str, Mapping], task: str, split: str) -> list[str]:
    """Labels of a task that occur in a split of any source.

    Args:
        facts: by source, its split facts by split.
    """
    found: dict[str, None] = {}
    for splits in facts.values():
        labels = splits.get(split, {"tasks": {}})["tasks"].get(task, {"labels": {}})["labels"]
        found.update(dict.fromkeys(label for label, count in labels.items() if count))
    return sorted(found, key=_order)


def unseen_in_training(facts: Mapping[str, Mapping], task: str) -> list[str]:
    """Labels of a task that occur in a test split and in no training split."""
    trained = set(classes_of(facts, task, "train"))
    return [label for label in classes_of(facts, task, "test") if label not in trained]


def _order(label: str) -> tuple[float, str]:
    number = number_of(label)
    return (math.inf, label) if number is None else (float(number), label)
