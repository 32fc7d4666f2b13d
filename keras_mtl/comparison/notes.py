"""What a reader of the table must know, in sentences."""

from __future__ import annotations

from collections.abc import Mapping

from keras_mtl.comparison.config import CompareConfig
from keras_mtl.comparison.results import Results
from keras_mtl.data.clean import splits_note
from keras_mtl.evaluation.scoring import DRAWN


def notes_of(results: Results, images: Mapping[str, int], comparisons: int) -> list[str]:
    """The notes of a table.

    Args:
        results: the comparison.
        images: labelled images of the split by task.
        comparisons: how many differences the table has.
    """
    config = results.config
    drawn = results.drawn
    return [
        *([DRAWN.format(sources=", ".join(drawn))] if drawn else []),
        *_split(results, images),
        *_budget(config),
        _intervals(config),
        *_differences(config, comparisons),
    ]


def _split(results: Results, images: Mapping[str, int]) -> list[str]:
    counts = ", ".join(f"{count:,} for {task}" for task, count in images.items() if count)
    notes = [
        f"Measured on the {results.split} split; labelled images: {counts or 'none'}; splits "
        f"{splits_note(results.config.clean)}."
    ]
    if results.split == "validation":
        reason = " There is no test split for every task." if results.config.split == "test" else ""
        notes.append(
            "On validation each net's best epoch was chosen, so these figures are better than new images would give."
            + reason
        )
    notes += [f"No image of the {results.split} split is labelled for {task}." for task in images if not images[task]]
    return notes


def _budget(config: CompareConfig) -> list[str]:
    notes = []
    if "single" in config.compared:
        if config.budget == "epochs":
            text = "every net sees a task's own images equally often, so a single net takes fewer steps"
        else:
            text = "every net takes equally many steps, so a single net sees its own images more often"
        notes.append(f"Equal {config.budget}: {text} (the multitask net's steps are shared by its tasks).")
    if {"pruned", "frozen"} & set(config.compared):
        length = "as long as" if config.retrain_share == 1 else f"{100 * config.retrain_share:g} % as long as"
        notes.append(
            f"Pruned nets go on from the multitask net's weights, for {length} a single net is trained under equal "
            f"{config.budget}; the multitask training comes on top of that."
        )
    return notes


def _intervals(config: CompareConfig) -> str:
    kept = f"Intervals hold {100 * config.confidence:g} % of {config.resamples:,} bootstrap resamples"
    if config.seeds == 1:
        return (
            f"{kept} of the images. Every net was trained with one seed, so intervals and verdicts "
            "tell the chance of these images only, not that of another training."
        )
    return (
        f"{kept} of {config.seeds} seeds and of the images. They reach no further than these seeds do: where nets "
        "differ more by seed than by image, few seeds make them too narrow."
    )


def _differences(config: CompareConfig, comparisons: int) -> list[str]:
    if not comparisons:
        return ["There are no differences to single nets to show."]
    level = 1 - config.confidence
    notes = [
        "A difference is a net's figure minus that of the single net of the task, paired by seed and image. p is "
        f"two-sided and corrected for {comparisons} comparisons (Holm 1979); a verdict needs p of {level:.3g} or less. "
        "The differences' intervals are not corrected."
    ]
    least = 2 * comparisons / (config.resamples + 1)
    if least > level:
        notes.append(
            f"No verdict was possible: with {config.resamples:,} resamples and {comparisons} comparisons the smallest "
            f"corrected p is {least:.2g}. Take --resamples={int(2 * comparisons / level) + 1} or more."
        )
    return notes
