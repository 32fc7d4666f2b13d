"""How well and how fast near duplicates are found: images altered on purpose, and growth with their number.

    KERAS_MTL_DATA=/folder python benchmarks/near_duplicates.py --images='UTKFace/*.jpg' --count=2000
    python benchmarks/near_duplicates.py --images='SMILEs/*/*/*.jpg' --count=2000
    python benchmarks/near_duplicates.py --growth=25000,50000,100000

Each image is altered in one way and searched among all others and all altered ones. Recall is the share of altered
images that are paired with their own original. Precision is the share of reported pairs that are of one original;
pairs of different originals that are duplicates as given (found before anything is altered) count as right.
"""

from __future__ import annotations

import argparse
import io
import os
import pathlib
import time
from collections.abc import Callable, Iterator

import numpy as np
import PIL.Image
import PIL.ImageEnhance
import PIL.ImageOps

from keras_mtl.data.audit.near import near_duplicates
from keras_mtl.data.audit.pictures import SIDE
from keras_mtl.table import aligned

Picture = PIL.Image.Image


def alterations() -> dict[str, Callable[[Picture, np.random.Generator], Picture]]:
    """By name, what is done to an image."""
    return {
        "resize to 0.5": lambda picture, rng: picture.resize((picture.width // 2, picture.height // 2)),
        "resize to 2": lambda picture, rng: picture.resize((picture.width * 2, picture.height * 2)),
        "JPEG, quality 30": lambda picture, rng: _jpeg(picture, 30),
        "crop to 0.95": lambda picture, rng: _crop(picture, 0.95, rng),
        "crop to 0.9": lambda picture, rng: _crop(picture, 0.9, rng),
        "crop to 0.8, centre": lambda picture, rng: _crop(picture, 0.8, None),
        "crop to 0.8, anywhere": lambda picture, rng: _crop(picture, 0.8, rng),
        "mirrored": lambda picture, rng: PIL.ImageOps.mirror(picture),
        "brightness 0.7": lambda picture, rng: PIL.ImageEnhance.Brightness(picture).enhance(0.7),
        "brightness 1.3": lambda picture, rng: PIL.ImageEnhance.Brightness(picture).enhance(1.3),
        "grey": lambda picture, rng: picture.convert("L"),
        "rotated by 3 degrees": lambda picture, rng: picture.rotate(3, PIL.Image.Resampling.BICUBIC),
        "all: 0.9, mirrored, 0.8, JPEG 50": lambda picture, rng: _jpeg(
            PIL.ImageEnhance.Brightness(PIL.ImageOps.mirror(_crop(picture, 0.9, rng))).enhance(0.8), 50
        ),
    }


def quality(paths: list[pathlib.Path], seed: int) -> str:
    """A table: recall and precision of each alteration."""
    rng = np.random.default_rng(seed)
    pictures = [PIL.Image.open(path).convert("RGB") for path in paths]
    originals = np.stack([_small(picture) for picture in pictures])
    given = {(pair.first, pair.second) for pair in near_duplicates(originals)}
    # As given, duplicates are connected: two images may be one through a third.
    owner = _owners(len(paths), given)
    rows = [("altered by", "recall", "precision", "pairs")]
    for name, alter in alterations().items():
        altered = np.stack([_small(alter(picture, rng)) for picture in pictures])
        pairs = near_duplicates(np.concatenate([originals, altered]))
        count = len(paths)
        found = {pair.first for pair in pairs if pair.second - pair.first == count}
        right = sum(owner[pair.first % count] == owner[pair.second % count] for pair in pairs)
        rows.append((name, f"{len(found) / count:.1%}", f"{right / max(len(pairs), 1):.2%}", f"{len(pairs):,}"))
    note = f"{len(paths):,} images, {len(given)} pairs of them are duplicates as given"
    return f"{note}\n{aligned(rows, right=(1, 2, 3))}"


def growth(counts: list[int], seed: int) -> Iterator[str]:
    """Lines of a table, each as it is measured: seconds by number of images.

    Pictures are smooth noise, of which a hundredth are there twice.
    """
    import cv2

    rng = np.random.default_rng(seed)
    yield " images  seconds  seconds per 1,000  pairs found  pairs made"
    for count in counts:
        grey = np.empty([count, SIDE, SIDE], np.uint8)
        for i in range(count):
            coarse = rng.normal(128, 50, [8, 8]).astype(np.float32)
            grey[i] = np.clip(cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), 0, 255)
            grey[i] = np.clip(grey[i] + rng.normal(0, 6, [SIDE, SIDE]), 0, 255)
        made = count // 100
        grey[-made:] = np.clip(grey[:made].astype(int) + rng.integers(-3, 4, [made, SIDE, SIDE]), 0, 255)
        start = time.perf_counter()
        pairs = near_duplicates(grey)
        taken = time.perf_counter() - start
        yield f"{count:7,}  {taken:7.0f}  {1000 * taken / count:17.2f}  {len(pairs):11,}  {made:10,}"


def _owners(count: int, pairs: set[tuple[int, int]]) -> np.ndarray:
    from keras_mtl.data.audit.leaks import Duplicate, group_numbers

    return group_numbers(count, [Duplicate(first, second, 1.0, False, False) for first, second in sorted(pairs)])


def _small(picture: Picture) -> np.ndarray:
    return np.asarray(picture.convert("L").resize((SIDE, SIDE), PIL.Image.Resampling.BOX))


def _jpeg(picture: Picture, quality: int) -> Picture:
    encoded = io.BytesIO()
    picture.save(encoded, "JPEG", quality=quality)
    return PIL.Image.open(encoded)


def _crop(picture: Picture, share: float, rng: np.random.Generator | None) -> Picture:
    width, height = round(picture.width * share), round(picture.height * share)
    spare = picture.width - width, picture.height - height
    left, top = (spare[0] // 2, spare[1] // 2) if rng is None else (int(rng.integers(0, n + 1)) for n in spare)
    return picture.crop((left, top, left + width, top + height))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", default="", help="pattern of files below $KERAS_MTL_DATA")
    parser.add_argument("--count", type=int, default=2000, help="images, drawn at random")
    parser.add_argument("--growth", default="", help="numbers of images, with commas between")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.images:
        found = sorted(pathlib.Path(os.environ.get("KERAS_MTL_DATA", ".")).glob(options.images))
        if not found:
            parser.error(f"no file is named like {options.images!r} in {os.environ.get('KERAS_MTL_DATA', '.')}")
        chosen = np.random.default_rng(options.seed).choice(len(found), min(options.count, len(found)), replace=False)
        print(quality([found[i] for i in sorted(chosen)], options.seed))
    if options.growth:
        for line in growth([int(count) for count in options.growth.split(",")], options.seed):
            print(line, flush=True)


if __name__ == "__main__":
    main()
