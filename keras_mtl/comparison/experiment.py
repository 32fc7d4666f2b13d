"""A whole comparison: train what is missing, score, and write table, report and TensorBoard's logs."""

from __future__ import annotations

import dataclasses
import math
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from keras_mtl import cli
from keras_mtl.comparison.cells import CELLS, Cell, Lengths, rows
from keras_mtl.comparison.colours import run_groups, tensorboard_link
from keras_mtl.comparison.config import CompareConfig
from keras_mtl.comparison.costs import measure_costs
from keras_mtl.comparison.figures import Figures
from keras_mtl.comparison.plan import plan_grid
from keras_mtl.comparison.report.write import write_report
from keras_mtl.comparison.results import Results
from keras_mtl.comparison.runner import has_ended, train_cells
from keras_mtl.comparison.table import Table, build_table
from keras_mtl.comparison.table_files import as_text, write_table
from keras_mtl.comparison.table_text import grid_text
from keras_mtl.comparison.tensorboard import write_overview
from keras_mtl.comparison.tuning import check_search, plan_trials, plan_tuned, tuning_of
from keras_mtl.comparison.verdicts import margins_of
from keras_mtl.data.batches import TrainingBatches
from keras_mtl.data.clean import splits_note
from keras_mtl.data.sources import parse_sources
from keras_mtl.errors import UserError
from keras_mtl.evaluation.evaluate import evaluate_run
from keras_mtl.files import inside, read_json, renewing, replacing, write_json
from keras_mtl.locks import only_writer
from keras_mtl.models.cost import Cost, PlainCost
from keras_mtl.scratch import is_unused
from keras_mtl.tasks import Task
from keras_mtl.training.inputs import available_split, load_inputs
from keras_mtl.training.precision import choose_precision
from keras_mtl.training.run_folder import RunFolder

OUTPUT = "output"


def compare(config: CompareConfig, tell: Callable[[str], None] = print) -> Table:
    """Trains, or takes where they are already, all nets of a comparison, and writes what they show.

    The comparison's folder, `<workdir>/<name>/`, gets `flags.txt`, `cells/` (a run folder for each net and seed),
    `output/` (what their trainings printed), `costs.json`, and in `<budget>/`, with `-tuned<trials>` and, on a clean
    split, `-clean` behind it: `table.md`, `table.csv`, `table.json`, `report.html`, `logs/` for TensorBoard, and
    `trials.json` where methods were tuned. A comparison that was stopped goes on with the same call.

    Args:
        config: the settings.
        tell: takes what is said on the way, and the table.

    With `config.plan` nothing is trained or written: it tells how many seeds the named differences take.

    Returns:
        The table.

    Raises:
        UserError: a setting, a source or a folder that can't be used or is written to by another process, or a
            training that failed.
    """
    tasks = config.selected_tasks()
    rows(config)
    margins_of(config, tasks)
    check_search(config)
    if config.prune_from:
        raise UserError("--prune_from is set by the comparison itself: leave it out")
    folder = inside(config.workdir, config.name, "--name")
    _check_folder(folder)
    with only_writer(folder):
        return _compare(config, tasks, folder, tell)


def _compare(config: CompareConfig, tasks: dict[str, Task], folder: pathlib.Path, tell: Callable[[str], None]) -> Table:
    """Does what is left of a comparison whose folder nobody else writes to."""
    split = available_split(config, tasks, config.split)
    lengths = lengths_of(config, tasks)
    config = dataclasses.replace(config, precision=_precision(config, tasks, folder / CELLS, tell))
    target = folder / "-".join([config.budget, *_kinds(config)])
    trials = plan_trials(config, lengths)
    if config.plan:
        _check_trained(trials, may_diverge=True)
        tuning = tuning_of(config, trials)
        return _plan(Results(config, plan_tuned(config, lengths, tuning), split, tasks, tuning), tell)
    # First, and by it the folder is known again: flags.txt has a run folder too.
    (folder / CELLS).mkdir(parents=True, exist_ok=True)
    with replacing(folder / "flags.txt") as beside:
        beside.write_text(cli.to_flags(config), encoding="utf-8")
    if trials:
        tell(f"Tuning: {config.trials} trials of {len(trials) // config.trials} methods")
        train_cells(trials, config.jobs, folder / OUTPUT, tell, may_diverge=True)
    tuning = tuning_of(config, trials)
    if tuning:  # Before the nets of the table are trained: their settings are chosen by nothing else.
        write_json(target / "trials.json", tuning.to_dict())
    cells = plan_tuned(config, lengths, tuning)
    train_cells(cells, config.jobs, folder / OUTPUT, tell)
    for cell in cells:
        for wanted in dict.fromkeys((split, "validation")):
            _evaluate(cell, wanted, config, tell)

    results = Results(config, cells, split, tasks, tuning)
    table = build_table(results)
    costs = _costs(results, folder / "costs.json", tell)
    with renewing(target) as beside:
        write_table(table, results, costs, beside)
        write_overview(results, table, beside)
        write_report(results, table, costs, beside / "report.html", with_pictures=config.pictures)
    tell(as_text(table, results, costs))
    tell(f"\nWritten to {target}: report.html, table.md, table.csv, table.json, and logs/ for TensorBoard:")
    link = tensorboard_link(groups=run_groups(results.rows))
    tell(f"  tensorboard --logdir {target / 'logs'}\nand, with its runs coloured, {link}")
    return table


