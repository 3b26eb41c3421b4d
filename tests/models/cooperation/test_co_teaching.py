import numpy as np
import pytest
import tensorflow as tf

from models.cooperation import BranchCoTeaching
from tests.replicas import per_replica

LN2 = np.log(2.0)


def selected(logits, labels, threshold=LN2, direction="strong_to_weak"):
    """For each example its probabilities and the pairs (teacher, student), one scalar at a time."""
    examples = []
    for z, y in zip(logits.astype("float64"), labels[:, 0], strict=True):
        p = 1 / (1 + np.exp(-z))
        own = [-(y * np.log(q) + (1 - y) * np.log(1 - q)) for q in p]
        examples.append((p, []))
        limit = threshold
        if isinstance(threshold, tuple):  # the click rate: the loss of saying it for this label
            (rate,) = threshold
            limit = -np.log(rate) if y else -np.log(1 - rate)
        for i in range(len(z)):
            for j in range(len(z)):
                teaches = {
                    "strong_to_weak": own[i] < limit < own[j],
                    "weak_to_strong": own[j] < limit < own[i],
                    "all": i != j,
                }[direction]
                if teaches:
                    examples[-1][1].append((i, j))
    return examples


def oracle(logits, labels, threshold=LN2, target="soft", direction="strong_to_weak"):
    """The mean over the selected pairs of KL(teacher || student), or of its first term."""
    pairs = []
    for p, teaching in selected(logits, labels, threshold, direction):
        for i, j in teaching:
            negative = (1 - p[i]) * np.log((1 - p[i]) / (1 - p[j])) if target == "soft" else 0.0
            pairs.append(p[i] * np.log(p[i] / p[j]) + negative)
    return np.mean(pairs) if pairs else 0.0


def batch(num_branches: int = 3, rows: int = 64):
    rng = np.random.default_rng(7)
    logits = rng.normal(scale=2.0, size=(rows, num_branches)).astype("float32")
    return logits, rng.integers(0, 2, size=(rows, 1)).astype("float32")


