"""Look at what is in data sets: labels, damage, duplicates, and images that are in train and in test.

    python -m keras_mtl.audit --flagfile=flags/faces.flags
    python -m keras_mtl.audit --flagfile=flags/faces.flags --write_clean
    python -m keras_mtl.evaluate --run=runs/faces --clean=runs/audit/clean

Takes a training's flagfile too; of its flags those that are not listed here change nothing. Prints the facts, and
writes audit.html, audit.json, duplicates.csv and quarantine.csv to <workdir>/<audit_name>/, and with --write_clean
the folder clean/, which --clean of train, evaluate and compare takes.
"""

from __future__ import annotations

import dataclasses
import pathlib

from keras_mtl.cli import flag, run_command
from keras_mtl.data.audit import THRESHOLD
from keras_mtl.data.clean import SIDES
from keras_mtl.training.config import Config

GROUP = "Audit"


@dataclasses.dataclass(frozen=True)
class AuditConfig(Config):
    """The flags of `keras_mtl.audit`: a training's, so that a flagfile serves both, and its own."""

    shown_flags = (
        *("tasks", "task_file", "sources", "data_dir", "validation_fraction", "workdir"),
        *("audit_name", "similarity", "write_clean", "remove_from"),
    )

    audit_name: str = flag("audit", "Name of the folder that the audit is written to.", GROUP)
    similarity: float = flag(
        THRESHOLD,
        "How like two pictures must be to count as one, 1 being the same: lower finds more, and more that are none.",
        GROUP,
        low=0.5,
        high=1.0,
    )
    write_clean: bool = flag(
        False, "Write a clean split: no image of test is in train as well, and none of validation.", GROUP
    )
    remove_from: str = flag(
        "test",
        "The side from which a clean split removes what is in test and in train or validation.",
        GROUP,
        choices=SIDES,
    )


def main(config: AuditConfig) -> None:
    from keras_mtl.data.audit.audit import audit_sources, write_audit
    from keras_mtl.data.audit.page import write_page
    from keras_mtl.data.audit.text import as_text
    from keras_mtl.data.sources import parse_sources
    from keras_mtl.files import renewing
    from keras_mtl.locks import only_writer

    sources = parse_sources(config.sources, config.selected_tasks(), config.data_dir or None)
    folder = pathlib.Path(config.workdir) / config.audit_name
    with only_writer(folder):
        print("Reading every image and comparing it with every other", flush=True)
        found = audit_sources(
            sources,
            validation_fraction=config.validation_fraction,
            threshold=config.similarity,
            side=config.remove_from,
        )
        with renewing(folder) as beside:
            write_audit(found, beside, clean=config.write_clean)
            write_page(found, sources, beside / "audit.html")
    print(as_text(found))
    print(f"\nWritten to {folder}: audit.html, audit.json, duplicates.csv, quarantine.csv")
    if config.write_clean:
        print(f"Take the clean split with --clean={folder / 'clean'} in train, evaluate and compare")


def console() -> None:
    """The console script."""
    run_command(main, AuditConfig, __doc__)


if __name__ == "__main__":
    console()
