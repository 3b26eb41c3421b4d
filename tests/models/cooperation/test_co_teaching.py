import numpy as np
import pytest
import tensorflow as tf

from models.cooperation import BranchCoTeaching
from tests.replicas import per_replica

LN2 = np.log(2.0)


def oracle(logits, labels, threshold=LN2, target="soft", direction="strong_to_weak"):
    """The two equations one scalar at a time: slow, and easy to check by eye."""
    pairs = []
    for z, y in zip(logits.astype("float64"), labels[:, 0], strict=True):
        p = 1 / (1 + np.exp(-z))
        own = [-(y * np.log(q) + (1 - y) * np.log(1 - q)) for q in p]
        for i in range(len(z)):
            for j in range(len(z)):
                teaches = {
                    "strong_to_weak": own[i] < threshold < own[j],
                    "weak_to_strong": own[j] < threshold < own[i],
                    "all": i != j,
                }[direction]
                if teaches:
                    negative = (1 - p[i]) * np.log(1 - p[j]) if target == "soft" else 0.0
                    pairs.append(-p[i] * np.log(p[j]) - negative)
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
