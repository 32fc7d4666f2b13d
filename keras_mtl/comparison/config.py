"""The flags of `keras_mtl.compare`: those of a training, which hold for every net, and those of the comparison."""

from __future__ import annotations

import dataclasses

from keras_mtl.cli import flag
from keras_mtl.training.config import Config

COMPARISON, TABLE = "Comparison", "Table and report"
VARIANTS = ("multitask", "single", "pruned", "frozen")
CONTROLS = ("updates", "permuted", "retrained")
"""Arms that tell what a difference between those is owed to."""
ORDER = ("multitask", "single", *CONTROLS, "pruned", "frozen")


@dataclasses.dataclass(frozen=True)
class CompareConfig(Config):
    """Settings of a comparison; `keras_mtl.compare --help` explains each one."""

    name: str = flag("compare", "Name of the comparison's folder in --workdir.", COMPARISON)
    seeds: int = flag(3, "How many seeds every net is trained with, counted up from --seed.", COMPARISON, low=1)
    variants: tuple[str, ...] = flag(
        (),
        "What is compared: multitask (one net for all tasks), single (one net a task, from scratch), pruned (the "
        "multitask net with the other branches removed, retrained), frozen (the same with the trunk frozen); default: "
        "all four, with --weightings multitask,single. Control arms tell what a difference is owed to: updates (the "
        "single net with as many updates as the multitask net, on as many images), permuted (the multitask net with "
        "the other tasks' labels permuted), retrained (the single net retrained as long as the pruned one).",
        COMPARISON,
    )
    weightings: tuple[str, ...] = flag(
        (),
        "A multitask net for each way of balancing, with commas between, each as --weighting takes it; "
        "WEIGHTING@flag=value gives its nets other flags of a training, ew@batch_statistics=source for instance; "
        "sweep:N is EW with all weights in steps of 1/N. Pruned nets come from the first one.",
        COMPARISON,
    )
    trials: int = flag(
        0,
        "Tunes every method of --weightings and every single net by the same search: so many trials of learning rate "
        "and, for multitask nets, loss weights, the first with the defaults; the best by validation gives the settings "
        "of all seeds. 0: nothing is tuned.",
        COMPARISON,
        low=0,
    )
    budget: str = flag(
        "epochs",
        "What is equal: epochs (every net sees a task's own images equally often) or compute (every net trains for "
        "as many steps as the multitask net).",
        COMPARISON,
        choices=("epochs", "compute"),
    )
    retrain_share: float = flag(
        1.0,
        "Length of the retraining of pruned nets, as a share of a single net's training.",
        COMPARISON,
        low=0.01,
        high=10.0,
    )
    retrain_learning_rate: float = flag(3e-4, "Highest learning rate of that retraining.", COMPARISON, low=0.0)
    jobs: int = flag(1, "Nets trained at the same time; the cores are shared out among them.", COMPARISON, low=1)
    split: str = flag(
        "test",
        "What the table is measured on; validation where there is no test split.",
        TABLE,
        choices=("test", "validation"),
    )
    confidence: float = flag(0.95, "Confidence of the intervals and of the verdicts.", TABLE, low=0.5, high=0.999)
    margins: tuple[str, ...] = flag(
        (),
        "How much worse than the single net still counts as as good, TASK=AMOUNT in years or whatever a regression's "
        "unit is, percentage points for classes: age=0.5,gender=1. Declare them before you look at the figures; where "
        "there are none, nothing is said of as good.",
        TABLE,
    )
    pictures: bool = flag(True, "Show test images in the report: --nopictures for one that is to be published.", TABLE)
    plan: tuple[str, ...] = flag(
        (),
        "Trains nothing: says how many seeds and test images it takes to show a difference to the single net, "
        "TASK=DIFFERENCE in the units of --margins, by the variances of the nets that are there, a pilot's of 2 seeds "
        "for instance.",
        TABLE,
    )

    @property
    def compared(self) -> tuple[str, ...]:
        """The variants that are compared."""
        return self.variants or (VARIANTS[:2] if self.weightings else VARIANTS)
