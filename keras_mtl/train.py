"""Train one network on several tasks, from data sets that each label only some of them.

  python -m keras_mtl.train --tasks=age,gender,smile        on drawn faces, as it stands
  python -m keras_mtl.train --tasks=age                     a single-task net
  python -m keras_mtl.train --flagfile=flags/faces.flags    an experiment

A training that was stopped goes on with the same command. What comes of it is in runs/<name>/.
"""

from __future__ import annotations

import shlex

from keras_mtl.cli import run_command
from keras_mtl.training.config import Config


def main(config: Config) -> None:
    from keras_mtl.training.fit import train

    run = train(config)
    path = shlex.quote(str(run.path))
    print(f"The run is in {run.path}. Next:")
    print(f"  python -m keras_mtl.evaluate --run={path}")
    print(f"  python -m keras_mtl.export --run={path}")


def console() -> None:
    run_command(main, Config, __doc__)


if __name__ == "__main__":
    console()
