"""The evaluation of a run on a split: predictions, metrics with intervals, and a table to read."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from keras_mtl.data.clean import splits_note
from keras_mtl.data.source import Bad
from keras_mtl.data.sources import parse_sources
from keras_mtl.evaluation.predictions import Predictor, clusters_of, predict_split, write_predictions
from keras_mtl.evaluation.scoring import report, score
from keras_mtl.files import printable
from keras_mtl.locks import only_writer
from keras_mtl.names import check_names
from keras_mtl.training.inputs import load_configured_split, tested_tasks
from keras_mtl.training.run_folder import RunFolder

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    import pandas as pd

    from keras_mtl.tasks import Task
    from keras_mtl.training.config import Config


def evaluate_run(
    run: str | os.PathLike,
    split: str = "test",
    *,
    sources: Sequence[str] = (),
    data_dir: str = "",
    clean: str = "",
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
        split: "train", "validation" or "test"; validation is taken where there is no test split.
        sources: other sources than the training's, in the form of its `--sources`.
        data_dir: the folder that their relative paths start from; empty for the training's.
        clean: the folder of a clean split; empty for the training's, if any.
        batch_size: images at once.
        resamples, confidence, seed: of the bootstrap intervals over images.
        tell: takes the table; `print` by default.

    Returns:
        The split's entry: `images`, `clusters` (how many there are of these: of one person or one photo),
        `quarantined`, `splits` ("as given" or "clean: ..."), `sources`, `drawn` (those of them that are drawn, not
        photos), `confidence`, `resamples`, `of` (hashes of the model and the predictions), and `tasks` by name, each
        with `kind`, `images` (labelled ones) and `metrics` {name: {value, low, high, undefined}}, where a value that is
        undefined is None and has a `reason`; `by_source` where several sources label the task; `by_group`
        {kind of group: {group: the same, of the task's main metric}} where groups are known.

    Raises:
        UserError: no run or model there, no source with that split, or too many bad records.
    """
    folder = RunFolder.trained(run)
    model, config = folder.load_model(), folder.config()
    config = dataclasses.replace(
        config,
        sources=tuple(sources) or config.sources,
        data_dir=data_dir or config.data_dir,
        clean=clean or config.clean,
    )
    split = split_to_score(config, model.tasks, split, tell)
    result, frame, bad = evaluate_model(
        model,
        config,
        split,
        batch_size=batch_size,
        resamples=resamples,
        confidence=confidence,
        seed=seed,
    )
    if not (sources or clean) and folder.manifest_path.exists():
        _tell_changes(folder, split, frame)
    with only_writer(folder.path, folder.predictions_path.name, wait=True):  # So that all is of one evaluation.
        write_predictions(frame, folder.predictions_path / f"{split}.csv")
        _add_to_quarantine(folder, bad)
        result = folder.keep_score(split, result)
    tell(report(result, model.tasks, run=str(run), split=split))
    return result


def split_to_score(config: Config, tasks: dict[str, Task], wanted: str, tell: Callable[[str], None]) -> str:
    """The wanted split, or "validation" where no source has a test split; says so, and which tasks have none."""
    if wanted != "test":
        return wanted
    tested = tested_tasks(config, tasks)
    if not tested:
        tell("There is no test split: scored on validation, by which the epoch was chosen")
    elif missing := [task for task in tasks if task not in tested]:
        tell(f"There is no test split for {', '.join(missing)}, which --split=validation scores")
    return "test" if tested else "validation"


def evaluate_model(
    model: Predictor,
    config: Config,
    split: str,
    *,
    batch_size: int = 64,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[dict, pd.DataFrame, list[Bad]]:
    """Scores a model on a split of a config's sources and writes nothing.

    Args:
        model: the model.
        config: names the sources, and how their images are read.
        split, batch_size, resamples, confidence, seed: as for `evaluate_run`.

    Returns:
        The split's entry as `evaluate_run` returns it but for `of`, the predictions as `predict_split` does, and the
        bad records.

    Raises:
        UserError: as `evaluate_run`.
    """
    tasks = model.tasks
    check_names(tasks)  # Of a net trained before that was asked for: told before its images are read.
    sources = parse_sources(config.sources, tasks, config.data_dir or None)
    data, bad = load_configured_split(config, sources, tasks, split, clusters=True)
    frame = predict_split(model, data, batch_size=batch_size)
    drawn = {source.name for source in sources if source.drawn}
    result = {
        "images": len(frame),
        "clusters": len(set(clusters_of(frame))),
        "quarantined": len(bad),
        "splits": splits_note(config.clean),
        "sources": [part.source for part in data],
        "drawn": [part.source for part in data if part.source in drawn],
        "confidence": confidence,
        "resamples": resamples,
        "tasks": score(frame, tasks, resamples=resamples, confidence=confidence, seed=seed),
    }
    return result, frame, bad


def _tell_changes(folder: RunFolder, split: str, frame: pd.DataFrame) -> None:
    """Tells where a split is not the one that the training read: its figures mean something else then."""
    for name, facts in folder.manifest().get("sources", {}).items():
        before, now = facts.get("splits", {}).get(split, {}).get("images"), int((frame["source"] == name).sum())
        if before not in (None, now):
            log.warning(
                "%s, %s: %d images, and %d when the run was trained: other data, or another rule of what is cut off "
                "train for validation; some may have been trained on",
                *(name, split, now, before),
            )


def _add_to_quarantine(folder: RunFolder, bad: Sequence[Bad]) -> None:
    """Adds records to the run's `quarantine.csv`; those that it has are not repeated."""
    if not bad:
        return
    rows = []
    if folder.quarantine_path.exists():
        rows = folder.read_quarantine()
    known = {(row.source, row.split, row.image) for row in rows}
    new = [row for row in bad if (row.source, row.split, printable(row.image)) not in known]
    folder.write_quarantine([*rows, *new])
