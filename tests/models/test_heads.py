import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from keras_mtl.errors import UserError
from keras_mtl.models.heads import HEADS, head_of
from keras_mtl.models.heads.base import quantile
from keras_mtl.tasks import BUILT_IN, Task

TASKS = {
    "regression": Task("height", "regression", low=-3, high=9, unit="cm"),
    "binary": Task("smile", "binary", classes=("no", "yes")),
    "multiclass": Task("emotion", "multiclass", classes=tuple("abcdefg")),
    "ordinal": Task("mood", "ordinal", classes=("bad", "fair", "good", "great")),
}
PAIRS = [(name, kind) for name, head in HEADS.items() for kind in head.kinds]


def made(name: str, kind: str, **options):
    task = TASKS[kind]
    return HEADS[name](task, **options)


@pytest.mark.parametrize("name, kind", PAIRS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_decoded_values_are_in_range_and_losses_finite(name, kind, data):
    head = made(name, kind)
    logits = data.draw(hnp.arrays(np.float32, (4, head.units), elements=st.floats(-30, 30, width=32)))
    task = head.task
    if task.classes:
        labels = np.arange(4, dtype=np.float32) % len(task.classes)
    else:
        labels = np.linspace(task.low, task.high, 4, dtype=np.float32)
    decoded = np.asarray(head.decode(keras.ops.convert_to_tensor(logits)))
    losses = np.asarray(head.losses(keras.ops.convert_to_tensor(labels), keras.ops.convert_to_tensor(logits)))
    assert losses.shape == (4,) and np.isfinite(losses).all() and (losses > -1e-5).all()
    if task.classes:
        assert decoded.shape == (4, len(task.classes))
        np.testing.assert_allclose(decoded.sum(-1), 1, atol=1e-5)
        assert (decoded > -1e-6).all()
    else:
        assert decoded.shape == (4,)
        assert (decoded >= task.low - 1e-4).all() and (decoded <= task.high + 1e-4).all()


@pytest.mark.parametrize("name, kind", PAIRS)
def test_following_the_loss_leads_to_the_label(name, kind):
    head = made(name, kind)
    labels = np.array([1.0, 0.0], np.float32) if head.task.classes else np.array([7.0, -2.0], np.float32)
    logits = keras.Variable(np.zeros((2, head.units), np.float32))
    optimizer = keras.optimizers.Adam(0.05)
    optimizer.build([logits])
    import tensorflow as tf

    for _ in range(400):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(head.losses(tf.constant(labels), logits.value))
        optimizer.apply([tape.gradient(loss, logits.value)], [logits])
    decoded = np.asarray(head.decode(logits.value))
    if head.task.classes:
        assert (decoded.argmax(-1) == labels).all()
    else:
        np.testing.assert_allclose(decoded, labels, atol=0.3)


def test_logistic_and_softmax_losses_are_scipys():
    logits = np.array([[0.3], [-2.0]], np.float32)
    labels = np.array([1.0, 1.0], np.float32)
    np.testing.assert_allclose(
        made("logistic", "binary").losses(labels, logits), -np.log(scipy.special.expit(logits[:, 0])), rtol=1e-5
    )
    logits = np.array([[0.1, 2.0, -1.0, 0, 0, 0, 1]], np.float32)
    np.testing.assert_allclose(
        made("softmax", "multiclass").losses(np.array([1.0], np.float32), logits),
        -scipy.special.log_softmax(logits)[:, 1],
        rtol=1e-5,
    )


def test_dex_predicts_the_expectation_over_the_bins():
    head = made("dex", "regression")
    probabilities = np.full(13, 1e-12)
    probabilities[[3, 8]] = 0.25, 0.75  # values 0 and 5
    np.testing.assert_allclose(head.decode(np.log(probabilities)[None].astype(np.float32)), [3.75], rtol=1e-4)
    np.testing.assert_allclose(
        head.losses(np.array([5.2], np.float32), np.log(probabilities)[None].astype(np.float32)),
        [-np.log(0.75)],
        rtol=1e-4,
    )


def test_dldl_is_divergence_from_a_normal_distribution_plus_absolute_error():
    head = made("dldl", "regression", sigma=1.5, l1_weight=0.5)
    values = np.arange(-3, 10)
    target = scipy.stats.norm.pdf(values, 4.0, 1.5)
    target /= target.sum()
    logits = np.linspace(-1, 1, 13, dtype=np.float32)[None]
    predicted = scipy.special.softmax(logits[0])
    expected = scipy.stats.entropy(target, predicted) + 0.5 * abs((predicted * values).sum() - 4.0)
    np.testing.assert_allclose(head.losses(np.array([4.0], np.float32), logits), [expected], rtol=1e-5)


def test_dldl_loss_vanishes_at_its_own_target():
    head = made("dldl", "regression")
    label = np.array([3.0], np.float32)  # the middle of the range: nothing of the target is cut off on one side
    np.testing.assert_allclose(head.losses(label, head.target(label)), [0.0], atol=1e-4)


def test_l1_counts_halves_of_the_range():
    head = made("l1", "regression")
    np.testing.assert_allclose(head.decode(np.array([[0.0], [1.0], [-5.0]], np.float32)), [3.0, 9.0, -3.0])
    np.testing.assert_allclose(head.losses(np.array([6.0], np.float32), np.array([[0.0]], np.float32)), [0.5])


def test_corn_by_hand():
    head = made("corn", "ordinal")
    logits = np.array([[0.5, -1.0, 2.0]], np.float32)
    p = scipy.special.expit(logits[0])
    np.testing.assert_allclose(
        np.asarray(head.decode(logits))[0],
        [1 - p[0], p[0] * (1 - p[1]), p[0] * p[1] * (1 - p[2]), p[0] * p[1] * p[2]],
        rtol=1e-5,
    )
    # Label 1 has passed step 0 and failed step 1; step 2 does not concern it.
    np.testing.assert_allclose(
        head.losses(np.array([1.0], np.float32), logits), [-(np.log(p[0]) + np.log(1 - p[1])) / 2], rtol=1e-5
    )


def test_unknown_heads_and_options_are_refused():
    with pytest.raises(UserError, match="unknown head 'magic'; known heads: dldl"):
        head_of(Task("age", "regression", low=0, high=9, head="magic"))
    with pytest.raises(UserError, match="has no option 'tau'; its options: sigma, l1_weight"):
        head_of(Task("age", "regression", low=0, high=9, options={"tau": 1}))
    with pytest.raises(UserError, match="serves tasks of kind regression"):
        head_of(Task("smile", "binary", classes=("a", "b"), head="dex"))


def test_defaults_by_kind():
    assert head_of(BUILT_IN["age"]).name == "dldl"
    assert head_of(BUILT_IN["age"]).units == 121
    assert head_of(BUILT_IN["smile"]).units == 1


def test_quantiles_of_a_known_distribution():
    # Half of the probability lies evenly between 0.5 and 1.5, half between 3.5 and 4.5.
    distribution = np.array([[0, 0.5, 0, 0, 0.5]], np.float32)
    expected = {0.1: 0.7, 0.25: 1.0, 0.4: 1.3, 0.6: 3.7, 0.75: 4.0, 0.9: 4.0}
    # No further than the last value, though its bin goes on to 4.5.
    for share, value in expected.items():
        assert float(quantile(distribution, [0, 1, 2, 3, 4], share)[0]) == pytest.approx(value, abs=1e-5)
    # All at an end: the quantiles stay in the range.
    ends = np.array([[1, 0, 0], [0, 0, 1]], np.float32)
    for share in (0.1, 0.9, 1.0):
        assert np.asarray(quantile(ends, [5, 6, 7], share)).tolist() == pytest.approx(
            [max(5, 4.5 + share), min(7, 6.5 + share)]
        )


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(np.float32, (3, 30), elements=st.floats(-20, 20, width=32)), st.floats(0.02, 0.98))
def test_quantiles_are_where_the_cumulative_distribution_crosses(logits, share):
    distribution = scipy.special.softmax(logits.astype(np.float64), axis=-1)
    values = np.arange(30) - 4
    found = np.asarray(quantile(distribution.astype(np.float32), values.tolist(), share))
    edges = np.concatenate([[-4.5], values + 0.5])
    for row, quantiles in zip(distribution, found, strict=True):
        rising = np.concatenate([[0.0], np.cumsum(row)])
        # At the quantile the distribution function has the share, but where it jumps faster than float32 can tell.
        assert np.interp(quantiles - 0.01, edges, rising) - 1e-3 <= share or quantiles == values[0]
        assert np.interp(quantiles + 0.01, edges, rising) + 1e-3 >= share or quantiles == values[-1]
