"""Compare one multitask net with pruned nets and single ones, over several seeds.

  python -m keras_mtl.compare --flagfile=flags/compare.flags            the table, with intervals and verdicts
  python -m keras_mtl.compare --flagfile=flags/compare.flags --jobs=2   two nets at a time
  python -m keras_mtl.compare --flagfile=flags/compare.flags --plan=age=0.5   how many seeds show half a year
  python -m keras_mtl.compare --weightings=ew,uw,pcgrad,cagrad:c=0.4    one multitask net a way of balancing

A comparison that was stopped goes on with the same command; nets that are trained stay. What comes of it is in
runs/<name>/<budget>/, with -tuned<trials> and -clean behind it where they are: table.md, table.csv, table.json,
report.html and logs/ for TensorBoard.
"""

from __future__ import annotations

from keras_mtl.cli import run_command
from keras_mtl.comparison.config import CompareConfig


def main(config: CompareConfig) -> None:
    from keras_mtl.comparison.experiment import compare

    compare(config)


def console() -> None:
    """The console script."""
    run_command(main, CompareConfig, __doc__)


if __name__ == "__main__":
    console()
