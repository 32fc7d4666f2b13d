"""Epochs of images from disk to augmented batches by torchvision. See benchmarks/loading_speed.py."""

from __future__ import annotations

import os
import time

import torch
import torchvision
from torchvision.transforms import v2
from turns import serve

SET = torchvision.datasets.ImageFolder(
    os.environ["BENCHMARK_IMAGES"],
    v2.Compose(
        [
            v2.Resize((64, 64), antialias=True),
            v2.RandomHorizontalFlip(),
            # As keras_mtl's "light".
            v2.RandomAffine(
                degrees=5,
                translate=(0.05, 0.05),
                scale=(1 / 1.08, 1.08),
                interpolation=v2.InterpolationMode.BILINEAR,
            ),
            v2.ColorJitter(brightness=0.1, contrast=0.1),
            v2.PILToTensor(),
        ]
    ),
)
LOADER = torch.utils.data.DataLoader(
    SET, batch_size=64, shuffle=True, drop_last=False, num_workers=2, persistent_workers=True, prefetch_factor=4
)


def answer(request: dict) -> dict:
    if request.get("what") == "about":
        for _ in LOADER:  # The workers start with the first epoch.
            pass
        return {"versions": [f"torch {torch.__version__}", f"torchvision {torchvision.__version__}"]}
    start, count = time.perf_counter(), 0
    for images, _ in LOADER:
        count += len(images)
    return {"images_per_second": count / (time.perf_counter() - start)}


if __name__ == "__main__":
    serve(answer)
