"""What of a difference is owed to what: the steps from a single net to a multitask or a pruned one, by control arms.

A multitask net differs from the single net of a task in three things at once: it makes more updates, it sees other
images, and it is told their labels. Between the two stand the single net with as many updates (`updates`), and the
multitask net to which the other tasks' labels say nothing, for they are permuted (`permuted`). A pruned net differs
from a single one in how long it was trained and in where it began: the single net retrained as long (`retrained`)
stands between.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from keras_mtl.comparison.cells import Row
from keras_mtl.comparison.figures import Figures
from keras_mtl.comparison.results import Results
from keras_mtl.comparison.verdicts import Difference, Pair, judged
from keras_mtl.evaluation.metrics import main_metric

STEPS = {
    "multitask": (("single", ""), ("updates", "updates"), ("permuted", "images"), ("multitask", "labels")),
    "pruned": (("single", ""), ("retrained", "longer training"), ("pruned", "the multitask start")),
}
"""By what is explained, the arms from the single net to it, each with what it has that the one before lacks."""
# With equal compute a single net makes as many updates, all with its own images.
SWAPPED = {"updates": "", "images": "other images in place of its own"}


@dataclasses.dataclass(frozen=True)
class Part:
    """A step between two arms.

    Attributes:
        of: what is explained, "multitask" or "pruned".
        owed_to: what the later arm has that the earlier lacks, "labels" for instance.
        difference: the later arm's figure minus the earlier one's.
    """

    of: str
    owed_to: str
    difference: Difference


def build_parts(figures: Figures) -> list[Part]:
    """The steps between all arms that were trained, task by task; none where no control arm was."""
    results = figures.results
    named: list[tuple[str, str]] = []
    pairs: list[Pair] = []
    for name, task in results.tasks.items():
        rows = {row.variant: row for row in reversed(results.rows) if name in results.tasks_of(row)}
        for of in STEPS if figures.of[name] else ():
            metric = main_metric(task)
            for owed_to, base, row in _steps(of, rows, results.config.budget):
                ours, theirs = (figures.of[name][each][metric.name] for each in (row, base))
                named.append((of, owed_to))
                pairs.append(Pair(row, base, name, metric, ours, theirs))
    found = judged(pairs, results.config.confidence)
    return [Part(of, owed_to, difference) for (of, owed_to), difference in zip(named, found, strict=True)]


def end_of(part: Part, results: Results) -> Row:
    """The row whose difference a step is part of."""
    task = part.difference.task
    rows = [row for row in results.rows if row.variant == part.of and task in results.tasks_of(row)]
    return rows[0]


def _steps(of: str, rows: Mapping[str, Row], budget: str) -> list[tuple[str, Row, Row]]:
    """What each step is owed to, and its two arms; none where nothing stands between the first and the last."""
    arms: list[Row] = []
    gains: list[str] = []  # since the last arm that was trained
    steps: list[tuple[str, Row, Row]] = []
    for variant, gained in STEPS[of]:
        gains.append(SWAPPED.get(gained, gained) if budget == "compute" else gained)
        if variant in rows:
            if arms:
                steps.append((" and ".join(filter(None, gains)), arms[-1], rows[variant]))
            arms.append(rows[variant])
            gains = []
    has_ends = STEPS[of][0][0] in rows and STEPS[of][-1][0] in rows
    return steps if has_ends and len(steps) > 1 else []
