"""Pictures with structure, for the tests of duplicates."""

import cv2
import numpy as np


def pictures(count: int, seed: int) -> np.ndarray:
    """Pictures with structure at several scales, uint8 [count, 64, 64]."""
    rng = np.random.default_rng(seed)
    total = np.zeros((count, 64, 64), np.float32)
    for side, strength in ((4, 40), (8, 30), (16, 25), (32, 15)):
        for picture in total:
            coarse = rng.normal(0, strength, (side, side)).astype(np.float32)
            picture += cv2.resize(coarse, (64, 64), interpolation=cv2.INTER_CUBIC)
    return np.clip(total + 128, 0, 255).astype(np.uint8)
