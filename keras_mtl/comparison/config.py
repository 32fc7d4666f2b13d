"""The flags of `keras_mtl.compare`: those of a training, which hold for every net, and those of the comparison."""

from __future__ import annotations

import dataclasses

from keras_mtl.cli import flag
from keras_mtl.training.config import Config

COMPARISON, TABLE = "Comparison", "Table and report"
VARIANTS = ("multitask", "single", "pruned", "frozen")


@dataclasses.dataclass(frozen=True)
class CompareConfig(Config):
    """Settings of a comparison; `keras_mtl.compare --help` explains each one."""

    name: str = flag("compare", "Name of the comparison's folder in --workdir.", COMPARISON)
    seeds: int = flag(3, "How many seeds every net is trained with, counted up from --seed.", COMPARISON, low=1)
    variants: tuple[str, ...] = flag(
        (),
        "What is compared: multitask (one net for all tasks), single (one net a task, from scratch), pruned (the "
        "multitask net with the other branches removed, retrained), frozen (the same with the trunk frozen); default: "
        "all four, with --weightings multitask,single.",
        COMPARISON,
    )
    weightings: tuple[str, ...] = flag(
        (),
        "A multitask net for each way of balancing, with commas between, each as --weighting takes it; "
        "WEIGHTING@flag=value gives its nets other flags of a training, ew@batch_statistics=source for instance; "
        "sweep:N is EW with all weights in steps of 1/N. Pruned nets come from the first one.",
        COMPARISON,
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
    resamples: int = flag(2000, "Bootstrap resamples of seeds and images.", TABLE, low=100)
    confidence: float = flag(0.95, "Confidence of the intervals and of the verdicts.", TABLE, low=0.5, high=0.999)

    @property
    def compared(self) -> tuple[str, ...]:
        """The variants that are compared."""
        return self.variants or (VARIANTS[:2] if self.weightings else VARIANTS)
