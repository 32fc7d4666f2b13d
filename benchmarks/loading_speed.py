"""Images per second read, decoded, resized and augmented, beside torchvision's ImageFolder with a DataLoader.

    KERAS_MTL_DATA=/folder python benchmarks/loading_speed.py --torch_python=/a/python/with/torchvision
    python benchmarks/loading_speed.py --images=/a/folder/of/jpegs --count=4000

Both resize the same JPEG files to 64 pixels with antialiasing, mirror, turn, scale, shift and tint them at random by
the same amounts, bilinearly, and give shuffled batches of 64, uint8. Counted is what recurs with every epoch over
new files: to read, decode, resize and augment each of them and to hand over the batches. Not counted, on either side,
is what happens once: to start the process and its workers, list the files, read the labels, and build the pipeline.

In a first epoch keras_mtl decodes all files, from single files or ArrayRecord shards, and then augments; in later ones
it augments the decoded set that it keeps. torchvision, an ImageFolder with a DataLoader of two workers, decodes in
every epoch. The processes take turns; a ratio is the median over pairs of turns, with the lowest and the highest.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import statistics
import sys
import tempfile

from training_speed import Worker, has_torch, processor

WAYS = {
    "single files, first epoch": "files",
    "ArrayRecord shards, first epoch": "shards",
    "later epochs, from the decoded set (torchvision decodes again)": "kept",
}


def linked(images: pathlib.Path, count: int, folder: pathlib.Path) -> None:
    """A folder for each of two made-up classes, with links to the files, as ImageFolder wants it."""
    found = sorted(path for path in images.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg"))[:count]
    if len(found) < 64:
        sys.exit(f"Error: {images} holds {len(found)} JPEG files, expected 64 or more: name another with --images")
    for number, path in enumerate(found):
        target = folder / ("smiling" if number % 2 else "not smiling") / f"{number}.jpg"
        target.parent.mkdir(exist_ok=True)
        target.symlink_to(path.resolve())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = pathlib.Path(os.environ.get("KERAS_MTL_DATA", ".")) / "UTKFace"
    parser.add_argument("--images", type=pathlib.Path, default=default, help="folder of JPEG files")
    parser.add_argument("--count", type=int, default=4000, help="how many of them")
    parser.add_argument("--repeats", type=int, default=5, help="pairs of turns")
    parser.add_argument("--torch_python", default=sys.executable, help="a Python that has torch and torchvision")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        linked(options.images, options.count, pathlib.Path(folder))
        environment = {"BENCHMARK_IMAGES": folder}
        ours = Worker(sys.executable, "keras_mtl_loading.py", environment)
        torch = None
        if has_torch(options.torch_python):
            torch = Worker(options.torch_python, "torch_loading.py", environment)
        else:
            print(f"{options.torch_python} has no torch and torchvision: keras_mtl is timed alone.\n")
        print(f"{processor()}, {len(os.sched_getaffinity(0))} cores; load before {os.getloadavg()[0]:.1f}\n")
        print("| keras_mtl reads | images/s | torchvision images/s | ratio |\n| --- | ---: | ---: | ---: |")
        for title, way in WAYS.items():
            mine, theirs = [], []
            ours.time(way=way)
            for _ in range(options.repeats):
                mine.append(ours.time(way=way))
                if torch:
                    theirs.append(torch.time(way=way))
            ratios = [a / b for a, b in zip(mine, theirs, strict=False)]
            cells = [title, f"{statistics.median(mine):,.0f}"]
            cells += [f"{statistics.median(theirs):,.0f}"] if theirs else ["–"]
            spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})" if ratios else "–"
            print(f"| {' | '.join([*cells, spread])} |", flush=True)
        for worker in filter(None, (ours, torch)):
            worker.close()


if __name__ == "__main__":
    main()
