"""What a reader of the table must know, in sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from keras_mtl.comparison.config import CompareConfig
from keras_mtl.comparison.parts import Part
from keras_mtl.comparison.results import Results
from keras_mtl.comparison.verdicts import ADVISED_SEEDS, LEAST_SEEDS, Difference
from keras_mtl.data.clean import read_clean, splits_note
from keras_mtl.evaluation.scoring import DRAWN


def notes_of(
    results: Results, images: Mapping[str, int], differences: Sequence[Difference], parts: Sequence[Part]
) -> list[str]:
    """The notes of a table.

    Args:
        results: the comparison.
        images: labelled images of the split by task.
        differences, parts: of the table.
    """
    config = results.config
    drawn = results.drawn
    return [
        *([DRAWN.format(sources=", ".join(drawn))] if drawn else []),
        *_split(results, images),
        *_budget(config),
        _intervals(config),
        *_differences(config, differences),
        *_parts(config, parts),
    ]


def _split(results: Results, images: Mapping[str, int]) -> list[str]:
    counts = ", ".join(f"{count:,} for {task}" for task, count in images.items() if count)
    notes = [
        f"Measured on the {results.split} split; labelled images: {counts or 'none'}; splits "
        f"{splits_note(results.config.clean)}."
    ]
    clean = read_clean(results.config.clean)
    if clean and clean.side == "test" and clean.changes_training:
        notes.append(
            "The nets were trained on the splits as given: images of validation that are in train as well had a say in "
            "which epoch was kept."
        )
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
    percent = f"{100 * config.confidence:g} %"
    if config.seeds == 1:
        return (
            f"Intervals hold {percent} over the images, by the jackknife. Every net was trained with one seed, so they "
            "tell the chance of these images only, not that of another training."
        )
    few = f" {ADVISED_SEEDS} seeds or more are advised." if config.seeds < ADVISED_SEEDS else ""
    return (
        f"Intervals hold {percent} over seeds and images: the variance is that of Obuchowski and Rockette (1995) for "
        f"{config.seeds} seeds crossed with the images (by the jackknife; images of one cluster, a person or copies of "
        "a photo, are left out together), and its two parts, of seeds and of images, have their own degrees of "
        f"freedom (benchmarks/verdicts.py measures the coverage).{few}"
    )


def _differences(config: CompareConfig, differences: Sequence[Difference]) -> list[str]:
    if not differences:
        return ["There are no differences to single nets to show."]
    told = "A difference is a net's figure minus that of the single net of the task, paired by seed and image. "
    if config.seeds < LEAST_SEEDS:
        return [told + f"There is no verdict with fewer than {LEAST_SEEDS} seeds: train more (--seeds)."]
    level = 1 - config.confidence
    notes = [
        f"{told}p is two-sided and corrected for {_comparisons(differences)} (Holm 1979); a verdict needs p of "
        f"{level:.3g} or less. The differences' intervals are not corrected."
    ]
    declared = [found for found in differences if not math.isnan(found.margin)]
    if declared:
        notes.append(
            "As good means shown to be worse by less than the margin that --margins declares "
            f"({', '.join(config.margins)}; a non-inferiority test, one-sided at half the level, corrected for "
            f"{_comparisons(declared)}). It is asked apart from the verdict: a net can be worse, and as good within "
            "the margin."
        )
    else:
        notes.append(
            "No difference shown does not mean as good: that needs a margin, declared beforehand with --margins."
        )
    return notes


def _comparisons(differences: Sequence) -> str:
    return f"{len(differences)} comparison{'s' if len(differences) > 1 else ''}"


def _parts(config: CompareConfig, parts: Sequence[Part]) -> list[str]:
    if not parts:
        missing = set(config.compared) >= {"multitask", "single"} and config.budget == "epochs"
        return [
            "What of a difference is owed to more updates, to more images and to the other tasks' labels is not told: "
            "that takes the control arms updates and permuted (--variants)."
        ] * missing
    notes = [
        "The steps add up to the difference between the single net and the multitask or pruned one; p is corrected for "
        f"the {_comparisons(parts)} of the steps among themselves."
    ]
    owed = {part.owed_to for part in parts}
    if "labels" in owed:
        notes.append(
            "Labels: the multitask net minus the same net trained with the other tasks' labels permuted among their "
            "images, which leaves their images and all updates as they are."
        )
    if "images" in owed:
        notes.append(
            "Images: that net minus the single one with as many updates: the other tasks' images with labels that say "
            "nothing. Such labels can also do harm."
        )
    if "updates" in owed:
        notes.append(
            "Updates: the single net trained with as many updates as the multitask net, on batches of its own share, "
            "minus the one with whole batches; both see their images equally often."
        )
    return notes
