"""What the JSON files of a run folder hold. Runs of before have less, so that no field has to be there."""

from __future__ import annotations

from typing import Any, TypedDict


class SplitFacts(TypedDict, total=False):
    """A source's split: how many images, and a hash of pictures, names, order and labels."""

    images: int
    fingerprint: str


class SourceFacts(TypedDict, total=False):
    """A source that was trained on."""

    tasks: list[str]
    licence: str
    description: str
    drawn: bool
    splits: dict[str, SplitFacts]


class Manifest(TypedDict, total=False):
    """`manifest.json`: what the run's numbers depend on."""

    started: str
    seed: int
    versions: dict[str, str]
    host: dict[str, Any]
    commit: str | None
    precision: str
    parameters: int
    quarantined: int
    sources: dict[str, SourceFacts]


class Training(TypedDict, total=False):
    """What a training came to; `history` has the figures of each epoch."""

    best_by: str
    best: float | None
    best_epoch: int
    constant_guess_error: dict[str, float | None]
    seconds_of_last_start: float
    images: int
    history: list[dict[str, float | None]]


class Scores(TypedDict, total=False):
    """A split's entry, as `evaluate_run` returns it."""

    images: int
    clusters: int
    quarantined: int
    splits: str
    sources: list[str]
    drawn: list[str]
    confidence: float
    resamples: int
    of: dict[str, str]
    tasks: dict[str, dict[str, Any]]


class Divergence(TypedDict, total=False):
    """Where a training has diverged; no task where it is the trunk's."""

    step: int
    task: str | None
    what: str


class Metrics(TypedDict, total=False):
    """`metrics.json`: what came of the run."""

    training: Training
    diverged: Divergence
    process: dict[str, float]
    before: dict[str, Scores]
    train: Scores
    validation: Scores
    test: Scores
