import numpy as np
import pytest
import tensorflow as tf

from models.cooperation import EnsembleDistillation
from tests.models.cooperation.descent import assert_two_replicas_equal_one, gradient, slope
from tests.replicas import per_replica

W, B = np.array([0.5, -0.3, 0.2], "float32"), np.array([0.1, 0.4, -0.6], "float32")


def batch(num_teachers: int = 3, rows: int = 9):
    rng = np.random.default_rng(7)
    teachers = rng.normal(scale=2.0, size=(rows, num_teachers)).astype("float32")
    logit = rng.normal(scale=2.0, size=(rows, 1)).astype("float32")
    return logit, teachers, rng.integers(0, 2, size=(rows, 1)).astype("float32")


def gated(**options) -> EnsembleDistillation:
    layer = EnsembleDistillation(teacher_weights="gate", **options)
    layer(tf.zeros((0, 1)), teacher_logits=tf.zeros((0, 3)), labels=tf.zeros((0, 1)))
    layer.set_weights([W, B])
    return layer


def bce(p, z):
    q = 1 / (1 + np.exp(-z))
    return -p * np.log(q) - (1 - p) * np.log(1 - q)


def oracle(logit, teachers, labels, tau=1.0, squared=False, gate=None, taught_by=None):
    """One example at a time. `taught_by` is the gate behind the stop-gradient."""

    def mixed(z, gate):
        if gate is None:
            return np.mean(z)
        e = np.exp(gate[0] * z + gate[1])
        return np.sum(e / e.sum() * z)

    total = []
    for s, z, y in zip(logit.astype("float64")[:, 0], teachers.astype("float64"), labels[:, 0]):  # noqa: B905
        soft_label = 1 / (1 + np.exp(-mixed(z, taught_by or gate) / tau))
        distilled = bce(soft_label, s / tau) * (tau**2 if squared else 1.0)
        total.append(distilled + (0.0 if gate is None else bce(y, mixed(z, gate))))
    return np.mean(total)


@pytest.mark.parametrize("num_teachers", [1, 2, 5])
@pytest.mark.parametrize(("tau", "squared"), [(1.0, False), (3.0, False), (3.0, True)])
def test_uniform_weights_match_oracle(num_teachers, tau, squared):
    logit, teachers, labels = batch(num_teachers)
    loss = EnsembleDistillation(tau, scale_by_temperature_squared=squared)
    np.testing.assert_allclose(
        loss(logit, teacher_logits=teachers), oracle(logit, teachers, labels, tau, squared), 1e-5
    )


@pytest.mark.parametrize(("tau", "squared"), [(1.0, False), (3.0, False), (3.0, True)])
def test_the_gate_matches_oracle(tau, squared):
    logit, teachers, labels = batch()
    loss = gated(temperature=tau, scale_by_temperature_squared=squared)
    np.testing.assert_allclose(
        loss(logit, teacher_logits=teachers, labels=labels),
        oracle(logit, teachers, labels, tau, squared, gate=(W, B)),
        rtol=1e-5,
    )


def test_the_gate_starts_as_the_mean_of_the_teachers():
    logit, teachers, labels = batch()
    layer = EnsembleDistillation(teacher_weights="gate")
    received = layer(logit, teacher_logits=teachers, labels=labels)
    np.testing.assert_allclose(received, oracle(logit, teachers, labels, gate=(0 * W, 0 * B)), 1e-5)


def test_gradient_for_the_network_matches_the_oracle():
    logit, teachers, labels = batch()
    layer = gated(temperature=2.0)
    received = gradient(lambda z: layer(z, teacher_logits=teachers, labels=labels), logit)
    direction = np.random.default_rng(0).normal(size=logit.shape)
    expected = slope(lambda z: oracle(z, teachers, labels, 2.0, gate=(W, B)), logit, direction)
    np.testing.assert_allclose(np.sum(received * direction), expected, rtol=1e-4)


def test_the_gate_learns_from_labels_alone_and_cannot_follow_the_network():
    logit, teachers, labels = batch()
    layer = gated()
    gradients = []
    for each in (logit, -5.0 * logit):
        with tf.GradientTape() as tape:
            loss = layer(each, teacher_logits=teachers, labels=labels)
        gradients.append(tape.gradient(loss, layer.trainable_variables))
    for direction in np.eye(6).reshape(6, 2, 3):
        expected = slope(
            lambda gate: oracle(logit, teachers, labels, gate=tuple(gate), taught_by=(W, B)),
            np.stack([W, B]),
            direction,
        )
        for of_gate in gradients:
            received = np.sum(np.stack(of_gate) * direction)
            np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("teacher_weights", ["uniform", "gate"])