@pytest.mark.parametrize("num_branches", [2, 3, 5])
@pytest.mark.parametrize("threshold", [LN2, 0.2, 100.0], ids=["ln2", "strict", "none_weak"])
def test_matches_oracle(num_branches, threshold):
    logits, labels = batch(num_branches)
    loss = BranchCoTeaching(threshold)(tf.constant(logits), labels=tf.constant(labels))
    np.testing.assert_allclose(loss, oracle(logits, labels, threshold), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("target", ["soft", "positive"])
@pytest.mark.parametrize("direction", ["strong_to_weak", "weak_to_strong", "all"])
def test_variants_match_oracle(target, direction):
    logits, labels = batch()
    loss = BranchCoTeaching(target=target, direction=direction)(logits, labels=labels)
    expected = oracle(logits, labels, target=target, direction=direction)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


@pytest.mark.parametrize("rate", [0.5, 0.1, 0.9])
def test_thresholds_of_the_prior_match_oracle(rate):
    logits, labels = batch()
    layer = BranchCoTeaching("prior")
    assert layer.takes == ("logits", "labels", "base_rate")
    loss = layer(logits, labels=labels, base_rate=tf.constant(rate))
    expected = oracle(logits, labels, (rate,))
    assert expected > 0.01
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    if rate == 0.5:
        np.testing.assert_array_equal(loss, BranchCoTeaching()(logits, labels=labels))


def test_at_10_percent_clicks_the_prior_selects_where_ln_2_does_not():
    rng = np.random.default_rng(3)
    labels = (rng.random((400, 1)) < 0.1).astype("float32")
    # Predictions as a network has them that knows a little: around 0.1, never near 0.5.
    logits = (np.log(0.1 / 0.9) + rng.normal(scale=0.5, size=(400, 3))).astype("float32")
    tensors = {"logits": tf.constant(logits), "labels": tf.constant(labels)}
    tensors["base_rate"] = tf.constant(0.1)
    for threshold, limit in ((LN2, LN2), ("prior", (0.1,))):
        layer = BranchCoTeaching(threshold)
        shown = layer.diagnostics(tensors)
        teaching = selected(logits, labels, limit)
        share = np.mean([bool(pairs) for _, pairs in teaching])
        gaps = [abs(p[i] - p[j]) for p, pairs in teaching for i, j in pairs]
        np.testing.assert_allclose(shown["share"], share, rtol=1e-6)
        np.testing.assert_allclose(shown["gap"], np.mean(gaps or [0.0]), rtol=1e-5)
        assert (share > 0.6) == (threshold == "prior")
        assert (share == 0.0) == (threshold != "prior")
        assert (layer.loss_of(tensors) > 0.0) == (threshold == "prior")


def test_a_branch_that_says_the_prior_is_neither_strong_nor_weak():
    rate = tf.constant(0.1)
    prior = tf.math.log(rate) - tf.math.log1p(-rate)
    logits = tf.stack([[prior, 2.0], [-6.0, prior]])
    for label in (0.0, 1.0):
        labels = tf.fill((2, 1), label)
        assert BranchCoTeaching("prior")(logits, labels=labels, base_rate=rate) == 0.0


def test_the_gradient_is_that_of_the_cross_entropy():
    logits, labels = batch()
    z = tf.constant(logits)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(z)
        loss = BranchCoTeaching()(z, labels=labels)
        p = tf.stop_gradient(tf.sigmoid(z))
        teaching = selected(logits, labels)
        of_pairs = [
            tf.nn.sigmoid_cross_entropy_with_logits(p[row, i], z[row, j])
            for row, (_, pairs) in enumerate(teaching)
            for i, j in pairs
        ]
        cross_entropy = tf.add_n(of_pairs) / len(of_pairs)
    assert cross_entropy > loss
    expected = tape.gradient(cross_entropy, z)
    np.testing.assert_allclose(tape.gradient(loss, z), expected, rtol=1e-4, atol=1e-7)


def test_diagnostics_of_two_replicas_add_up(two_replicas):
    logits, labels = batch(rows=9)
    layer = BranchCoTeaching()
    shares = per_replica(
        two_replicas,
        lambda z, y: layer.diagnostics({"logits": z, "labels": y}),
        logits,
        labels,
        at=2,
    )
    whole = layer.diagnostics({"logits": tf.constant(logits), "labels": tf.constant(labels)})
    for name, value in whole.items():
        np.testing.assert_allclose(sum(share[name] for share in shares), value, rtol=1e-5)


def test_gradient_reaches_the_student_and_never_the_teacher():
    logits = tf.Variable([[3.0, -1.0]])  # label 1: branch 0 is right, branch 1 is wrong
    with tf.GradientTape() as tape:
        loss = BranchCoTeaching()(logits, labels=tf.constant([[1.0]]))
    teacher, student = tape.gradient(loss, logits).numpy()[0]
    assert teacher == 0.0
    # d bce(q, z) / dz = sigmoid(z) - q: a closed form, not a recorded number.
    np.testing.assert_allclose(student, tf.sigmoid(-1.0) - tf.sigmoid(3.0), rtol=1e-6)


def test_where_no_branch_can_teach_loss_and_gradient_are_zero():
    logits = tf.Variable([[3.0, 2.0], [-1.0, -5.0]])
    with tf.GradientTape() as tape:
        loss = BranchCoTeaching()(logits, labels=tf.constant([[1.0], [0.0]]))
    assert loss == 0.0
    np.testing.assert_array_equal(tape.gradient(loss, logits), np.zeros((2, 2)))


def test_extreme_logits_stay_finite():
    loss = BranchCoTeaching()(tf.constant([[200.0, -200.0]]), labels=tf.constant([[1.0]]))
    np.testing.assert_allclose(loss, 200.0)


def test_shares_of_two_replicas_add_up(two_replicas):
    logits, labels = batch(rows=9)
    shares = per_replica(
        two_replicas, lambda z, y: BranchCoTeaching()(z, labels=y), logits, labels, at=2
    )
    np.testing.assert_allclose(sum(shares), oracle(logits, labels), rtol=1e-5)


def test_rejects_flat_labels_instead_of_broadcasting_them():
    with pytest.raises(ValueError, match=r"labels \(3,\).*use labels\[:, tf.newaxis\]"):
        BranchCoTeaching()(tf.zeros((3, 3)), labels=tf.zeros(3))


@pytest.mark.parametrize("change", [{"threshold": 0.0}, {"target": "hard"}, {"direction": "up"}])
def test_rejects_unknown_settings(change):
    with pytest.raises(ValueError, match=f"`{next(iter(change))}`.*must be.*Received"):
        BranchCoTeaching(**change)


def test_a_branch_at_the_threshold_is_neither_strong_nor_weak():
    # Logit 0 has a logloss of just ln 2, as a branch has whose units are all dead.
    logits = tf.constant([[0.0, 2.0], [2.0, 0.0]])
    assert BranchCoTeaching(float(np.log(np.float32(2.0))))(logits, labels=tf.ones((2, 1))) == 0.0
