"""How to go on after a training that diverged, in the flags that its user knows."""

from __future__ import annotations

from keras_mtl.training.checkpoint import Progress
from keras_mtl.training.config import Config
from keras_mtl.training.run_folder import RunFolder


def way_on(config: Config, run: RunFolder, score: str, progress: Progress) -> str:
    """What of the training is good, and what to start with it.

    Args:
        config: its settings.
        run: its folder.
        score: what chose its best model.
        progress: as far as it came.
    """
    if progress.best is None:
        return f"No epoch was done before it: {another_try(config)}"
    return (
        f"{run.path} keeps the model of epoch {progress.best_epoch} ({score} {progress.best:.3g}): "
        f"{another_try(config)}, from there on with --init_from={run.path}"
    )


def another_try(config: Config) -> str:
    """The flags that a training is to be tried with that diverged."""
    others = [
        *(["a --warmup above 0"] if not config.warmup else []),
        *(["smaller --loss_weights"] if config.loss_weights else []),
        *(["--precision=float32"] if config.precision == "bfloat16" else []),
    ]
    more = f" (or {', or '.join(others)})" if others else ""
    return f"try another --name with a --learning_rate below {config.learning_rate:g}{more}"