@pytest.mark.parametrize("num_teachers", [1, 3])
def test_no_gradient_reaches_a_teacher(teacher_weights, num_teachers):
    logit, teachers, labels = map(tf.constant, batch(num_teachers))
    layer = EnsembleDistillation(teacher_weights=teacher_weights)
    with tf.GradientTape() as tape:
        tape.watch((logit, teachers))
        loss = layer(logit, teacher_logits=teachers, labels=labels)
    for_network, for_teachers = tape.gradient(loss, (logit, teachers), unconnected_gradients="zero")
    np.testing.assert_array_equal(for_teachers, np.zeros(teachers.shape))
    assert np.abs(for_network).min() > 0.0


def test_gradient_is_zero_where_network_and_teacher_agree():
    logit, _, _ = batch()
    received = gradient(lambda z: EnsembleDistillation(2.0)(z, teacher_logits=logit), logit)
    np.testing.assert_allclose(received, np.zeros((9, 1)), atol=1e-8)


@pytest.mark.parametrize("teacher_weights", ["uniform", "gate"])
def test_extreme_logits_stay_finite(teacher_weights):
    logit = np.array([[1e4], [-1e4], [1e4]])
    teachers, labels = np.repeat([[1e4], [-1e4], [-1e4]], 2, axis=1), np.array([[1.0], [0], [0]])
    layer = EnsembleDistillation(teacher_weights=teacher_weights)
    loss = lambda z: layer(z, teacher_logits=teachers, labels=labels)
    np.testing.assert_allclose(loss(logit), 1e4 / 3)
    np.testing.assert_allclose(gradient(loss, logit), [[0.0], [0.0], [1 / 3]], atol=1e-7)


@pytest.mark.parametrize("teacher_weights", ["uniform", "gate"])
def test_an_empty_batch_has_loss_zero(teacher_weights):
    loss = EnsembleDistillation(teacher_weights=teacher_weights)
    empty = tf.zeros((0, 1))
    assert loss(empty, teacher_logits=tf.zeros((0, 2)), labels=empty) == 0.0
    gradient(lambda z: loss(z, teacher_logits=tf.zeros((0, 2)), labels=empty), np.zeros((0, 1)))


def test_two_replicas_with_unequal_shares_equal_one(two_replicas):
    rng = np.random.default_rng(2)
    x, (_, teachers, labels) = rng.normal(size=(9, 4)).astype("float32"), batch()
    w = rng.normal(size=(4, 1)).astype("float32")
    with two_replicas.scope():
        layer = gated(temperature=2.0)

    def loss_of(w, x, z, y):
        return layer(x @ w, teacher_logits=z, labels=y)

    assert_two_replicas_equal_one(two_replicas, loss_of, w, x, teachers, labels)


def test_gradients_of_the_gate_on_two_replicas_add_up(two_replicas):
    logit, teachers, labels = batch()

    def of_gate(layer):
        def gradients(s, z, y):
            with tf.GradientTape() as tape:
                loss = layer(s, teacher_logits=z, labels=y)
            return tf.stack(tape.gradient(loss, layer.trainable_variables))

        return gradients

    with two_replicas.scope():
        mirrored = gated()
    shares = per_replica(two_replicas, of_gate(mirrored), logit, teachers, labels, at=2)
    expected = of_gate(gated())(*map(tf.constant, (logit, teachers, labels)))
    np.testing.assert_allclose(sum(shares), expected, rtol=1e-5, atol=1e-7)


def test_says_what_it_takes_and_needs():
    assert EnsembleDistillation().takes == ("logit", "teacher_logits")
    assert EnsembleDistillation(teacher_weights="gate").takes == (
        "logit",
        "teacher_logits",
        "labels",
    )
    assert EnsembleDistillation.needs_teachers
    assert not EnsembleDistillation.pairwise


def test_rejects_flat_logits_and_a_gate_without_labels():
    with pytest.raises(ValueError, match=r"\(4,\), \(4, 2\).*Use logit\[:, tf.newaxis\]"):
        EnsembleDistillation()(tf.zeros(4), teacher_logits=tf.zeros((4, 2)))
    with pytest.raises(ValueError, match=r"num_teachers >= 1.*\(4, 1\), \(4,\)"):
        EnsembleDistillation()(tf.zeros((4, 1)), teacher_logits=tf.zeros(4))
    with pytest.raises(ValueError, match=r"learns from labels.*'uniform'"):
        EnsembleDistillation(teacher_weights="gate")(
            tf.zeros((4, 1)), teacher_logits=tf.zeros((4, 2))
        )


@pytest.mark.parametrize(
    "change", [{"temperature": 0.0}, {"temperature": np.inf}, {"teacher_weights": "best"}]
)
def test_rejects_unknown_settings(change):
    with pytest.raises(ValueError, match=f"`{next(iter(change))}`.*must be.*Received"):
        EnsembleDistillation(**change)
