import keras
import numpy as np
import pytest
import scipy.special
import scipy.stats
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from keras_mtl.errors import UserError
from keras_mtl.heads import HEADS, head_of
from keras_mtl.heads.task_head import quantile
from keras_mtl.tasks import BUILT_IN, Task

TASKS = {
    "regression": Task("height", "regression", low=-3, high=9, unit="cm"),
    "binary": Task("smile", "binary", classes=("no", "yes")),
    "multiclass": Task("emotion", "multiclass", classes=tuple("abcdefg")),
    "ordinal": Task("mood", "ordinal", classes=("bad", "fair", "good", "great")),
}
RANGES = [(0, 0.4), (0, 1), (-1, 1), (0.5, 2.9), (0.5, 2.93), (1, 5), (0, 30), (-90, -50), (0, 120), (0, 380), (0, 1e5)]
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

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(head.losses(tf.constant(labels), logits.value))
        optimizer.apply([tape.gradient(loss, logits.value)], [logits])

    for _ in range(400):
        step()
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
    head = made("dex", "regression", step=1.0)
    probabilities = np.full(13, 1e-12)
    probabilities[[3, 8]] = 0.25, 0.75  # values 0 and 5
    np.testing.assert_allclose(head.decode(np.log(probabilities)[None].astype(np.float32)), [3.75], rtol=1e-4)
    np.testing.assert_allclose(
        head.losses(np.array([5.2], np.float32), np.log(probabilities)[None].astype(np.float32)),
        [-np.log(0.75)],
        rtol=1e-4,
    )


def test_dldl_is_divergence_from_a_normal_distribution_plus_absolute_error():
    head = made("dldl", "regression", sigma=1.5, l1_weight=0.5, step=1.0)
    values = np.arange(-3, 10)
    target = scipy.stats.norm.pdf(values, 4.0, 1.5)
    target /= target.sum()
    logits = np.linspace(-1, 1, 13, dtype=np.float32)[None]
    predicted = scipy.special.softmax(logits[0])
    expected = scipy.stats.entropy(target, predicted) + 0.5 * 10 * abs((predicted * values).sum() - 4.0)
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
        head.losses(np.array([1.0], np.float32), logits), [-(np.log(p[0]) + np.log(1 - p[1]))], rtol=1e-5
    )


def authors_corn_loss(logits, labels):
    """`corn_loss` of coral_pytorch spelt out: the sum over the conditional sets, divided by the sum of their sizes."""
    total, size = 0.0, 0
    for step in range(logits.shape[1]):
        inside = labels >= step  # the paper's S_(k+1): P(y > k) is asked only of those with y > k - 1
        size += tf.reduce_sum(tf.cast(inside, "int32"))
        target = tf.cast(labels[inside] > step, "float32")
        total += tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(target, logits[inside][:, step]))
    return total / tf.cast(size, "float32"), float(size)


@settings(max_examples=6, deadline=None)
@given(classes=st.integers(2, 9), seed=st.integers(0, 1000))
def test_corn_goes_where_its_authors_code_goes(classes, seed):
    head = HEADS["corn"](Task("mood", "ordinal", classes=tuple(map(str, range(classes)))))
    random = np.random.default_rng(seed)
    labels = tf.constant(random.integers(0, classes, 20).astype(np.float32))
    logits = tf.constant(random.normal(0, 2, (20, classes - 1)).astype(np.float32))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(logits)
        theirs, size = authors_corn_loss(logits, labels)
        ours = tf.reduce_mean(head.losses(labels, logits))
    np.testing.assert_allclose(ours, theirs * size / 20, rtol=1e-5)
    np.testing.assert_allclose(tape.gradient(ours, logits), tape.gradient(theirs, logits) * size / 20, atol=1e-6)


def optimum(head, shares):
    """The logits at which a proper head's probabilities are the given shares of labels."""
    if head.name == "corn":
        reached = np.cumsum(shares[::-1])[::-1]  # P(y > k - 1)
        return np.log(reached[1:] / shares[:-1])
    return np.log(shares[1:] / shares[:-1]) if head.name == "logistic" else np.log(shares)


def gradient_over(head, labels, shares, logits):
    """The gradient of the mean loss over labels in the given shares, without features: the same logits for all."""
    logits = tf.constant(logits.astype(np.float32))
    with tf.GradientTape() as tape:
        tape.watch(logits)
        losses = head.losses(tf.constant(labels.astype(np.float32)), tf.tile(logits[None], [len(labels), 1]))
        loss = tf.reduce_sum(losses * shares.astype(np.float32))
    return tape.gradient(loss, logits).numpy()


def shares_of(count):
    return st.lists(st.floats(0.02, 1), min_size=count, max_size=count).map(lambda x: np.array(x) / np.sum(x))


@pytest.mark.parametrize("name, kind", [pair for pair in PAIRS if pair[1] != "regression"])
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_the_least_loss_over_classes_is_at_their_shares(name, kind, data):
    classes = 2 if kind == "binary" else data.draw(st.integers(2, 12))
    shares = data.draw(shares_of(classes))
    head = HEADS[name](Task("t", kind, classes=tuple(map(str, range(classes)))))
    logits = optimum(head, shares)
    np.testing.assert_allclose(np.asarray(head.decode(logits[None].astype(np.float32)))[0], shares, atol=1e-5)
    # All losses are convex in the logits, so that the gradient vanishes at the minimum only.
    np.testing.assert_allclose(gradient_over(head, np.arange(classes), shares, logits), 0, atol=1e-5)


