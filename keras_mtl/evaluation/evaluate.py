"""The evaluation of a run on a split: predictions, metrics with intervals, and a table to read."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from keras_mtl.data.source import Bad
from keras_mtl.data.sources import parse_sources
from keras_mtl.data.splits import load_split
from keras_mtl.errors import UserError
from keras_mtl.evaluation.metrics import Metric, metrics_for
from keras_mtl.evaluation.predictions import labels_and_predictions, predict_split, write_predictions
from keras_mtl.evaluation.statistics import bootstrap
from keras_mtl.files import read_json
from keras_mtl.table import aligned
from keras_mtl.tasks import Task
from keras_mtl.training.run_folder import RunFolder

DRAWN = "Labels: drawn faces, not people. These figures say nothing about photos of people."


def evaluate_run(
    run: str | os.PathLike,
    split: str = "test",
    *,
    sources: Sequence[str] = (),
    data_dir: str = "",
    batch_size: int = 64,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
    tell: Callable[[str], None] = print,
) -> dict:
    """Scores a run's model on a split and writes what came of it to the run folder.

    Writes `predictions/<split>.csv`, the split's entry of `metrics.json` (others are kept), and the bad records to
    `quarantine.csv`. Shares are 0 to 1 in the file.

    Args:
        run: the run folder.
        split: "train", "validation" or "test".
        sources: other sources than the training's, in the form of its `--sources`.
        data_dir: the folder that their relative paths start from; empty for the training's.
        batch_size: images at once.
        resamples, confidence, seed: of the bootstrap intervals over images.
        tell: takes the table; `print` by default.

    Returns:
        The split's entry: `images`, `quarantined`, `drawn`, `confidence`, and `tasks` by name, each with `kind`,
        `images` (labelled ones) and `metrics` {name: {value, low, high, undefined}}; `by_source` where several
        sources label the task.

    Raises:
        ValueError: no run or model there, no source with that split, or too many bad records.
    """
    model, folder = _load(run)
    config, tasks = folder.config(), model.tasks
    data_sources = parse_sources(sources or config.sources, tasks, data_dir or config.data_dir or None, config.seed)
    data, bad = load_split(
        data_sources,
        tasks,
        split,
        image_size=model.input_shape[1],
        cache_dir=config.cache_dir or None,
        validation_fraction=config.validation_fraction,
        seed=config.seed,
        max_bad_share=config.max_bad_share,
        cache=config.cache,
    )
    frame = predict_split(model, data, batch_size=batch_size)
    drawn = {source.name for source in data_sources if source.drawn}
    result = {
        "images": len(frame),
        "quarantined": len(bad),
        "sources": [part.source for part in data],
        "drawn": any(part.source in drawn for part in data),
        "confidence": confidence,
        "resamples": resamples,
        "tasks": score(frame, tasks, resamples=resamples, confidence=confidence, seed=seed),
    }
    write_predictions(frame, folder.predictions_path / f"{split}.csv")
    _add_to_quarantine(folder, bad)
    before = read_json(folder.metrics_path).get(split) if folder.metrics_path.exists() else None
    folder.update_metrics(**{split: {**(before if isinstance(before, dict) else {}), **result}})
    tell(report(result, tasks, run=str(run), split=split))
    return result


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
    return scores


def report(result: dict, tasks: Mapping[str, Task], *, run: str, split: str) -> str:
    """A result of `evaluate_run` as text: what was scored, then a line for each task and metric."""
    lines = [
        f"{run} on split {split!r}: {result['images']:,} images of {', '.join(result['sources'])}; "
        f"{result['quarantined']:,} quarantined" + (" (see quarantine.csv)" if result["quarantined"] else "")
    ]
    if result["drawn"]:
        lines.append(DRAWN)
    rows: list[tuple] = []
    notes: list[str] = []
    for name, entry in result["tasks"].items():
        if not entry["images"]:
            notes.append(f"{name}: no labelled image in this split.")
        parts = {"": entry, **{f" [{source}]": part for source, part in entry.get("by_source", {}).items()}}
        for suffix, part in parts.items():
            for metric in metrics_for(entry["kind"]).values():
                if metric.name in part["metrics"]:
                    rows.append(_row(name + suffix, tasks[name], metric, part))
                    notes += _undefined_note(name + suffix, metric, part["metrics"][metric.name])
    percent = f"{100 * result['confidence']:g} % interval"
    if rows:
        lines += ["", aligned([("task", "metric", "value", percent, "images", "labels"), *rows], right=(2, 3, 4))]
    return "\n".join([*lines, *([""] if notes else []), *notes])


def _load(run):
    import keras

    import keras_mtl.models  # noqa: F401 - registers the classes that the file names

    folder = RunFolder.existing(run)
    if not folder.model_path.is_file():
        raise UserError(f"{run} has no model.keras yet: let its training finish an epoch")
    return keras.models.load_model(folder.model_path, compile=False), folder


def _score_rows(labelled: pd.DataFrame, task: Task, bootstrap_settings: dict) -> dict:
    entry: dict = {"images": len(labelled), "metrics": {}}
    if len(labelled):
        labels, predictions = labels_and_predictions(labelled, task)
        estimates = bootstrap(metrics_for(task.kind), labels, predictions, **bootstrap_settings)
        entry["metrics"] = {name: estimate.to_dict() for name, estimate in estimates.items()}
    return entry


def _row(title: str, task: Task, metric: Metric, part: dict) -> tuple:
    unit = {"share": "%", "label": task.unit, "ranks": "ranks"}.get(metric.unit, "")
    scale, digits = {"share": (100, 1), "": (1, 3)}.get(metric.unit, (1, 2))

    def shown(value: float | None) -> str:
        return "-" if value is None else f"{scale * value:.{digits}f}"

    estimate = part["metrics"][metric.name]
    interval = "-" if estimate["low"] is None else f"{shown(estimate['low'])} to {shown(estimate['high'])}"
    labels = f"{task.kind}: " + (", ".join(task.classes) or f"{task.low:g} to {task.high:g} {task.unit}".rstrip())
    return title, metric.name, f"{shown(estimate['value'])} {unit}".rstrip(), interval, f"{part['images']:,}", labels


def _undefined_note(title: str, metric: Metric, estimate: dict) -> list[str]:
    if estimate["value"] is None:
        return [f"{title} {metric.name}: undefined for these labels (only one class?)."]
    if estimate["undefined"]:
        return [
            f"{title} {metric.name}: undefined in {estimate['undefined']:.1%} of the resamples (only one class drawn); "
            "the interval rests on the others."
        ]
    return []


def _add_to_quarantine(folder: RunFolder, bad: Sequence[Bad]) -> None:
    """Adds records to the run's `quarantine.csv`; those that it has are not repeated."""
    if not bad:
        return
    rows = []
    if folder.quarantine_path.exists():
        with open(folder.quarantine_path, newline="", encoding="utf-8") as file:
            rows = [Bad(**row) for row in csv.DictReader(file)]
    known = {(row.source, row.split, row.image) for row in rows}
    folder.write_quarantine([*rows, *(row for row in bad if (row.source, row.split, row.image) not in known)])
