"""A made-up finished comparison on disk: cells with settings, metrics, manifests and predictions, but no models."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Sequence

import numpy as np
import pandas as pd
from PIL import Image

from keras_mtl.comparison.cells import Cell, Lengths
from keras_mtl.comparison.config import CompareConfig
from keras_mtl.comparison.results import Results
from keras_mtl.comparison.tuning import plan_trials, plan_tuned, tuning_of
from keras_mtl.evaluation.predictions import write_predictions
from keras_mtl.evaluation.scoring import score
from keras_mtl.files import write_json
from keras_mtl.tasks import BUILT_IN, Task

STEPS, EPOCHS = 120, 4
SKILL = {
    **{"multitask": 1.0, "single": 0.8, "pruned": 1.05, "frozen": 0.95},
    **{"updates": 0.85, "permuted": 0.9, "retrained": 0.82},
}
"""How sure the nets of a variant are: one with more errs less."""


def fabricate(
    path: str | pathlib.Path,
    seeds: int = 3,
    images: int = 200,
    tasks: Sequence[str | Task] = ("age", "gender", "smile"),
    *,
    split: str = "test",
    pictures: bool = False,
    **settings,
) -> Results:
    """Writes a comparison to `path`/compare and returns it.

    Multitask, pruned and frozen nets are somewhat better than single ones, and nets agree on what is hard.

    Args:
        path: a folder, made where it is not there.
        seeds: trainings of each net.
        images: test images of each task, from a source of their own; validation has half as many.
        tasks: names of built-in tasks, or other tasks (which are written to a task file).
        split: what the results are measured on.
        pictures: writes pictures of noise, and the lists of them that `sources` names, to `path`/data.
        **settings: more fields of `CompareConfig`, `variants` for instance.
    """
    path = pathlib.Path(path)
    declared = {task.name: task for task in tasks if isinstance(task, Task)}
    chosen = {task if isinstance(task, str) else task.name: task for task in tasks}
    known = {name: task if isinstance(task, Task) else BUILT_IN[task] for name, task in chosen.items()}
    path.mkdir(parents=True, exist_ok=True)
    if declared:
        (path / "tasks.json").write_text(json.dumps([task.to_dict() for task in declared.values()]), "utf-8")
    config = CompareConfig(
        **{
            "tasks": tuple(known),
            "task_file": str(path / "tasks.json") if declared else "",
            "sources": tuple(f"{name}=csv:splits/{name}_{{split}}.csv" for name in known),
            "data_dir": str(path / "data"),
            "workdir": str(path),
            "seeds": seeds,
            "split": split,
            "epochs": EPOCHS,
            **settings,
        }
    )
    pool = {
        part: pd.concat([_images(known, name, part, count) for name in known], ignore_index=True)
        for part, count in (("test", images), ("validation", images // 2), ("train", 4))
    }
    if pictures:
        _write_pictures(path / "data", known, pool)
    lengths = Lengths(STEPS, EPOCHS, dict.fromkeys(known, 1 / len(known)))
    trials = plan_trials(config, lengths)
    for number, cell in enumerate(trials):
        write_trial(cell, 0.5 + 0.01 * number)  # The last trial wins.
    tuning = tuning_of(config, trials)
    cells = plan_tuned(config, lengths, tuning)
    for number, cell in enumerate(cells):
        _write_cell(cell, number, known, pool)
    return Results(config, cells, split, known, tuning)


def write_trial(cell: Cell, score: float | None, best_by: str = "val_skill") -> None:
    """Makes a finished training of a trial, that was never measured on a test split."""
    cell.run.begin(cell.config)
    write_json(cell.run.metrics_path, {"training": {"best_by": best_by, "best": score}})


def rewrite(results: Results, row, seed: int, change, split: str = "") -> None:
    """Replaces a cell's predictions by `change(frame)`."""
    path = results.cell(row, seed).run.predictions_path / f"{split or results.split}.csv"
    write_predictions(change(results.predictions(row, seed, split)), path)


def _images(tasks: dict[str, Task], own: str, split: str, count: int) -> pd.DataFrame:
    """A source's images: `source`, `image`, the true class or value of every task, and how hard it is to see."""
    random = np.random.default_rng([*own.encode(), *split.encode()])
    frame = pd.DataFrame({"source": [f"csv_{own}"] * count})
    for name, task in tasks.items():
        low, high = task.bounds
        if task.classes:
            frame[name] = random.integers(0, len(task.classes), count)
        else:
            frame[name] = np.round(low + (high - low) * random.beta(1.5, 2.5, count))
        frame[f"{name}_hard"] = random.normal(0, 1, count)
    ages = frame.get("age", pd.Series(random.integers(1, 100, count))).astype(int)
    genders = frame.get("gender", pd.Series(random.integers(0, 2, count))).astype(int)
    races, dates = random.integers(0, 5, count), 20170101000000000 + 1000 * np.arange(count)
    if own in ("age", "gender"):
        keys = zip(ages, genders, races, dates, strict=True)
        frame["image"] = ["UTKFace/" + "_".join(map(str, key)) + ".jpg.chip.jpg" for key in keys]
    elif own == "smile":
        sides = ["positives" if smiles else "negatives" for smiles in frame["smile"]]
        frame["image"] = [f"SMILEs/{side}/{side}7/{split}{number}.jpg" for number, side in enumerate(sides)]
    else:
        frame["image"] = [f"{own}/{split}{number}.jpg" for number in range(count)]
    return frame