@pytest.mark.parametrize("low, high", RANGES)
def test_the_least_loss_over_values_is_where_the_heads_say(low, high):
    task = Task("v", "regression", low=low, high=high)
    random = np.random.default_rng(3)
    shares = random.dirichlet(np.ones(5))
    dex = HEADS["dex"](task)
    chosen = np.sort(random.choice(dex.units, 5, replace=False))
    labels = np.array(dex.values)[chosen] + random.uniform(-0.4, 0.4, 5) * dex.step * np.array([0, 1, 1, 1, 0])
    wanted = np.full(dex.units, 1e-9)
    wanted[chosen] = shares
    np.testing.assert_allclose(gradient_over(dex, labels, shares, np.log(wanted)), 0, atol=1e-5)

    mixture = lambda head: np.log(np.exp(head.target(labels.astype(np.float32))).T @ shares + 1e-30)  # noqa: E731
    alone = HEADS["dldl"](task, l1_weight=0.0)
    np.testing.assert_allclose(gradient_over(alone, labels, shares, mixture(alone)), 0, atol=1e-5)
    # Evenly about the middle the mean target's expectation is a median: the least of both terms.
    dldl = HEADS["dldl"](task)
    half, shares = np.array([0.05, 0.2, 0.5]) * (high - low), np.array([1, 2, 3, 3, 2, 1]) / 12
    labels = np.concatenate([(low + high) / 2 - half, (low + high) / 2 + half[::-1]])
    shares = np.array([3, 2, 1, 1, 2, 3]) / 12
    np.testing.assert_allclose(gradient_over(dldl, labels, shares, mixture(dldl)), 0, atol=1e-5)

    l1 = HEADS["l1"](task)
    labels = low + (high - low) * np.array([0.0, 0.1, 0.3, 0.9, 1.0])
    median = np.array([(0.3 - 0.5) * 2])
    for shift, sign in ((-0.01, -1), (0.01, 1)):
        assert np.sign(gradient_over(l1, labels, np.full(5, 0.2), median + shift)) == sign
    np.testing.assert_allclose(l1.decode(median[None].astype(np.float32)), [labels[2]], rtol=1e-5)


@pytest.mark.parametrize("low, high", RANGES)
@pytest.mark.parametrize("name", ["dldl", "dex"])
def test_the_whole_range_is_within_reach(name, low, high):
    head = HEADS[name](Task("v", "regression", low=low, high=high))
    assert 77 <= head.units <= 191
    assert (head.values[0], head.values[-1]) == (low, pytest.approx(high))
    # A bit of a bin aside, so that no label is halfway between two bins.
    labels = np.minimum(np.linspace(low, high, 41) + 0.137 * head.step, high).astype(np.float32)
    if name == "dldl":
        read = head.decode(head.target(labels))
        inside = 5 * head.sigma
        room = np.where((labels - low > inside) & (high - labels > inside), 1e-4, 0.0172) * (high - low)
    else:
        nearest = np.abs(np.array(head.values)[None] - labels[:, None]).argmin(1)
        logits = np.where(np.arange(head.units) == nearest[:, None], 0, -40).astype(np.float32)
        assert (np.asarray(head.losses(labels, logits)) < 1e-3).all()
        read, room = head.decode(logits), 0.501 * head.step
    assert (np.abs(np.asarray(read) - labels) <= room + 1e-6 * (high - low)).all()


@pytest.mark.parametrize("low, high", RANGES)
@pytest.mark.parametrize("name", ["dldl", "dex", "l1"])
def test_a_loss_is_the_same_in_any_unit(name, low, high):
    tasks = [Task("v", "regression", low=scale * low, high=scale * high) for scale in (1, 3)]
    # A round step in one unit need not be round in another, and bins as many are wanted here.
    options = [{"step": (task.high - task.low) / 120} if name != "l1" else {} for task in tasks]
    heads = [HEADS[name](task, **given) for task, given in zip(tasks, options, strict=True)]
    logits = np.random.default_rng(1).normal(0, 2, (5, heads[0].units)).astype(np.float32)
    first, second = (
        np.asarray(head.losses(np.linspace(*head.task.bounds, 5, dtype=np.float32), logits)) for head in heads
    )
    np.testing.assert_allclose(first, second, rtol=2e-4)


def test_the_age_task_has_a_bin_a_year():
    for name in ("dldl", "dex"):
        head = HEADS[name](BUILT_IN["age"])
        assert head.values == [float(year) for year in range(121)]
    head = head_of(BUILT_IN["age"])
    assert (head.step, head.sigma) == (1.0, 2.0)
    labels = np.array([0, 31, 77.5, 120], np.float32)
    logits = np.random.default_rng(2).normal(0, 3, (4, 121)).astype(np.float32)
    target = scipy.stats.norm.pdf(np.arange(121), labels[:, None], 2)
    target /= target.sum(-1, keepdims=True)
    predicted = scipy.special.softmax(logits.astype(np.float64), axis=-1)
    error = np.abs(predicted @ np.arange(121) - labels)
    np.testing.assert_allclose(
        head.losses(labels, logits), scipy.stats.entropy(target.T, predicted.T) + error, rtol=1e-5
    )


def test_a_step_is_what_the_user_says():
    task = Task("v", "regression", low=0, high=10, options={"step": 0.5})
    head = head_of(task)
    assert head.values == [0.5 * number for number in range(21)] and head.sigma == 1.0
    for step in (0, -1, float("nan"), float("inf")):
        with pytest.raises(UserError, match="needs step > 0"):
            HEADS["dex"](task, step=step)


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
    assert float(quantile(distribution, [3, 3.1, 3.2, 3.3, 3.4], 0.25)[0]) == pytest.approx(3.1)
    assert float(quantile(np.ones([1, 1], np.float32), [7.0], 0.25)[0]) == 7.0
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
