"""The entries of `--weightings`: how the multitask nets of a comparison are balanced, and what they are called."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Sequence
from typing import Any

from keras_mtl import cli
from keras_mtl.errors import UserError
from keras_mtl.training.config import RUN, Config
from keras_mtl.values import is_whole, read_whole

PLAIN = "ew"
SWEEP = "sweep"
# What decides the data, or is a comparison's own to set.
FIXED = (
    *("tasks", "task_file", "sources", "data_dir", "clean", "image_size", "validation_fraction", "max_bad_share"),
    *("cache", "cache_dir", "init_from", "prune_from", "seed", "weighting"),
)
TITLES = {
    "rlw": "RLW",
    "imtl_l": "IMTL-L",
    "famo": "FAMO",
    "gradnorm": "GradNorm",
    "pcgrad": "PCGrad",
    "gradvac": "GradVac",
    "cagrad": "CAGrad",
    "imtl_g": "IMTL-G",
    "nash_mtl": "Nash-MTL",
    "aligned_mtl": "Aligned-MTL",
    "upgrad": "UPGrad",
    "dualproj": "DualProj",
    "fairgrad": "FairGrad",
    "config": "ConFIG",
    "modo": "MoDo",
    "sdmgrad": "SDMGrad",
    "db_mtl": "DB-MTL",
    "moco": "MoCo",
    "graddrop": "GradDrop",
    "excess_mtl": "ExcessMTL",
}
"""What their authors call them; those that are not here are their names in capitals."""


@functools.cache
def expand(entries: tuple[str, ...], tasks: int) -> tuple[str, ...]:
    """The entries, with `sweep:N` replaced by the linear scalarisations of `simplex_grid`.

    Args:
        entries: WEIGHTING or WEIGHTING@flag=value@…: a weighting as `--weighting` takes it, and other flags of the
            training that its nets are to have.
        tasks: how many are balanced.

    Raises:
        UserError: an unknown weighting or flag, a bad value, or an entry given twice.

    Example:
        >>> expand(("uw", "sweep:1@mix=equal"), 2)  # doctest: +SKIP
        ('uw', 'ew:weights=2/0@mix=equal', 'ew:weights=0/2@mix=equal')
    """
    if entries and tasks < 2:
        raise UserError("--weightings compares how tasks are balanced: it needs two --tasks or more")
    found = [each for entry in entries for each in _expanded(entry, tasks)]
    for entry in found:
        _check(entry)
    twice = [entry for entry in found if [key_of(other) for other in found].count(key_of(entry)) > 1]
    if twice:
        raise UserError(f"--weightings names {twice[0]!r} more than once")
    return tuple(found)


def with_weighting(config: Config, entry: str) -> Config:
    """A training's settings with those of an entry."""
    spec, *settings = entry.split("@")
    return dataclasses.replace(config, weighting=spec, **dict(map(_setting, settings)))


def key_of(entry: str) -> str:
    """An entry for the names of files: "cagrad:c=0.4" is "cagrad-c=0.4"."""
    return re.sub(r"[^\w.=+-]+", "-", entry)


def title_of(entry: str) -> str:
    """An entry for readers: "cagrad:c=0.4@mix=equal" is "CAGrad c=0.4 mix=equal", "ew:weights=2/1" "EW weights=2:1"."""
    name, *settings = re.split("[:@]", entry)
    return " ".join([TITLES.get(name, name.upper()), *(setting.replace("/", ":") for setting in settings)])


def base_of(entries: Sequence[str]) -> str:
    """The entry that others are compared with: plain EW, or the first where it is not there."""
    return PLAIN if PLAIN in entries else entries[0]


def _expanded(entry: str, tasks: int) -> list[str]:
    spec, *settings = entry.split("@")
    name, _, steps = spec.partition(":")
    if name != SWEEP:
        return [entry]
    if not is_whole(steps) or read_whole(steps) < 1:
        raise UserError(f"--weightings takes sweep:N, N being steps along the simplex' edge. Received: {entry!r}")
    from keras_mtl.balancing.methods.ew import simplex_grid

    weights = ["/".join(f"{weight:g}" for weight in point) for point in simplex_grid(tasks, read_whole(steps))]
    return ["@".join([f"{PLAIN}:weights={point}", *settings]) for point in weights]


def _check(entry: str) -> None:
    from keras_mtl.weighting_names import parse_weighting

    spec, *settings = entry.split("@")
    parse_weighting(spec)
    for setting in settings:
        _setting(setting)


def _setting(text: str) -> tuple[str, Any]:
    """A flag of a training and its value."""
    name, equals, _ = text.partition("=")
    known = {
        field.name for field in dataclasses.fields(Config) if field.metadata["group"] != RUN and field.name not in FIXED
    }
    if not equals or name not in known:
        raise UserError(
            f"--weightings takes WEIGHTING@flag=value with a flag of {', '.join(sorted(known))}. Received: {text!r}"
        )
    config, _ = cli.parse(Config, [f"--{text}"])
    return name, getattr(config, name)
