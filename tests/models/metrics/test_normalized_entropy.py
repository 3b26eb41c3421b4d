import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import log_loss

from models.metrics import NormalizedEntropy, normalized_entropy
from tests.replicas import per_replica

RNG = np.random.default_rng(0)
LABELS = (RNG.random(3000) < 0.2).astype("float32")
LOGITS = RNG.normal(size=3000).astype("float32")
PROBS = 1.0 / (1.0 + np.exp(-LOGITS.astype("float64")))


def oracle(base_rate=None):
    rate = float(LABELS.mean(dtype="float64")) if base_rate is None else base_rate
    entropy = -(rate * np.log(rate) + (1 - rate) * np.log(1 - rate))
    return log_loss(LABELS, PROBS) / entropy


@pytest.mark.parametrize("base_rate", [None, 0.3])
def test_function_and_metric_match_oracle(base_rate):
    received = normalized_entropy(LABELS.astype("float64"), PROBS, base_rate)
    assert received == pytest.approx(oracle(base_rate), abs=1e-9)
    metric = NormalizedEntropy(base_rate)
    for start in range(0, 3000, 700):
        metric.update_state(LABELS[start : start + 700, None], LOGITS[start : start + 700])
    assert metric.result().numpy() == pytest.approx(oracle(base_rate), abs=1e-9)
    assert NormalizedEntropy.from_config(metric.get_config()).base_rate == base_rate


def test_always_predicting_the_base_rate_is_one():
    assert normalized_entropy([0, 0, 0, 1], [0.25] * 4) == pytest.approx(1.0)


def test_one_class_or_no_row_is_nan():
    assert np.isnan(normalized_entropy([1, 1], [0.5, 0.5]))
    assert np.isnan(normalized_entropy([], []))


def test_the_metric_sees_the_rows_of_all_replicas(two_replicas):
    with two_replicas.scope():
        metric = NormalizedEntropy()

    def update(labels, logits):
        metric.update_state(labels, logits)
        return tf.constant(0)

    per_replica(two_replicas, update, LABELS, LOGITS, at=1000)
    assert metric.result().numpy() == pytest.approx(oracle(), abs=1e-9)
