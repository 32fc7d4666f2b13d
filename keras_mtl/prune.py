"""Cut the branches of other tasks off a trained net, and train what is left.

  python -m keras_mtl.prune --run=runs/mtl --keep=age                   retrained with all weights free
  python -m keras_mtl.prune --run=runs/mtl --keep=age --freeze=trunk    only the branch is trained
  python -m keras_mtl.prune --run=runs/mtl --keep=age --epochs=0        only removed

Says what went, evaluates before and after, and leaves a run folder like any other. The run that it came from stays
as it is.
"""

from __future__ import annotations

import shlex

from keras_mtl.cli import run_command
from keras_mtl.pruning.settings import PruneConfig


def main(config: PruneConfig) -> None:
    from keras_mtl.pruning.retraining import prune

    run = prune(config)
    print(f"The run is in {run.path}. Next:")
    print(f"  python -m keras_mtl.export --run={shlex.quote(str(run.path))}")


def console() -> None:
    """The console script."""
    run_command(main, PruneConfig, __doc__)


if __name__ == "__main__":
    console()
