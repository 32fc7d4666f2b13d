"""The table of a comparison as files: table.md to read, table.csv to reckon with, table.json with everything."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from keras_mtl.comparison.methods import DELTA_M, RANK, Methods
from keras_mtl.comparison.results import Results
from keras_mtl.comparison.table import Table
from keras_mtl.comparison.table_text import as_markdown, as_text
from keras_mtl.comparison.verdicts import Difference
from keras_mtl.evaluation.metrics import Metric, main_metric, metrics_for
from keras_mtl.evaluation.scoring import figure
from keras_mtl.evaluation.statistics import Estimate
from keras_mtl.files import replacing, write_json
from keras_mtl.values import without_nan

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
    those of metrics besides the main one, are empty. Where there are weightings, more columns hold the difference to
    the one that they are compared with, and more lines, of the task "all", the figures over all tasks.
    """
    seeds = [f"seed_{seed}" for seed in results.seeds]
    difference = ["difference", "difference_low", "difference_high", "p", "p_holm", "verdict"]
    margin = ["margin", "margin_p", "as_good"]
    to_base = [f"base_{name}" for name in difference] if table.methods else []
    head = ["net", "variant", "task", "metric", "unit", "main", "images", "mean", "low", "high", *seeds, *difference]
    head += margin if results.config.margins else []
    head += ["weighting", *to_base] if table.methods else []
    file = io.StringIO()
    writer = csv.DictWriter(file, head, lineterminator="\n")
    writer.writeheader()
    for entry in table.entries:
        task = results.tasks[entry.task]
        for name, metric in metrics_for(task).items():
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
            if is_main:
                found = table.difference(entry.row, task.name)
                line |= _differing(difference, found)
                if found and found.as_good is not None:
                    line |= dict(zip(margin, (found.margin, found.margin_p, int(found.as_good)), strict=True))
            if table.methods:
                line["weighting"] = entry.row.weighting
                line |= _differing(to_base, table.methods.difference(entry.row, task.name) if is_main else None)
            writer.writerow({column: value for column, value in line.items() if _is_known(value)})
    for line in _methods_lines(table, seeds, to_base):
        writer.writerow({column: value for column, value in line.items() if _is_known(value)})
    return file.getvalue()


def as_dict(table: Table, results: Results, costs: Mapping[str, Cost] | None = None) -> dict:
    """Everything as plain data for JSON, with None for NaN; shares are 0 to 1."""
    return without_nan(
        _plain(
            {
                "split": results.split,
                "seeds": results.seeds,
                "drawn": results.drawn,
                "notes": table.notes,
                "tasks": {
                    name: {**task.to_dict(), "main_metric": main_metric(task).name}
                    for name, task in results.tasks.items()
                },
                "rows": [{"key": row.key, **dataclasses.asdict(row)} for row in results.rows],
                "entries": [
                    {
                        "row": entry.row.key,
                        "task": entry.task,
                        "images": entry.images,
                        "metrics": {
                            name: {
                                **figure(estimate, metrics_for(results.tasks[entry.task])[name]),
                                "by_seed": entry.by_seed[name],
                            }
                            for name, estimate in entry.estimates.items()
                        },
                    }
                    for entry in table.entries
                ],
                "differences": _differences_list(table.differences),
                "parts": [
                    {"of": part.of, "owed_to": part.owed_to, **_differences_list([part.difference])[0]}
                    for part in table.parts
                ],
                **({"methods": _methods_dict(table.methods)} if table.methods else {}),
                **({"tuning": results.tuning.to_dict()} if results.tuning else {}),
                "costs": None if costs is None else {key: dataclasses.asdict(cost) for key, cost in costs.items()},
                "config": dataclasses.asdict(results.config),
            }
        )
    )


def _differing(columns: Sequence[str], found: Difference | None) -> dict[str, Any]:
    """A difference by column; empty for none."""
    if found is None:
        return {}
    ends = (found.estimate.value, found.estimate.low, found.estimate.high)
    return dict(zip(columns, (*ends, found.p_value, found.adjusted_p, found.verdict), strict=True))


def _methods_lines(table: Table, seeds: Sequence[str], to_base: Sequence[str]) -> list[dict[str, Any]]:
    """A line for each weighting's delta-m, mean rank, and what it costs."""
    lines = []
    for score in table.methods.scores if table.methods else []:
        assert table.methods
        common = {"net": score.row.title, "variant": score.row.variant, "task": "all", "weighting": score.row.weighting}
        if score.delta_m:
            found = _differing(to_base, table.methods.difference(score.row))
            lines.append(
                _figure_line(common, DELTA_M, score.delta_m, dict(zip(seeds, score.delta_by_seed, strict=True)) | found)
            )
        rank = Estimate(score.rank, math.nan, math.nan)
        lines.append(_figure_line(common, RANK, rank, dict(zip(seeds, score.rank_by_seed, strict=True))))
        costs = (("time", "relative", score.time), ("memory", "bytes", score.memory))
        lines += [{**common, "metric": name, "unit": unit, "main": 0, "mean": value} for name, unit, value in costs]
    return lines


def _figure_line(common: dict, metric: Metric, estimate: Estimate, more: dict) -> dict[str, Any]:
    ends = {"mean": estimate.value, "low": estimate.low, "high": estimate.high}
    return {**common, "metric": metric.name, "unit": metric.unit, "main": 1, **ends, **more}


def _differences_list(differences: Sequence[Difference]) -> list[dict]:
    return [{**vars(found), "row": found.row.key, "base": found.base.key} for found in differences]


def _methods_dict(methods: Methods) -> dict:
    return {
        "base": methods.base.key,
        "scores": [{**vars(score), "row": score.row.key} for score in methods.scores],
        "differences": _differences_list(methods.differences),
    }


def _is_known(value: object) -> bool:
    return not (isinstance(value, float) and math.isnan(value))


def _plain(value: Any) -> Any:
    """The value with dataclasses in it as dicts."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain(dataclasses.asdict(value))
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, (list, tuple)) else value
