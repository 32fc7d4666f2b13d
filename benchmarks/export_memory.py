"""The most memory that an export takes, by what is exported.

    python benchmarks/export_memory.py --run=runs/faces

Each is `keras_mtl.export` in a process of its own, as the command line starts it, into a folder that goes away again.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile

from keras_mtl.serving.formats import FORMATS
from keras_mtl.table import aligned


def peak(run: str, formats: str) -> float:
    """Highest resident MiB of an export."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "keras_mtl.export", f"--run={run}", f"--directory={folder}"]
        process = subprocess.Popen([*command, f"--formats={formats}"], stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"The export of {formats or 'the SavedModel'} failed")
    return used.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", required=True, help="a run folder")
    parser.add_argument("--formats", default=f",{','.join(FORMATS)},all", help="each alone; nothing: the SavedModel")
    options = parser.parse_args()
    rows = [(name or "SavedModel", f"{peak(options.run, name):,.0f}") for name in options.formats.split(",")]
    print(aligned([("export", "MiB"), *rows]))


if __name__ == "__main__":
    main()
