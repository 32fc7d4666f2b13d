"""An export's formats, as a table to read."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

from keras_mtl.serving.description import read_description
from keras_mtl.table import aligned


def formats_table(version: pathlib.Path) -> str:
    """Size, difference from the SavedModel, and where they were measured latency and metrics, of each format.

    Args:
        version: the version's folder.
    """
    description = read_description(version)
    formats, tasks = description.get("formats", {}), [task["name"] for task in description["tasks"]]
    scored = any("metrics" in facts for facts in formats.values())
    head = ["format", "MB", *(f"{name} differs" for name in tasks)]
    if scored:
        measures = {name: next(iter(_metrics(formats)[name])) for name in _metrics(formats)}
        covered = next(facts["covered"] for facts in formats.values() if "covered" in facts)
        head += [f"{name} {measure}" for name, measure in measures.items()]
        head += [f"{name} in interval" for name in covered] + ["ms p50", "ms p95"]
    rows = [tuple(head)]
    for name, facts in formats.items():
        differences = facts.get("mean_difference", {})
        row = [name, f"{facts['bytes'] / 1e6:.1f}", *(f"{differences.get(task, 0):.2g}" for task in tasks)]
        if "metrics" in facts:
            row += [f"{next(iter(value.values())):.4f}" for value in facts["metrics"].values()]
            row += [f"{share:.1%}" for share in facts["covered"].values()]
            row += [f"{facts['milliseconds'][share]:.2f}" for share in ("p50", "p95")]
        rows.append(tuple(row + [""] * (len(head) - len(row))))
    return aligned(rows, right=tuple(range(1, len(head))))


def _metrics(formats: Mapping[str, Any]) -> dict[str, dict]:
    return next(facts["metrics"] for facts in formats.values() if "metrics" in facts)
