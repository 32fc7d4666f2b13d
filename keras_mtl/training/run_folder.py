"""The run folder: one training, and all that came of it."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import os
import pathlib
import platform
import subprocess
from collections.abc import Sequence
from typing import Any

import keras_mtl
from keras_mtl import cli
from keras_mtl.data.source import Bad
from keras_mtl.errors import UserError
from keras_mtl.files import file_hash, read_csv, read_json, read_text, replacing, write_csv, write_json
from keras_mtl.locks import only_writer
from keras_mtl.scratch import is_unused
from keras_mtl.training.config import Config
from keras_mtl.training.run_files import Manifest, Metrics

# What may differ between a run and its resumption: none of these changes a number.
FREE = (
    "resume",
    "workdir",
    "name",
    "cache",
    "cache_dir",
    "data_dir",
    "checkpoint_steps",
    "histograms",
    "log_conflict_every",
)
PATHS = ("init_from", "prune_from")
QUARANTINE = ("source", "split", "image", "reason")


class RunFolder:
    """The files of a run, by name.

    Args:
        path: the folder; it need not exist yet.

    Files: `flags.txt`, `manifest.json`, `metrics.json`, `model.keras`, `quarantine.csv`, `conflict.csv` where conflict
    is logged, and the folders `checkpoints/`, `logs/`, `predictions/`.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = pathlib.Path(path).expanduser()
        self.flags_path = self.path / "flags.txt"
        self.manifest_path = self.path / "manifest.json"
        self.metrics_path = self.path / "metrics.json"
        self.model_path = self.path / "model.keras"
        self.quarantine_path = self.path / "quarantine.csv"
        self.conflict_path = self.path / "conflict.csv"
        self.checkpoints_path = self.path / "checkpoints"
        self.logs_path = self.path / "logs"
        self.predictions_path = self.path / "predictions"

    @classmethod
    def existing(cls, path: str | os.PathLike) -> RunFolder:
        """A run folder that is there. Raises UserError where it is not, or holds no run."""
        run = cls(path)
        if not str(path):
            raise UserError("No run folder given: name one with --run=runs/NAME")
        if not run.flags_path.is_file():
            raise UserError(f"{path} is no run folder: it has no flags.txt. Train one with python -m keras_mtl.train")
        return run

    @classmethod
    def trained(cls, path: str | os.PathLike) -> RunFolder:
        """A run folder with a model in it. Raises UserError where there is none."""
        run = cls.existing(path)
        if not run.model_path.is_file():
            raise UserError(f"{path} has no model.keras yet: let its training finish an epoch")
        return run

    def load_model(self):
        """The run's best model, not compiled. Raises UserError where it is damaged, or its weights are not finite."""
        from keras_mtl.models.keras_files import load_model

        return load_model(self.model_path)

    def begin(self, config: Config) -> None:
        """Claims the folder for a training by writing `flags.txt`."""
        with replacing(self.flags_path) as beside:
            beside.write_text(cli.to_flags(config), encoding="utf-8")

    def check(self, config: Config) -> None:
        """Checks that the folder is free, or holds the same training to go on with.

        A run that has neither a checkpoint nor metrics has nothing to lose, and may be replaced.

        Raises:
            UserError: the folder holds another training, or one that must not be resumed.
        """
        if len(os.fsencode(self.path.name)) > 255:
            raise UserError(f"A folder's name has 255 bytes at most: choose a shorter --name than {self.path.name!r}")
        if self.path.exists() and not self.flags_path.exists() and not is_unused(self.path):
            raise UserError(f"{self.path} exists and is no run folder: choose another --name or --workdir")
        if not self.begun:
            return
        if not config.resume:
            raise UserError(f"{self.path} already holds a run: choose another --name, or leave out --noresume")
        theirs = dataclasses.replace(self.config(), precision=self.precision or self.config().precision)
        if config.precision == "auto":
            config = dataclasses.replace(config, precision=theirs.precision)
        other = [name for name in vars(config) if name not in FREE and _differs(config, theirs, name)]
        if other:
            shown = ", ".join(f"--{name} was {getattr(theirs, name)!r}" for name in other)
            raise UserError(f"{self.path} holds a run with other flags ({shown}): choose another --name")

    @property
    def begun(self) -> bool:
        """Whether a training has left something to lose."""
        return self.checkpoints_path.exists() or self.metrics_path.exists()

    @property
    def precision(self) -> str | None:
        """What its training computes in; None before it began."""
        return self.manifest().get("precision") if self.begun and self.manifest_path.exists() else None

    @property
    def finished(self) -> bool:
        """Whether the training has come to its end."""
        return "training" in self.metrics()

    @property
    def diverged(self) -> dict | None:
        """Where its training has diverged: `step`, `task` (None where it is shared) and `what` was not finite."""
        return self.metrics().get("diverged")

    def config(self) -> Config:
        """The training's settings, out of `flags.txt`. Raises UserError where it is damaged."""
        text = read_text(self.flags_path, limit=cli.LARGEST_FILE)
        # A run's has every flag that there was, this one since the first version: else its settings would be defaults.
        if not text.endswith("\n") or "--histograms" not in text.replace("--nohistograms", "--histograms"):
            raise UserError(f"{self.flags_path} is damaged: its end is missing")
        try:
            config, _ = cli.parse(Config, [f"--flagfile={self.flags_path}"])
        except UserError as error:
            raise UserError(
                str(error) if str(self.flags_path) in str(error) else f"{self.flags_path}: {error}"
            ) from None
        return config

    def manifest(self, *needed: str) -> dict[str, Any]:
        """What `manifest.json` holds (see `Manifest`), these fields in any case. Raises UserError if it is damaged."""
        return _with(self.manifest_path, read_json(self.manifest_path, Manifest), needed)

    def metrics(self, *needed: str) -> dict[str, Any]:
        """What `metrics.json` holds (see `Metrics`), nothing where there is none yet, and these entries in any case.

        Raises:
            UserError: it is damaged, or lacks one of them.
        """
        found = read_json(self.metrics_path, Metrics) if self.metrics_path.exists() else {}
        return _with(self.metrics_path, found, needed)

    def write_manifest(self, config: Config, facts: dict) -> None:
        """Writes what the run's numbers depend on: versions, seed, host, commit, and the given facts."""
        write_json(
            self.manifest_path,
            {
                "started": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
                "seed": config.seed,
                "versions": installed_versions(),
                "host": {"cpus": os.cpu_count(), "machine": platform.machine(), "system": platform.platform()},
                "commit": _commit(),
                **facts,
            },
        )

    def write_quarantine(self, bad) -> None:
        """Writes the bad records, one a line: source, split, image, reason."""
        rows = ((record.source, record.split, record.image, record.reason) for record in bad)
        write_csv(self.quarantine_path, QUARANTINE, rows)

    def read_quarantine(self) -> list[Bad]:
        """The records that `write_quarantine` wrote."""
        rows = read_csv(self.quarantine_path, QUARANTINE)
        return [Bad(row["source"], row["split"], row["image"], row["reason"]) for row in rows]

    def keep_score(self, split: str, entry: dict) -> dict:
        """Sets a split's entry of `metrics.json` and returns it, with `of`: hashes of its predictions and the model."""
        entry = {**entry, "of": self._hashes(split)}
        self.update_metrics(**{split: {**self.metrics().get(split, {}), **entry}})
        return entry

    def scored(self, split: str) -> dict | None:
        """A split's entry of `metrics.json`, where it is of the model and the predictions that lie there; else None.

        Evaluation writes the predictions first: one that was killed there leaves an entry of others.
        """
        files = (self.metrics_path, self.model_path, self.predictions_path / f"{split}.csv")
        entry = self.metrics().get(split) if all(path.is_file() for path in files) else None
        return entry if entry and entry.get("of") == self._hashes(split) else None

    def _hashes(self, split: str) -> dict[str, str]:
        paths = {"model": self.model_path, "predictions": self.predictions_path / f"{split}.csv"}
        return {name: file_hash(path) for name, path in paths.items()}

    def update_metrics(self, **entries) -> None:
        """Sets entries of `metrics.json`, takes out those that are None, and keeps the others."""
        with only_writer(self.path, self.metrics_path.name, wait=True):
            known = {**self.metrics(), **entries}
            write_json(self.metrics_path, {name: entry for name, entry in known.items() if entry is not None})


def _with(path: pathlib.Path, found: Any, needed: Sequence[str]) -> Any:
    for name in needed:
        if name not in found:
            raise UserError(f"{path}: {name} is missing")
    return found


def _differs(ours: Config, theirs: Config, name: str) -> bool:
    """Whether a setting is another one; a path is the same however it is written."""
    values = [getattr(config, name) for config in (ours, theirs)]
    if name in PATHS and all(values):
        values = [os.path.abspath(value) for value in values]
    return values[0] != values[1]


def installed_versions() -> dict[str, str]:
    """The versions that numbers depend on, by name: Python, this package and those that compute."""
    return {
        "python": platform.python_version(),
        "keras_mtl": keras_mtl.__version__,
        **{package: importlib.metadata.version(package) for package in ("tensorflow", "keras", "numpy")},
    }


def _commit() -> str | None:
    """The commit of the code that runs, with "+" where the work tree differs; None outside a checkout."""
    here = pathlib.Path(__file__).parent
    command = ["git", "-C", str(here), "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
