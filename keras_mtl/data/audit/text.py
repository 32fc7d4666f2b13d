"""An audit as text: what the command prints."""

from __future__ import annotations

from collections.abc import Iterable

from keras_mtl.data.audit.audit import Audit
from keras_mtl.data.audit.facts import classes_of, task_names, unseen_in_training
from keras_mtl.table import aligned


def as_text(audit: Audit) -> str:
    """Tables of splits and duplicates, the classes in the form of a Python session, and what is wrong, in words."""
    return "\n\n".join(part for part in (_splits(audit), *_classes(audit), _duplicates(audit), _wrong(audit)) if part)


def _splits(audit: Audit) -> str:
    rows: list[tuple] = [("source", "split", "images", "labelled", "bad", "sizes and modes")]
    for source, splits in audit.facts.items():
        for split, facts in splits.items():
            labelled = ", ".join(f"{task} {found['labelled']:,}" for task, found in facts["tasks"].items())
            forms = [f"{form} ({count:,})" for form, count in list(facts["forms"].items())[:3]]
            more = len(facts["forms"]) - len(forms)
            forms += [f"{more} more"] * bool(more)
            bad = sum(facts["bad"].values())
            rows.append((source, split, f"{facts['images']:,}", labelled, f"{bad:,}", ", ".join(forms)))
    return aligned(rows, right=(2, 4))


def _classes(audit: Audit) -> Iterable[str]:
    for task in task_names(audit.facts):
        train, valid, test = (classes_of(audit.facts, task, split) for split in ("train", "validation", "test"))
        unseen = unseen_in_training(audit.facts, task)
        lines = [
            f"{task}:",
            f"  train_classes = [{', '.join(train)}]",
            f"  len(train_classes) = {len(train)}",
            f"  valid_classes = [{', '.join(valid)}]",
            f"  test_classes = [{', '.join(test)}]",
            f"  in test and never in train: {', '.join(unseen) or 'none'}",
        ]
        yield "\n".join(lines)


def _duplicates(audit: Audit) -> str:
    if not audit.duplicates:
        return "Duplicates: none"
    marks = dict.fromkeys(audit.count(audit.leaking), "LEAK") | dict.fromkeys(audit.count(audit.twins), "TWINS")
    conflicting = audit.count([pair for pair, _ in audit.conflicting])
    rows: list[tuple] = [("pairs of duplicates", "exact", "near", "labels differ", "")]
    for place, kinds in audit.count(audit.duplicates).items():
        differing = sum(conflicting.get(place, {}).values())
        rows.append((place, kinds.get("exact", 0), kinds.get("near", 0), differing, marks.get(place, "")))
    table = aligned([tuple(map(str, row)) for row in rows], right=(1, 2, 3))
    told = [
        f"{count:,} of {audit.images_of(split):,} {split} images are in {other} as well, of some source"
        + (f"; a clean split is without {len(removed):,} images of {side}" if removed else "")
        for split, count, other, removed, side in (
            ("test", audit.leaking_images, "train or validation", audit.removed, audit.side),
            ("validation", audit.twin_images, "train", audit.not_validated, "validation"),
        )
        if audit.images_of(split)
    ]
    return "\n\n".join([table, "\n".join(told)] if told else [table])


def _wrong(audit: Audit) -> str:
    lines = [
        f"Bad record in {one.source}, {one.split}: {one.name}: {one.reason}" for one in audit.bad if not one.unlabelled
    ]
    lines += [
        f"Malformed name in {source}, {split}: {name}: {reason}"
        for source, splits in audit.facts.items()
        for split, facts in splits.items()
        for name, reason in facts["malformed_names"].items()
    ]
    shown = lines[:20] + [f"... and {len(lines) - 20:,} more in audit.json and quarantine.csv"] * (len(lines) > 20)
    for source, people in audit.shared_identities.items():
        shown.append(f"{source}: {len(people):,} people are in test and in train or validation")
    return "\n".join(shown)
