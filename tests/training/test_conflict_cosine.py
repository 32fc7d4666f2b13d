"""The cosine without noise: by hand, and in simulation, where its interval covers a truth that single looks miss."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_mtl.training.conflict_cosine import cosine_without_noise

NOISE = 9.0  # over a batch, beside a squared gradient of 1: nine tenths of what a look sees
SIZE = 40


def test_by_hand():
    # Sums 2, 4 and 9: 2 / sqrt(36) = 1/3. r = 3/2 makes the lengths (1.5 * 3 + 5 / 1.5) / 2 and (1.5 + 4 / 1.5) / 2,
    # 47/12 and 25/12, of mean 3.
    found = cosine_without_noise([(0.5, 3, 5), (1.5, 1, 4), (math.nan, 1, 1)])
    assert found.value == pytest.approx(1 / 3) and found.looks == 2
    # The differences from the line of slope 1/3: 0.5 - 47/36 and 1.5 - 25/36, of mean 0, so the variance is twice the
    # square of 29/36; a look's error is its root over 3, and a mean's of n looks its 1.96-fold over sqrt(n) 0.1.
    assert found.needed == math.ceil(2 * (29 / 36) ** 2 * (1.959964 / 0.1 / 3) ** 2)
    assert (found.low, found.high) == (-1, 1) and not found.is_told  # two looks say next to nothing


def test_without_noise_it_is_the_cosine():
    found = cosine_without_noise(np.tile([-3.0, 4.0, 9.0], (5, 1)))
    assert found[:3] == pytest.approx((-0.5,) * 3) and found.is_told and found.needed == 2


@pytest.mark.parametrize("products", [[], [(1, 1, 1)], [(1, 1, 1), (1, -2, 1)], [(math.nan,) * 3] * 4])
def test_what_can_not_be_told(products):
    found = cosine_without_noise(products)
    assert math.isnan(found.value) and math.isnan(found.needed) and (found.low, found.high) == (-1, 1)
    assert not found.is_told


@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_it_is_blind_to_the_gradients_lengths(one, other):
    products = np.random.default_rng(0).normal([0.3, 1, 1], 1, (50, 3))
    scaled = products * [one * other, one**2, other**2]
    np.testing.assert_allclose(cosine_without_noise(scaled)[:3], cosine_without_noise(products)[:3], rtol=1e-6)


def _looks(cosine: float, looks: int, same_images: bool, decay: float, seed: int):
    """Products of a look's halves where the expected gradients are known, and the mean of the looks' own cosines."""
    random = np.random.default_rng(seed)
    scale = np.exp(-decay * np.arange(looks) / looks)[:, None]  # gradients get shorter over a training
    gradients = np.zeros((2, SIZE))
    gradients[0, 0], gradients[1, :2] = 1, (1.7 * cosine, 1.7 * math.sqrt(1 - cosine**2))
    noise = random.normal(size=(2, 2, looks, SIZE)) * math.sqrt(2 * NOISE / SIZE)
    if same_images:
        noise[1] = 0.6 * noise[0] + 0.8 * noise[1]
    one, other = gradients[:, None, None] * scale + noise * [[[[1.0]]], [[[1.7]]]] * np.sqrt(
        scale
    )  # [half, looks, size]
    of_batch = one.mean(0), other.mean(0)
    inner = np.sum(of_batch[0] * of_batch[1], axis=-1)
    raw = inner / np.linalg.norm(of_batch[0], axis=-1) / np.linalg.norm(of_batch[1], axis=-1)
    crossed = np.sum(one * other[::-1], axis=(0, 2)) / 2
    signal = [crossed if same_images else inner, np.sum(one[0] * one[1], -1), np.sum(other[0] * other[1], -1)]
    return np.stack(signal, axis=1), float(raw.mean())


@pytest.mark.parametrize(
    ("cosine", "looks", "same_images", "decay", "seen"),
    [
        (0.6, 150, False, 0.0, 0.06),  # a tenth of it
        (-0.5, 150, True, 0.0, 0.48),  # noise of the same images looks like agreement
        (0.3, 400, False, 1.5, 0.02),
    ],
)
def test_the_interval_covers_the_true_cosine(cosine, looks, same_images, decay, seen):
    found, raw = zip(
        *(
            (cosine_without_noise(products), of_looks)
            for products, of_looks in (_looks(cosine, looks, same_images, decay, seed) for seed in range(1000))
        ),
        strict=True,
    )
    assert np.mean(raw) == pytest.approx(seen, abs=0.015)
    covered = np.mean([one.low <= cosine <= one.high for one in found])
    assert 0.93 <= covered <= 0.97, covered
    assert np.median([one.value for one in found]) == pytest.approx(cosine, abs=0.05)


def test_as_many_looks_as_it_says_give_the_interval():
    few = np.median([cosine_without_noise(_looks(0.6, 300, False, 0.0, seed)[0]).needed for seed in range(20)])
    enough = [cosine_without_noise(_looks(0.6, int(few), False, 0.0, seed)[0]) for seed in range(20)]
    assert np.median([(one.high - one.low) / 2 for one in enough]) == pytest.approx(0.1, rel=0.1)
