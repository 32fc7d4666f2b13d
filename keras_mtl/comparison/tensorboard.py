"""TensorBoard's overview of a comparison: every cell's curves and scores under its row's name, and HParams."""

from __future__ import annotations

import contextlib
import math
import pathlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api as hparams
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from keras_mtl.comparison.cells import Row
from keras_mtl.comparison.colours import ABOUT, UNSEEN, run_groups, variants
from keras_mtl.comparison.methods import DELTA_M, RANK
from keras_mtl.comparison.methods_text import methods_notes
from keras_mtl.comparison.results import Results
from keras_mtl.comparison.weightings import title_of
from keras_mtl.files import replacing, short_name
from keras_mtl.training.tensorboard import by_tag

if TYPE_CHECKING:
    from keras_mtl.comparison.table import Table

Curves = list[tuple[int, dict[str, float]]]
"""Images seen, and figures by tag, at the end of each epoch."""

SETTINGS = ("learning_rate", "freeze", "batch_size", "epochs", "augment", "precision")
"""What is told of a cell's config, besides its row, seed, budget and length."""


def write_overview(results: Results, table: Table, folder: pathlib.Path) -> None:
    """Writes `folder`/logs for `tensorboard --logdir=folder/logs`; one that is there is replaced whole.

    Of each cell there are the runs `<row's title>/seed<k>` (validation's curves, the scores on the split as
    `<split>/<task>_<metric>`, and its settings for HParams) and `<row's title>/seed<k>/train`; of each row
    `<row's title>/mean`, the mean over its seeds. Curves bear the tags that training gives them, `age/mae` and so
    on; their step is the number of images seen, so that nets of unlike batches or data stand on one scale. The run
    `about` holds the table's notes, as text.

    Args:
        results: the comparison.
        table: its table.
        folder: the comparison's folder.
    """
    with replacing(pathlib.Path(folder) / "logs") as logs:
        order = variants(results.rows)
        for number, variant in enumerate(order):
            if number == UNSEEN:
                _write_about(results, table, logs / ABOUT)
            for row in results.rows:
                if row.variant == variant:
                    _write_row(results, table, row, logs / short_name(row.title))
        if len(order) <= UNSEEN:
            _write_about(results, table, logs / ABOUT)


def _write_row(results: Results, table: Table, row: Row, folder: pathlib.Path) -> None:
    curves = []
    for seed in results.seeds:
        seen = _curves(results, row, seed, "val_")
        scores = {tag: by_seed[results.seeds.index(seed)] for tag, by_seed in _scores(results, table, row).items()}
        _write(folder / f"seed{seed}", seen, scores, _settings(results, row, seed))
        _write(folder / f"seed{seed}" / "train", _curves(results, row, seed, ""), {})
        curves.append([*seen, (seen[-1][0], scores)])
    _write(folder / "mean", _mean(curves), {})


def _write(folder: pathlib.Path, curves: Curves, scores: Mapping[str, float], settings: Mapping | None = None) -> None:
    """Writes a run: its curves, its scores at their end, and what HParams shows."""
    with _run(folder) as add:
        if settings:
            # Without an id of its own HParams would call the cell by a hash of its settings.
            add(hparams.hparams_pb(dict(settings), trial_id=f"{folder.parent.name}/{folder.name}"))
        for seen, figures in [*curves, (curves[-1][0], scores)]:
            for tag, value in figures.items():
                if not math.isnan(value):
                    add(scalar_pb(tag, value), seen)


def _write_about(results: Results, table: Table, folder: pathlib.Path) -> None:
    """Writes what concerns all runs: what HParams lists, the table's notes, and settings that all runs share."""
    settings = [_settings(results, cell.row, cell.seed) for cell in results.cells]
    values = {name: list(dict.fromkeys(entry[name] for entry in settings)) for name in settings[0]}
    equal = ", ".join(f"{name} {some[0]}" for name, some in values.items() if len(some) == 1)
    tags = dict.fromkeys(tag for row in results.rows for tag in _scores(results, table, row))
    listed = hparams.hparams_config_pb(
        # HParams shows only the first few, by name: those that are equal everywhere would take their place.
        hparams=[hparams.HParam(name, hparams.Discrete(some)) for name, some in values.items() if len(some) > 1],
        metrics=[hparams.Metric(tag, display_name=tag) for tag in tags],
    )
    what = "by net" if any(row.weighting for row in results.rows) else "as the report does"
    colours = f"To colour runs {what}, choose *Color runs by: Regex* and enter `{run_groups(results.rows)}`."
    methods = methods_notes(results, table.methods) if table.methods else []
    notes = [*table.notes, *methods, f"Equal in all nets: {equal}.", colours]
    with _run(folder) as add:
        add(listed)
        add(text_pb("notes", "\n".join(f"- {note}" for note in notes)))


@contextlib.contextmanager
def _run(folder: pathlib.Path) -> Iterator[Callable[..., None]]:
    """A new run's `add(summary, step)`. TensorFlow's writer dates a run's start in whole seconds; this one exactly."""
    with contextlib.closing(EventFileWriter(str(folder))) as writer:

        def add(summary: Summary, step: int = 0) -> None:
            writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))

        yield add


def _settings(results: Results, row: Row, seed: int) -> dict[str, str | int | float]:
    config = results.cell(row, seed).config
    chosen = {name: getattr(config, name) for name in SETTINGS}
    return {
        "net": row.title,
        "variant": row.variant,
        "task": row.task or "all",
        **({"weighting": title_of(row.weighting) if row.weighting else "none"} if results.config.weightings else {}),
        "seed": seed,
        "budget": results.config.budget,
        "images": results.training(row, seed)["images"],
        **chosen,
    }


def _scores(results: Results, table: Table, row: Row) -> dict[str, list[float]]:
    """A row's scores by tag, one for each seed."""
    scores = {}
    for task in results.tasks_of(row):
        entry = table.entry(row, task)
        for metric, by_seed in (entry.by_seed if entry else {}).items():
            scores[f"{results.split}/{task}_{metric}"] = by_seed
    score = table.methods.score(row) if table.methods else None
    if score:
        scores |= {f"{results.split}/{DELTA_M.name}": score.delta_by_seed} if score.delta_by_seed else {}
        scores[f"{results.split}/{RANK.name}"] = score.rank_by_seed
    return scores


def _curves(results: Results, row: Row, seed: int, prefix: str) -> Curves:
    """A cell's figures on validation (prefix "val_") or in training (no prefix), an entry an epoch."""
    history, tasks = results.training(row, seed)["history"], results.tasks_of(row)
    return [
        (seen, by_tag(_with_prefix(figures, prefix), tasks))
        for seen, figures in zip(results.images_seen(row, seed), history, strict=True)
    ]


def _with_prefix(figures: Mapping[str, float], prefix: str) -> dict[str, float]:
    """Those figures of an epoch that are validation's (prefix "val_") or training's (none), without the prefix."""
    return {name[len(prefix) :]: value for name, value in figures.items() if name.startswith("val_") == bool(prefix)}


def _mean(curves: list[Curves]) -> Curves:
    """The mean over seeds of each epoch that all of them have."""
    return [
        (epochs[0][0], {tag: sum(figures[tag] for _, figures in epochs) / len(epochs) for tag in epochs[0][1]})
        for epochs in zip(*curves, strict=False)
    ]
