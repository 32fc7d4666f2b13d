"""The search that tunes every method of a comparison alike: the same trials for each, judged by validation alone."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from keras_mtl.comparison.cells import Cell, Lengths, Row, plan
from keras_mtl.comparison.config import CompareConfig
from keras_mtl.comparison.weightings import expand, with_weighting
from keras_mtl.errors import UserError
from keras_mtl.files import short_name
from keras_mtl.training.config import Config
from keras_mtl.values import SEEDS, rank, without_nan

SCORE = "val_skill"
LEARNING_RATE_FACTOR = 4.0
LOSS_WEIGHT_FACTOR = 10.0


@dataclasses.dataclass(frozen=True)
class Trial:
    """Settings that every method is tried with.

    Attributes:
        learning_rate: times the method's own.
        loss_weights: by task, times its own; their geometric mean is 1. Single nets take none of them.
    """

    learning_rate: float
    loss_weights: Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Search:
    """What came of a method's trials.

    Attributes:
        cells: one for each trial, the first with the defaults.
        scores: each trial's best validation skill; NaN where its training has diverged, or come to none.
    """

    cells: list[Cell]
    scores: list[float]

    @property
    def chosen(self) -> int:
        """The number of the best trial; of equal ones the first. Raises UserError where none has a score."""
        best = max(range(len(self.scores)), key=lambda number: rank(self.scores[number]))
        if math.isinf(rank(self.scores[best])):
            raise UserError(
                f"All {len(self.scores)} trials of {self.cells[0].row.title} diverged, or came to no {SCORE}: choose "
                "another --name with a lower --learning_rate"
            )
        return best


@dataclasses.dataclass(frozen=True)
class Tuning:
    """The searches of a comparison, by `Row.key`."""

    searches: dict[str, Search]

    def chosen(self, row: Row) -> int:
        """The number of the trial whose settings a row's nets have."""
        return self.searches[row.key].chosen

    def to_dict(self) -> dict:
        """Each trial's settings and score and which one won, as plain data for JSON; None for NaN."""
        methods = {
            key: {
                "chosen": search.chosen,
                "trials": [
                    {
                        "cell": cell.config.name,
                        "learning_rate": cell.config.learning_rate,
                        "loss_weights": loss_weights_of(cell.config) if cell.row.task is None else {},
                        "score": without_nan(score),
                    }
                    for cell, score in zip(search.cells, search.scores, strict=True)
                ],
            }
            for key, search in self.searches.items()
        }
        return {"score": SCORE, "seed": next(iter(self.searches.values())).cells[0].seed, "methods": methods}


def check_search(config: CompareConfig) -> None:
    """Raises UserError for settings that --trials can't tune."""
    if not config.trials:
        return
    if config.trials == 1:
        raise UserError("--trials takes 2 or more, the first of which are the defaults, or 0 to tune nothing")
    if not config.weightings:
        raise UserError("--trials tunes the methods of --weightings: name some, or leave out --trials")
    others = sorted(set(config.compared) - {"multitask", "single"})
    if others:
        raise UserError(f"--trials tunes multitask and single nets: leave {', '.join(others)} out of --variants")
    entries = expand(config.weightings, len(config.tasks))
    other = [name for name in (with_weighting(config, entry).best_by for entry in entries) if name != SCORE]
    if other or config.best_by != SCORE:
        raise UserError(
            f"--trials compares trials by {SCORE}: leave --best_by at it, not {(*other, config.best_by)[0]}"
        )


def draw_trials(config: CompareConfig) -> list[Trial]:
    """The trials: the defaults, then draws that --seed decides, the same whatever the number of trials.

    Learning rates are log-uniform within a factor of 4 either side, loss weights within one of 10 before they are
    divided by their geometric mean.
    """
    found = [Trial(1.0, {})]
    for number in range(1, config.trials):
        random = np.random.default_rng([config.seed, number])
        rate = LEARNING_RATE_FACTOR ** random.uniform(-1, 1)
        powers = random.uniform(-1, 1, len(config.tasks))
        weights = LOSS_WEIGHT_FACTOR ** (powers - powers.mean())
        found.append(Trial(float(rate), dict(zip(config.tasks, weights.tolist(), strict=True))))
    return found[: config.trials]


def plan_trials(config: CompareConfig, lengths: Lengths) -> list[Cell]:
    """A cell for each method and trial, as long as the table's, with the seed before those of the table's cells."""
    once = dataclasses.replace(config, seed=(config.seed - 1) % SEEDS, seeds=1)
    cells = plan(once, lengths) if config.trials else []
    return [
        _with_trial(cell, trial, f"trial{number}-{_stem(cell.row, config)}")
        for number, trial in enumerate(draw_trials(config))
        for cell in cells
    ]


def tuning_of(config: CompareConfig, cells: Sequence[Cell]) -> Tuning | None:
    """What the trials say, all of which are trained; None where there are none.

    Raises:
        UserError: a training that was not judged by validation skill.
    """
    if not cells:
        return None
    by_key: dict[str, list[Cell]] = {}
    for cell in cells:
        by_key.setdefault(cell.row.key, []).append(cell)
    return Tuning({key: Search(own, [_score(cell) for cell in own]) for key, own in by_key.items()})


def plan_tuned(config: CompareConfig, lengths: Lengths, tuning: Tuning | None) -> list[Cell]:
    """`plan`, each cell with the settings of its method's best trial."""
    cells = plan(config, lengths)
    if tuning is None:
        return cells
    trials = draw_trials(config)
    return [
        _with_trial(
            cell,
            trials[tuning.chosen(cell.row)],
            f"{_stem(cell.row, config)}-tuned{config.trials}-seed{cell.seed}",
        )
        for cell in cells
    ]


def loss_weights_of(config: Config) -> dict[str, float]:
    """What each task's loss counts, its head's own weight where none is given."""
    from keras_mtl.heads.by_name import head_of

    given = config.loss_weight_of()
    return {name: given.get(name, head_of(task).weight) for name, task in config.selected_tasks().items()}


def _with_trial(cell: Cell, trial: Trial, name: str) -> Cell:
    config = dataclasses.replace(
        cell.config, name=short_name(name), learning_rate=_rounded(cell.config.learning_rate * trial.learning_rate)
    )
    if trial.loss_weights and cell.row.task is None:
        weights = {task: _rounded(own * trial.loss_weights[task]) for task, own in loss_weights_of(config).items()}
        config = dataclasses.replace(config, loss_weights=tuple(f"{task}={own!r}" for task, own in weights.items()))
    return dataclasses.replace(cell, config=config)


def _stem(row: Row, config: CompareConfig) -> str:
    return row.key if row.task is None else f"{row.key}-{config.budget}"


def _rounded(number: float) -> float:
    return float(f"{number:.4g}")


def _score(cell: Cell) -> float:
    training = cell.run.metrics().get("training")
    if training is None:  # It diverged: what it had come to before is not what its settings lead to.
        return math.nan
    if training["best_by"] != SCORE:
        raise UserError(f"{cell.run.path} was judged by {training['best_by']}, but --trials compares by {SCORE}")
    return math.nan if training["best"] is None else float(training["best"])
