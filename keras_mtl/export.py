"""Export a trained run as a SavedModel that needs nothing but TensorFlow to run.

    python -m keras_mtl.export --run=runs/NAME
    python -m keras_mtl.export --run=runs/NAME --formats=onnx,openvino,litert_int8 --verify

Writes saved_models/NAME/VERSION/ and prints that path; versions count up from 1.
"""

from __future__ import annotations

import dataclasses
import functools
import sys

from keras_mtl.cli import Settings, flag, run_command
from keras_mtl.serving.formats import FORMATS
from keras_mtl.uncertainty.conformal import LEVEL

WHAT, HOW, OTHERS = "What to export, and where to", "How it computes", "Other formats beside the SavedModel"


@dataclasses.dataclass(frozen=True)
class ExportConfig(Settings):
    """The flags of `keras_mtl.export`."""

    run: str = flag("", "The run folder, for instance runs/faces.", WHAT, path=True)
    directory: str = flag("saved_models", "Folder of the exported models.", WHAT, path=True)
    name: str = flag("", "Name of the exported model; default: the run's.", WHAT)
    fold: bool = flag(True, "Work BatchNormalization into the convolutions: faster, same outputs.", HOW)
    precision: str = flag(
        "float32", "Arithmetic: float32, or the one it was trained with.", HOW, choices=("float32", "trained")
    )

    calibrate: bool = flag(
        True, "Fit temperatures of probabilities and intervals of values on the run's validation images.", HOW
    )
    interval_level: float = flag(LEVEL, "Share of labels that the intervals are to hold.", HOW)

    formats: tuple[str, ...] = flag(
        (),
        f"Formats, with commas between: {', '.join(FORMATS)}, or all. Each is compared with the SavedModel first.",
        OTHERS,
    )
    verify: bool = flag(False, "Score and time the SavedModel and each format; prints a table.", OTHERS)
    split: str = flag(
        "test",
        "The split to score on; validation where there is no test split.",
        OTHERS,
        choices=("test", "validation", "train"),
    )


def main(config: ExportConfig) -> None:
    from keras_mtl.serving.export import export_run
    from keras_mtl.serving.formats_table import formats_table

    # Stdout is for what came of it.
    version = export_run(**dataclasses.asdict(config), tell=functools.partial(print, file=sys.stderr, flush=True))
    if config.formats or config.verify:
        print(formats_table(version))
    print(version)


def console() -> None:
    """The console script."""
    run_command(main, ExportConfig, __doc__, needs_tensorflow=False)


if __name__ == "__main__":
    console()
