"""Score a trained run on a split: metrics with bootstrap intervals, and every prediction.

    python -m keras_mtl.evaluate --run=runs/NAME

Prints a table and writes predictions/SPLIT.csv and metrics.json in the run folder.
"""

from __future__ import annotations

import dataclasses

from keras_mtl.cli import Settings, flag, run_command
from keras_mtl.values import SEEDS

WHAT, HOW = "What to score", "Intervals and speed"


@dataclasses.dataclass(frozen=True)
class EvaluateConfig(Settings):
    """The flags of `keras_mtl.evaluate`."""

    run: str = flag("", "The run folder, for instance runs/faces.", WHAT, path=True)
    split: str = flag(
        "test",
        "The split to score; validation where there is no test split.",
        WHAT,
        choices=("train", "validation", "test"),
    )
    sources: tuple[str, ...] = flag((), "Other data than the training's, in the form of its --sources.", WHAT)
    data_dir: str = flag("", "Folder that relative paths start from; default: the training's.", WHAT, path=True)
    clean: str = flag(
        "", "Folder of a clean split, from keras_mtl.audit --write_clean; default: the training's.", WHAT, path=True
    )
    batch_size: int = flag(64, "Images at once.", HOW, low=1)
    resamples: int = flag(2000, "Bootstrap resamples of the images.", HOW, low=1)
    confidence: float = flag(0.95, "Confidence of the intervals.", HOW, low=0.5, high=0.999)
    seed: int = flag(0, "Seed of the resamples.", HOW, low=0, high=SEEDS - 1)


def main(config: EvaluateConfig) -> None:
    from keras_mtl.evaluation.evaluate import evaluate_run

    evaluate_run(**dataclasses.asdict(config))


def console() -> None:
    """The console script."""
    run_command(main, EvaluateConfig, __doc__)


if __name__ == "__main__":
    console()
