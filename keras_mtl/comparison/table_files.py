"""The table of a comparison as files: table.md to read, table.csv to reckon with, table.json with everything."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from keras_mtl.comparison.results import Results
from keras_mtl.comparison.table import Table, main_metric
from keras_mtl.comparison.table_text import as_markdown, as_text
from keras_mtl.evaluation.metrics import metrics_for
from keras_mtl.files import replacing, write_json

if TYPE_CHECKING:
    from keras_mtl.models.cost import Cost

__all__ = ["as_csv", "as_dict", "as_markdown", "as_text", "write_table"]


def write_table(table: Table, results: Results, costs: Mapping[str, Cost] | None, folder: str | pathlib.Path) -> None:
    """Writes table.md, table.csv and table.json to a folder, each of them whole or not at all."""
    folder = pathlib.Path(folder)
    for name, text in (("table.md", as_markdown(table, results, costs)), ("table.csv", as_csv(table, results))):
        with replacing(folder / name) as beside:
            beside.write_text(text, encoding="utf-8", newline="")
    write_json(folder / "table.json", as_dict(table, results, costs))


def as_csv(table: Table, results: Results) -> str:
    """A line for each row, task and metric: mean, interval, one value a seed, and the difference to the single net.

    Shares are 0 to 1, other figures in their unit. Undefined figures and differences that there are none of, such as
    those of metrics besides the main one, are empty.
    """
    seeds = [f"seed_{seed}" for seed in results.seeds]
    difference = ["difference", "difference_low", "difference_high", "p", "p_holm", "verdict"]
    head = ["net", "variant", "task", "metric", "unit", "main", "images", "mean", "low", "high", *seeds, *difference]
    file = io.StringIO()
    writer = csv.DictWriter(file, head, lineterminator="\n")
    writer.writeheader()
    for entry in table.entries:
        task = results.tasks[entry.task]
        for name, metric in metrics_for(task.kind).items():
            is_main, estimate = name == main_metric(task).name, entry.estimates[name]
            line: dict[str, Any] = {
                "net": entry.row.title,
                "variant": entry.row.variant,
                "task": task.name,
                "metric": name,
                "unit": task.unit if metric.unit == "label" else metric.unit,
                "main": int(is_main),
                "images": entry.images,
                "mean": estimate.value,
                "low": estimate.low,
                "high": estimate.high,
                **dict(zip(seeds, entry.by_seed[name], strict=True)),
            }
            found = table.difference(entry.row, task.name) if is_main else None
            if found:
                ends = (found.estimate.value, found.estimate.low, found.estimate.high)
                line |= dict(zip(difference, (*ends, found.p_value, found.adjusted_p, found.verdict), strict=True))
            writer.writerow({column: value for column, value in line.items() if _is_known(value)})
    return file.getvalue()


def as_dict(table: Table, results: Results, costs: Mapping[str, Cost] | None = None) -> dict:
    """Everything as plain data for JSON, with None for NaN; shares are 0 to 1."""
    return _plain(
        {
            "split": results.split,
            "seeds": results.seeds,
            "drawn": results.drawn,
            "notes": table.notes,
            "tasks": {
                name: {**task.to_dict(), "main_metric": main_metric(task).name} for name, task in results.tasks.items()
            },
            "rows": [{"key": row.key, **dataclasses.asdict(row)} for row in results.rows],
            "entries": [
                {
                    "row": entry.row.key,
                    "task": entry.task,
                    "images": entry.images,
                    "metrics": {
                        name: {**estimate.to_dict(), "by_seed": entry.by_seed[name]}
                        for name, estimate in entry.estimates.items()
                    },
                }
                for entry in table.entries
            ],
            "differences": [{**vars(found), "row": found.row.key} for found in table.differences],
            "costs": None if costs is None else {key: dataclasses.asdict(cost) for key, cost in costs.items()},
            "config": dataclasses.asdict(results.config),
        }
    )


def _is_known(value: object) -> bool:
    return not (isinstance(value, float) and math.isnan(value))


def _plain(value: Any) -> Any:
    """The value with dataclasses as dicts, keys as text, and None for NaN."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain(dataclasses.asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value if _is_known(value) else None
