"""A table of predictions in figures, and these as text."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from keras_mtl.evaluation.groups import groups_for, members
from keras_mtl.evaluation.metrics import Metric, main_metric, metrics_for
from keras_mtl.evaluation.predictions import clusters_of, labels_and_predictions
from keras_mtl.evaluation.statistics import Estimate, bootstrap
from keras_mtl.kinds import kind_of
from keras_mtl.table import aligned
from keras_mtl.tasks import Task

DRAWN = "{sources}: drawn faces, not people. Figures on them say nothing about photos of people."


def score(frame: pd.DataFrame, tasks: Mapping[str, Task], **bootstrap_settings) -> dict[str, dict]:
    """The metrics of each task over a table of predictions, labelled images only.

    Args:
        frame: as `predict_split` gives.
        tasks: by name.
        **bootstrap_settings: `resamples`, `confidence` and `seed` of `bootstrap`.

    Returns:
        By task, what `evaluate_run` returns under `tasks`.
    """
    scores = {}
    for name, task in tasks.items():
        labelled = frame[frame[name].notna()]
        scores[name] = {"kind": task.kind, **_score_rows(labelled, task, bootstrap_settings)}
        parts = dict(list(labelled.groupby("source", sort=False)))
        if len(parts) > 1:
            scores[name]["by_source"] = {
                source: _score_rows(part, task, bootstrap_settings) for source, part in parts.items()
            }
        if groups := _score_groups(labelled, task, bootstrap_settings):
            scores[name]["by_group"] = groups
    return scores


def report(result: dict, tasks: Mapping[str, Task], *, run: str, split: str) -> str:
    """A result of `evaluate_run` as text: what was scored, then a line for each task and metric."""
    clusters = result.get("clusters", result["images"])
    lines = [
        f"{run} on split {split!r}: {result['images']:,} images of {', '.join(result['sources'])}"
        + (f", in {clusters:,} clusters of one person or photo" if clusters < result["images"] else "")
        + f"; {result['quarantined']:,} quarantined"
        + (" (see quarantine.csv)" if result["quarantined"] else "")
        + f"; {result['splits']}"
    ]
    if result["drawn"]:
        lines.append(DRAWN.format(sources=", ".join(result["drawn"])))
    rows: list[tuple] = []
    group_rows: list[tuple] = []
    notes: list[str] = []
    for name, entry in result["tasks"].items():
        if not entry["images"]:
            notes.append(f"{name}: no labelled image in this split.")
        parts = {"": entry, **{f" [{source}]": part for source, part in entry.get("by_source", {}).items()}}
        for suffix, part in parts.items():
            for metric in metrics_for(tasks[name]).values():
                if metric.name in part["metrics"]:
                    rows.append(_row(name + suffix, tasks[name], metric, part))
                    notes += _undefined_note(name + suffix, metric, part["metrics"][metric.name])
        for kind, groups in entry.get("by_group", {}).items():
            for group, part in groups.items():
                metric = main_metric(tasks[name])
                cells = _row(name, tasks[name], metric, part)
                group_rows.append((name, kind, group, *cells[1:5]))
    percent = f"{100 * result['confidence']:g} % interval"
    if rows:
        lines += ["", aligned([("task", "metric", "value", percent, "images", "labels"), *rows], right=(2, 3, 4))]
    if group_rows:
        titles = ("task", "by", "group", "metric", "value", percent, "images")
        lines += ["", aligned([titles, *group_rows], right=(4, 5, 6))]
    return "\n".join([*lines, *([""] if notes else []), *notes])


def _score_groups(labelled: pd.DataFrame, task: Task, bootstrap_settings: dict) -> dict[str, dict[str, dict]]:
    """By kind of group and group: its images' main metric."""
    main = main_metric(task)
    scores = {}
    for kind, names in groups_for(labelled, task).items():
        group_of = np.array(names, object)
        scores[kind] = {
            group: _score_rows(labelled[group_of == group], task, bootstrap_settings, {main.name: main})
            for group in members(names)
        }
    return scores


def _score_rows(
    labelled: pd.DataFrame, task: Task, bootstrap_settings: dict, metrics: Mapping[str, Metric] | None = None
) -> dict:
    entry: dict = {"images": len(labelled), "metrics": {}}
    if len(labelled):
        labels, predictions = labels_and_predictions(labelled, task)
        clusters = clusters_of(labelled)
        known = metrics or metrics_for(task)
        estimates = bootstrap(known, labels, predictions, clusters=clusters, **bootstrap_settings)
        entry["metrics"] = {name: figure(estimate, known[name]) for name, estimate in estimates.items()}
    return entry


def figure(estimate: Estimate, metric: Metric) -> dict:
    """An estimate as plain data for JSON; one that is undefined is None, with the `reason` beside it."""
    plain = estimate.to_dict()
    return plain if plain["value"] is not None else {**plain, "reason": f"undefined without {metric.needs}"}


def readable(value: float | None, metric: Metric, task: Task, with_unit: bool = True) -> str:
    """A metric's value for a reader: shares in percent, labels in the task's unit; "-" for none."""
    if value is None:
        return "-"
    scale, digits = {"share": (100, 1), "label": (1, task.decimals + 1), "": (1, 3)}.get(metric.unit, (1, 2))
    unit = unit_of(metric, task) if with_unit else ""
    return f"{scale * value:.{digits}f} {unit}".rstrip()


def unit_of(metric: Metric, task: Task, share: str = "%") -> str:
    """What a metric's values are counted in, `share` for shares; empty for a bare number."""
    return {"share": share, "label": task.unit, "ranks": "ranks"}.get(metric.unit, "")


def _row(title: str, task: Task, metric: Metric, part: dict) -> tuple:
    estimate = part["metrics"][metric.name]
    low, high = (readable(estimate[end], metric, task, with_unit=False) for end in ("low", "high"))
    interval = "-" if estimate["low"] is None else f"{low} to {high}"
    labels = f"{task.kind}: {kind_of(task).described}"
    return title, metric.name, readable(estimate["value"], metric, task), interval, f"{part['images']:,}", labels


def _undefined_note(title: str, metric: Metric, estimate: dict) -> list[str]:
    if estimate["value"] is None:
        return [f"{title} {metric.name}: undefined without {metric.needs}."]
    if estimate["undefined"]:
        share = f"{100 * estimate['undefined']:.1f} % of the resamples, without {metric.needs}"
        return [f"{title} {metric.name}: undefined in {share}; the interval rests on the others."]
    return []
