"""Predict photos with an exported model.

    python -m keras_mtl.predict --model=saved_models/NAME PHOTO...
    python -m keras_mtl.predict --model=saved_models/NAME --detect PHOTO...    the largest face of each

Each PHOTO is an image file, or a folder whose image files are taken in order of name. Prints a table on a
terminal, else one JSON object a line. Exit code: 0, or 1 if a photo could not be read or has no face (it is named
on stderr and has an "error" entry), or 2 if there is nothing to predict with, or no photo. --detect needs:
pip install 'keras_mtl[faces]'. Its crops are those of keras_mtl.prepare.
"""

from __future__ import annotations

import dataclasses

from keras_mtl.cli import flag, run_command

GROUP, FACES = "Model and output", "Faces"


@dataclasses.dataclass(frozen=True)
class PredictConfig:
    """The flags of `keras_mtl.predict`."""

    model: str = flag("", "An exported model: saved_models/NAME for its newest version, or a version's folder.", GROUP)
    format: str = flag("auto", "auto: a table on a terminal, else JSON.", GROUP, choices=("auto", "table", "json"))
    batch_size: int = flag(32, "Photos at once.", GROUP, low=1)

    detect: bool = flag(False, "Predict the largest face of each photo, found, aligned and cropped.", FACES)
    margin: float = flag(
        0.0,
        "What is added on each side of a face, as a share of the crop's side: as for the crops in training.",
        FACES,
        low=0.0,
        high=4.0,
    )


def main(config: PredictConfig, photos: list[str]) -> int:
    from keras_mtl.serving.predict import predict_and_print

    return predict_and_print(photos=photos, **dataclasses.asdict(config))


def console() -> None:
    """The console script."""
    run_command(main, PredictConfig, __doc__, takes_arguments=True)


if __name__ == "__main__":
    console()