def _predictions(cell: Cell, number: int, tasks: dict[str, Task], pool: pd.DataFrame) -> pd.DataFrame:
    """What the cell's net predicts of the images of its tasks' sources: the table that `predict_split` describes."""
    random = np.random.default_rng([7, number, len(pool)])
    own = {name: tasks[name] for name in cell.config.tasks}
    pool = pool[pool["source"].isin([f"csv_{name}" for name in own])].reset_index(drop=True)
    columns: dict[str, object] = {"source": pool["source"], "image": pool["image"]}
    for name, task in own.items():
        labelled = pool["source"] == f"csv_{name}"
        skill = SKILL[cell.row.variant] * (1 + 0.02 * random.normal())
        noise = 0.8 * pool[f"{name}_hard"].to_numpy() + 0.5 * random.normal(0, 1, len(pool))
        if not task.classes:
            low, high = task.bounds
            columns[name] = pool[name].where(labelled)
            columns[f"{name}_predicted"] = np.clip(pool[name] + (high - low) / 15 / skill * noise, low, high)
            continue
        scores = random.normal(0, 0.5, (len(pool), len(task.classes)))
        scores[np.arange(len(pool)), pool[name]] += 1.2 * skill + noise
        likely = np.exp(2 * scores) / np.exp(2 * scores).sum(1, keepdims=True)
        columns[name] = pool[name].map(dict(enumerate(task.classes))).where(labelled)
        columns[f"{name}_predicted"] = np.array(task.classes)[likely.argmax(1)]
        columns |= {f"{name}_{label}": likely[:, index] for index, label in enumerate(task.classes)}
    return pd.DataFrame(columns)


def _write_cell(cell: Cell, number: int, tasks: dict[str, Task], pool: dict[str, pd.DataFrame]) -> None:
    run, own = cell.run, {name: tasks[name] for name in cell.config.tasks}
    run.begin(cell.config)
    history = _history(own, SKILL[cell.row.variant], number)
    best = max(range(EPOCHS), key=lambda epoch: history[epoch]["val_skill"])
    metrics: dict[str, dict] = {
        "training": {
            "best_by": "val_skill",
            "best": history[best]["val_skill"],
            "best_epoch": best + 1,
            "constant_guess_error": {name: 0.5 if task.classes else 14.5 for name, task in own.items()},
            "images": (cell.config.steps or STEPS) * cell.config.batch_size,
            "seconds_of_last_start": 100.0 + number,
            "history": history,
        }
    }
    for split in ("validation", "test"):
        frame = _predictions(cell, number, tasks, pool[split])
        write_predictions(frame, run.predictions_path / f"{split}.csv")
        metrics[split] = {
            "images": len(frame),
            "quarantined": 0,
            "sources": [f"csv_{name}" for name in own],
            "drawn": [],
            "confidence": 0.95,
            "resamples": 100,
            "tasks": score(frame, own, resamples=100),
        }
    write_json(run.metrics_path, metrics)
    write_json(run.manifest_path, _manifest(cell, own, pool))


def _history(tasks: dict[str, Task], skill: float, number: int) -> list[dict]:
    """An entry an epoch with the keys of a real training: a single net's loss is `loss` alone."""
    random = np.random.default_rng(number)
    history = []
    for epoch in range(EPOCHS):
        left = 0.9 ** (epoch + 1) / skill
        entry: dict[str, float] = {}
        for prefix, worse in (("", 1.0), ("val_", 1.1)):
            losses = {}
            for name, task in tasks.items():
                losses[name] = 0.7 * left * worse * (1 + 0.02 * random.normal())
                if task.classes:
                    entry[f"{prefix}{name}_accuracy"] = 1 - losses[name] / 2
                else:
                    entry[f"{prefix}{name}_mae"] = 15 * losses[name]
            if len(tasks) > 1:
                entry |= {f"{prefix}{name}_loss": loss for name, loss in losses.items()}
            entry[f"{prefix}loss"] = sum(losses.values())
        entry |= {"val_skill": 1 - left * 0.8, "images_per_second": 280.0 + random.normal(), "input_wait": 0.005}
        history.append(entry)
    return history


def _manifest(cell: Cell, tasks: dict[str, Task], pool: dict[str, pd.DataFrame]) -> dict:
    sources = {
        f"csv_{name}": {
            "tasks": [name],
            "licence": "unknown",
            "description": "pictures and labels listed in a CSV",
            "drawn": False,
            "splits": {
                split: {"images": int((pool[split]["source"] == f"csv_{name}").sum()), "fingerprint": "0" * 32}
                for split in ("train", "validation")
            },
        }
        for name in tasks
    }
    return {
        "started": "2026-11-24T23:35:35+00:00",
        "seed": cell.seed,
        "versions": {"python": "3.11.7", "keras_mtl": "0.1.0", "tensorflow": "2.21.0", "keras": "3.15.1"},
        "host": {"cpus": 2, "machine": "x86_64", "system": "Linux"},
        "commit": "0" * 40,
        "precision": "float32",
        "parameters": 11_186_112 + 10_000 * len(tasks),
        "sources": sources,
        "quarantined": 0,
    }


def _write_pictures(folder: pathlib.Path, tasks: dict[str, Task], pool: dict[str, pd.DataFrame]) -> None:
    random = np.random.default_rng(0)
    (folder / "splits").mkdir(parents=True)
    for split, frame in pool.items():
        for name, task in tasks.items():
            part = frame[frame["source"] == f"csv_{name}"]
            labels = part[name].map(dict(enumerate(task.classes))) if task.classes else part[name]
            table = pd.DataFrame({"image": part["image"], name: labels})
            table.to_csv(folder / "splits" / f"{name}_{split}.csv", index=False)
        for image in frame["image"]:
            (folder / image).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(random.integers(0, 256, (32, 32, 3), np.uint8)).save(folder / image)
