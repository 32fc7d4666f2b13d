"""What is written of the search that tuned the methods: a sentence, and what each method was given."""

from __future__ import annotations

import math

from keras_mtl.comparison.grid import NONE, Grid
from keras_mtl.comparison.results import Results
from keras_mtl.comparison.tuning import LEARNING_RATE_FACTOR, LOSS_WEIGHT_FACTOR, loss_weights_of
from keras_mtl.comparison.weightings import title_of


def tuning_grid(results: Results) -> Grid | None:
    """Each method's chosen settings beside its best and its default validation score; None where nothing was tuned."""
    if results.tuning is None:
        return None
    titles = [f"{name.replace('_', ' ').capitalize()} weight" for name in results.tasks]
    rows: list[tuple[str, ...]] = [
        ("Method", "Trial", "Learning rate", *titles, "Validation skill", "With the defaults")
    ]
    for row in results.rows:
        search = results.tuning.searches[row.key]
        config = search.cells[search.chosen].config
        weights = loss_weights_of(config) if row.task is None else {}
        rows.append(
            (
                title_of(row.weighting) if row.weighting else row.title,
                str(search.chosen),
                f"{config.learning_rate:.3g}",
                *(f"{weights[name]:.3g}" if name in weights else NONE for name in results.tasks),
                *(_skill(score) for score in (search.scores[search.chosen], search.scores[0])),
            )
        )
    below = (
        "Trial 0 has the defaults. The best of several scores is better than that net would get again: compare "
        "methods by the table, not by these."
    )
    return Grid("What the search chose, by validation", rows, tuple(range(1, len(rows[0]))), below)


def tuning_note(results: Results) -> str:
    """How the methods of a tuned comparison were tuned."""
    config, tuning = results.config, results.tuning
    assert tuning
    seed = next(iter(tuning.searches.values())).cells[0].seed
    return (
        f"Equal tuning for all: every weighting and every single net was tried with the same {config.trials} settings, "
        f"the defaults among them: learning rates within a factor of {LEARNING_RATE_FACTOR:g} either side of the "
        f"default and, for weightings, loss weights within one of {LOSS_WEIGHT_FACTOR:g} (log-uniform; the geometric "
        f"mean of the weights' factors is 1). The trial with the best validation skill gave a method's settings for "
        f"all seeds; trials had seed {seed}, which none of the table's nets has, and no test figure had a part in it "
        f"(trials.json). All share the net, data, {config.optimizer} ({config.schedule}), length, augmentation "
        f"({config.augment}) and seeds."
    )


def _skill(score: float) -> str:
    return NONE if math.isnan(score) else f"{score:.4f}"
