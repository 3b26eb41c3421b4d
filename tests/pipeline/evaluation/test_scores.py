"""Metrics of whole splits equal scikit-learn's on the same predictions."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from sklearn.metrics import log_loss, roc_auc_score

from pipeline.evaluation.scores import FUSED, Scores, score_split


class ItemNetwork(tf_keras.Model):
    """Logits that are functions of the item: easy to compute a second time."""

    branch_names = ("up", "down")

    def predict_step(self, inputs):
        item = tf.cast(inputs[0]["item"], tf.float32)
        return {"logit": item / 5 - 1, "branch_logits": tf.stack([item, -40.0 * item], axis=1)}


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, "float64")))


@pytest.fixture
def network():
    network = ItemNetwork()
    network.compile()
    return network


@pytest.mark.parametrize("layout", ["block", "row"])
def test_scores_every_row_once_in_order(make_bundle, network, layout):
    bundle, arrays = make_bundle(layout)
    scores = score_split(network, bundle, "valid", batch_size=7)
    item = arrays["valid"]["item"].astype("float32")
    np.testing.assert_array_equal(scores.labels, arrays["valid"]["clicked"])
    np.testing.assert_array_equal(scores.groups, arrays["valid"]["user_key"])
    np.testing.assert_allclose(scores.probs[FUSED], sigmoid(item / 5 - 1), rtol=1e-6)
    np.testing.assert_allclose(scores.probs["up"], sigmoid(item), rtol=1e-6)
    # Probabilities near 0 keep their size: float32's sigmoid would give 0 here.
    np.testing.assert_allclose(scores.probs["down"], np.exp(-40.0 * item.astype("float64")))


def test_metrics_equal_scikit_learn():
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 2, 500).astype("float32")
    probs = np.round(sigmoid(rng.normal(size=500) + labels), 2).clip(0.01, 0.99)  # with ties
    groups = rng.integers(0, 20, 500)
    found = Scores(labels, {FUSED: probs}, groups).metrics("impressions")[FUSED]
    assert found["auc"] == pytest.approx(roc_auc_score(labels, probs), abs=1e-9)
    assert found["logloss"] == pytest.approx(log_loss(labels, probs), abs=1e-9)
    entropy = log_loss(labels, np.full(500, labels.mean(dtype="float64")))
    assert found["normalized_entropy"] == pytest.approx(log_loss(labels, probs) / entropy, abs=1e-9)
    assert found["calibration"] == pytest.approx(probs.sum() / labels.sum(), abs=1e-9)
    parts = [(groups == g).nonzero()[0] for g in np.unique(groups)]
    parts = [rows for rows in parts if 0 < labels[rows].sum() < len(rows)]
    gauc = np.average(
        [roc_auc_score(labels[rows], probs[rows]) for rows in parts], weights=list(map(len, parts))
    )
    assert found["gauc"] == pytest.approx(gauc, abs=1e-9)


def test_without_a_group_key_there_is_no_gauc():
    scores = Scores(np.array([0.0, 1.0]), {FUSED: np.array([0.2, 0.7])}, None)
    assert "gauc" not in scores.metrics("impressions")[FUSED]


def test_a_metric_that_the_rows_do_not_define_is_none():
    scores = Scores(np.array([0.0, 1.0]), {FUSED: np.array([0.2, 0.7])}, np.array([1, 2]))
    found = scores.metrics("impressions")[FUSED]
    assert found["gauc"] is None  # no group has both classes
    assert found["auc"] == 1.0


def test_training_metrics_name_the_branches():
    scores = Scores(
        np.array([0.0, 1.0]), {FUSED: np.array([0.2, 0.7]), "b": np.array([0.7, 0.2])}, None
    )
    found = scores.training_metrics()
    assert (found["auc"], found["auc_b"]) == (1.0, 0.0)
    assert found["logloss"] == pytest.approx(log_loss([0, 1], [0.2, 0.7]), abs=1e-12)
    assert list(found) == ["logloss", "auc", "logloss_b", "auc_b"]