def _check_folder(folder: pathlib.Path) -> None:
    """Raises UserError where a folder holds something else than a comparison."""
    # The one or the other: folders of cells were once made by the first training only.
    is_ours = any((folder / part).is_dir() for part in (CELLS, OUTPUT))
    if folder.exists() and not is_ours and not is_unused(folder):
        raise UserError(f"{folder} exists and is no comparison: choose another --name or --workdir")


def _kinds(config: CompareConfig) -> list[str]:
    """What tells a table's folder apart from others of the same budget."""
    return [f"tuned{config.trials}"] * bool(config.trials) + ["clean"] * bool(config.clean)


def _plan(results: Results, tell: Callable[[str], None]) -> Table:
    """Tells what --plan asks for, of nets that are all trained, and returns their table."""
    _check_trained(results.cells)
    for cell in results.cells:
        _evaluate(cell, results.split, results.config, tell)
    figures = Figures(results)
    tell(grid_text(plan_grid(results, figures)))
    return build_table(results, figures)


def _check_trained(cells: Sequence[Cell], may_diverge: bool = False) -> None:
    """Raises UserError where --plan has nets to reckon with that are not trained."""
    missing = sum(not has_ended(cell, may_diverge) for cell in cells)
    if missing:
        raise UserError(
            f"--plan reckons with nets that are trained, and {missing} of {len(cells)} are not: run the same "
            "without --plan first, a pilot with --seeds=2 for instance"
        )


def _precision(config: CompareConfig, tasks, cells: pathlib.Path, tell: Callable[[str], None]) -> str:
    """What all nets are trained in: what the first of those that are there was, else a choice made once."""
    known = [RunFolder(path.parent).precision for path in sorted(cells.glob("*/manifest.json"))]
    if config.precision == "auto" and any(known):
        return next(filter(None, known))
    precision, reason = choose_precision(config, tasks)
    tell(f"Precision: {precision} ({reason})")
    return precision


def lengths_of(config: CompareConfig, tasks) -> Lengths:
    """How long the nets are trained, from the sizes of the sources."""
    inputs = load_inputs(config, parse_sources(config.sources, tasks, config.data_dir or None), tasks)
    batches = TrainingBatches(inputs.training, list(tasks), batch_size=config.batch_size, mix=config.mix_of())
    steps_per_epoch = config.steps_per_epoch or batches.steps_per_epoch
    steps = config.steps or config.epochs * steps_per_epoch
    if not steps:
        raise UserError("A comparison needs trained nets: give --epochs of 1 or more")
    share = {task: _labelled(batches, task) / config.batch_size for task in tasks}
    return Lengths(steps, math.ceil(steps / steps_per_epoch), share)


def _labelled(batches: TrainingBatches, task: str) -> float:
    """A task's labelled images in a batch, on average: of a source that labels some of its images, that share."""
    parts = [(part, count) for part, count in zip(batches.data, batches.counts, strict=True) if task in part.labels]
    return sum(count * float(np.mean(~np.isnan(part.labels[task]))) for part, count in parts)


def _evaluate(cell: Cell, split: str, config: CompareConfig, tell: Callable[[str], None]) -> None:
    """Scores a cell on a split, where that was not done since its training."""
    run = cell.run
    known = run.scored(split)
    if known is None or known.get("splits") != splits_note(config.clean):
        tell(f"Scoring {cell.config.name} on {split}")
        # The intervals of a single net are not what the table shows: a few resamples are enough here.
        evaluate_run(
            run.path, split, resamples=200, confidence=config.confidence, clean=config.clean, tell=lambda text: None
        )


def _costs(results: Results, path: pathlib.Path, tell: Callable[[str], None]) -> dict[str, Cost]:
    """The rows' costs; latency is measured once, since it is never the same twice."""
    keys = [f"{row.key}-{results.config.budget}" for row in results.nets]
    known: dict[str, Any] = read_json(path, dict[str, PlainCost]) if path.exists() else {}
    if not set(keys) <= set(known):
        tell("Measuring what the nets cost")
        measured = measure_costs(results)
        known.update({key: measured[row.key].to_dict() for key, row in zip(keys, results.nets, strict=True)})
        write_json(path, known)
    try:
        return {row.key: Cost.from_dict(known[key]) for key, row in zip(keys, results.nets, strict=True)}
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}): remove it, and the costs are measured again") from None
