"""Augmentation: a pure function of images and seed, each change doing what it says."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from keras_mtl.data.augment import NAMED, Augmentation


@pytest.fixture(scope="module")
def photos():
    """Smooth coloured pictures, uint8 [16, 24, 24, 3], without values near 0 or 255."""
    rng = np.random.default_rng(3)
    coarse = tf.constant(rng.uniform(70, 180, (16, 4, 4, 3)), tf.float32)
    return tf.cast(tf.image.resize(coarse, [24, 24]), tf.uint8)


def change(photos, seed=0, **options):
    return Augmentation(**options)(photos, tf.constant([seed, 7], tf.int32)).numpy()


@pytest.mark.parametrize("name", [name for name in NAMED if name != "none"])
def test_the_same_seed_gives_the_same_and_another_seed_another(name, photos):
    augment = Augmentation.named(name)
    first, again, other = (augment(photos, tf.constant(seed)).numpy() for seed in ([1, 2], [1, 2], [1, 3]))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert first.dtype == np.uint8 and first.shape == photos.shape
    in_graph = tf.function(augment)(photos, tf.constant([1, 2])).numpy()
    assert np.abs(first.astype(int) - in_graph).max() <= 1


def test_none_is_no_augmentation_and_an_unknown_name_tells_the_known():
    assert Augmentation.named("none") is None
    with pytest.raises(ValueError, match="'wild'; known: none, light, strong"):
        Augmentation.named("wild")


def test_nothing_asked_for_changes_nothing(photos):
    np.testing.assert_array_equal(change(photos), photos)


def test_certain_flip_is_the_mirror_image_and_half_flips_some(photos):
    np.testing.assert_array_equal(change(photos, flip=1.0), photos[:, :, ::-1])
    same = (change(photos, flip=0.5) == photos.numpy()).all(axis=(1, 2, 3))
    assert 0 < same.sum() < len(same)


@pytest.mark.parametrize("options", [{"shift": 0.2}, {"scale": 0.3}, {"rotation": 20}])
def test_moves_keep_the_colours_and_change_every_image(options, photos):
    moved = change(photos, **options)
    assert (moved != photos.numpy()).any(axis=(1, 2, 3)).all()
    assert moved.min() >= photos.numpy().min() and moved.max() <= photos.numpy().max()
    assert np.abs(moved.mean(axis=(1, 2)) - photos.numpy().mean(axis=(1, 2))).max() < 30


def test_a_rotation_of_a_disc_about_its_centre_is_the_disc():
    y, x = np.mgrid[:33, :33] - 16
    disc = np.repeat(np.where(x**2 + y**2 < 100, 200, 50)[None, ..., None], 3, axis=-1).astype(np.uint8)
    turned = change(tf.constant(np.repeat(disc, 8, axis=0)), rotation=180)
    assert (np.abs(turned.astype(int) - disc) > 100).mean() < 0.02


def test_brightness_adds_the_same_to_all_pixels_of_an_image(photos):
    added = change(photos, brightness=0.1).astype(int) - photos.numpy()
    amounts = added.mean(axis=(1, 2, 3))
    assert np.abs(added - amounts[:, None, None, None]).max() <= 1
    assert np.abs(amounts).max() <= 26 and amounts.std() > 5


def test_contrast_keeps_the_mean_and_scales_the_spread(photos):
    changed = change(photos, contrast=0.4).astype(float)
    before = photos.numpy().astype(float)
    luma = [0.299, 0.587, 0.114]
    assert np.abs((changed @ luma).mean(axis=(1, 2)) - (before @ luma).mean(axis=(1, 2))).max() < 1
    ratio = changed.std(axis=(1, 2)) / before.std(axis=(1, 2))
    assert ratio.min() > 1 / 1.4 - 0.05 and ratio.max() < 1.4 + 0.05 and ratio.std() > 0.05


def test_grey_has_three_equal_channels_of_the_same_lightness(photos):
    grey = change(photos, grey=1.0, colour=0.5)
    assert (grey == grey[..., :1]).all()
    assert np.abs(grey[..., 0] - photos.numpy() @ [0.299, 0.587, 0.114]).max() <= 1


def test_colour_changes_the_balance_of_channels_but_not_the_lightness(photos):
    changed = change(photos, colour=0.5).astype(float)
    luma = [0.299, 0.587, 0.114]
    assert np.abs((changed @ luma).mean(axis=(1, 2)) - (photos.numpy() @ luma).mean(axis=(1, 2))).max() < 1
    assert np.abs(changed - photos.numpy()).mean() > 3


def test_cutout_paints_one_rectangle_within_its_size(photos):
    painted = (change(photos, cutout=1.0, cutout_size=0.5) != photos.numpy()).any(axis=-1)
    assert painted.any(axis=(1, 2)).sum() >= 14
    for mask in painted:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if len(rows):
            assert np.ptp(rows) < 12 and np.ptp(columns) < 12
            assert mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].mean() > 0.8
    untouched = ~(change(photos, cutout=0.3) != photos.numpy()).any(axis=(1, 2, 3))
    assert untouched.sum() >= 5


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Augmentation)])
def test_wrong_amounts_are_told(field):
    with pytest.raises(ValueError, match=f"{field} must be .* Received: -1"):
        Augmentation(**{field: -1})
    if field not in ("scale", "rotation", "contrast", "colour"):
        with pytest.raises(ValueError, match="from 0 to 1"):
            Augmentation(**{field: 1.5})
