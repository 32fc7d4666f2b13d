"""What an estimate rests on, by covering parts."""

import numpy as np

from keras_mtl.kinds import kind_of
from keras_mtl.serving.occlusion import PLACES, SIDE, changes, covered
from keras_mtl.tasks import BUILT_IN

SIZE = 32
KINDS = {name: kind_of(BUILT_IN[name]) for name in ("age", "smile")}


def test_each_copy_has_one_square_of_the_mean_colour_and_together_they_reach_all():
    image = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    copies = covered(image)
    assert copies.shape == (1 + PLACES**2, SIZE, SIZE, 3) and (copies[0] == image).all()
    mean = image.mean((0, 1)).round()
    reached = np.zeros([SIZE, SIZE], bool)
    for copy in copies[1:]:
        other = (copy != image).any(-1)
        rows, columns = np.flatnonzero(other.any(1)), np.flatnonzero(other.any(0))
        square = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert np.ptp(rows) < SIDE * SIZE and np.ptp(columns) < SIDE * SIZE
        assert (copy[square][other[square]] == mean).all()
        reached[square] = True
    assert reached.all()


def test_the_largest_change_is_where_the_model_looks():
    image = np.zeros([SIZE, SIZE, 3], np.uint8)
    image[20:26, 4:10] = 240  # The lower left: a model that sees only how bright it is there.
    copies = covered(image)
    bright = copies[:, 20:26, 4:10].mean((1, 2, 3)) / 255
    outputs = {"age": 100 * bright, "smile": np.stack([1 - bright, bright], -1)}
    found = changes(KINDS, outputs)
    for values in found.values():
        i, j = np.unravel_index(values.argmax(), values.shape)
        assert 3 <= i <= 6 and 0 <= j <= 2 and values[0, 6] == 0
    # Of 36 bright pixels a cover takes at most all: from 94 to the mean's few.
    mean = image.mean((0, 1)).round()[0] / 255
    np.testing.assert_allclose(found["age"].max(), 100 * (240 / 255 - mean), rtol=1e-6)
    np.testing.assert_allclose(found["smile"].max(), 240 / 255 - mean, rtol=1e-6)


def test_a_class_that_another_one_takes_over_falls():
    outputs = {"smile": np.array([[0.6, 0.4], *[[0.3, 0.7]] * PLACES**2])}
    np.testing.assert_allclose(changes({"smile": KINDS["smile"]}, outputs)["smile"], 0.3)
