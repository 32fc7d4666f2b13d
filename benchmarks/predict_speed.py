"""Photos a second from file to answer, as `keras_mtl.predict` reads them, side by side with the plain loop.

    KERAS_MTL_DATA=/folder python benchmarks/predict_speed.py --model=saved_models/faces --images='SMILEs/*/*/*.jpg'
    python benchmarks/predict_speed.py --model=saved_models/faces --images='GENKI/**/*.jpg' --detectors=mtcnn,retinaface

The plain loop opens a photo, resizes it and calls the model, one after the other. "decoded" calls the model on batches
of 32 that are in memory: what is left if reading cost nothing. With --detectors the largest face of each photo is
found and aligned instead, by each of them (--detect --detector=NAME). All by the same backend, in turns; medians, and
the lowest and highest ratio to the first way in the same turn.
"""

from __future__ import annotations

import argparse
import functools
import os
import pathlib
import statistics
import time
from collections.abc import Callable

import numpy as np

from keras_mtl.faces.detect import load_detector
from keras_mtl.photos import decode_photo, square_pixels
from keras_mtl.serving.exported import load_exported
from keras_mtl.serving.inputs import shots
from keras_mtl.serving.predicting import predict_looks
from keras_mtl.serving.reading import FACES, Reader, face_reader, read_ahead, read_whole
from keras_mtl.table import aligned

BATCH = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="an exported model")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--images", required=True, help="pattern of files below $KERAS_MTL_DATA")
    parser.add_argument("--count", type=int, default=1000, help="photos")
    parser.add_argument("--detectors", default="", help="what finds the largest face of each, with commas between")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    folder = pathlib.Path(os.environ.get("KERAS_MTL_DATA", "."))
    files = [str(path) for path in sorted(folder.glob(options.images))]
    if not files:
        parser.error(f"no file is named like {options.images!r} in {folder}")
    files = files[:: max(1, len(files) // options.count)][: options.count]
    model = load_exported(options.model, options.backend)
    pixels = np.stack([square_pixels(decode_photo(pathlib.Path(file).read_bytes()), model.size) for file in files])

    def plain() -> None:
        for shot in shots(files, 0):
            look = read_whole(shot)
            if look.images:
                model.predict_images(look.images)

    def ours(read: Reader) -> None:
        for _ in predict_looks(read_ahead(shots(files, 0), read), model.predict_images, BATCH):
            pass

    def decoded() -> None:
        for start in range(0, len(pixels), BATCH):
            model.readable(model.backend.predict(pixels[start : start + BATCH]))

    ways: dict[str, Callable[[], None]] = {
        "plain loop": plain,
        "keras_mtl.predict": functools.partial(ours, read_whole),
    }
    if detectors := [name for name in options.detectors.split(",") if name]:
        readers = {name: face_reader(0.0, FACES[0], load_detector(name)) for name in detectors}
        ways = {f"--detector={name}": functools.partial(ours, reader) for name, reader in readers.items()}
    ways["decoded"] = decoded
    first = next(iter(ways))
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(options.repeats + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if turn:  # The first turn fills the system's cache.
                speeds[name].append(len(files) / (time.perf_counter() - start))
    rows = [("way", "photos/s", f"to {first}")]
    for name, each in speeds.items():
        ratios = [one / other for one, other in zip(each, speeds[first], strict=True)]
        told = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
        rows.append((name, f"{statistics.median(each):,.1f}", told))
    print(f"{len(files):,} photos, backend {model.backend.name}")
    print(aligned(rows, right=(1, 2)))


if __name__ == "__main__":
    main()
