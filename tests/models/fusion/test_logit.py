import numpy as np
import pytest
import tensorflow as tf

from models.fusion import LogitFusion


def inputs(branches=3):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(5, branches, 4)).astype("float32")
    return z, rng.normal(scale=3.0, size=(5, branches)).astype("float32")


def test_is_the_mean_or_the_sum_of_the_logits():
    z, logits = inputs()
    total = np.array([[sum(row)] for row in logits.astype("float64")])
    np.testing.assert_allclose(LogitFusion()(z, logits=logits), total / 3, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(LogitFusion("sum")(z, logits=logits), total, rtol=1e-5, atol=1e-6)


def test_the_mean_logit_is_the_normalised_geometric_mean_of_the_probabilities():
    z, logits = inputs()
    p = 1 / (1 + np.exp(-logits.astype("float64")))
    yes, no = (np.prod(each, axis=1, keepdims=True) ** (1 / 3) for each in (p, 1 - p))
    received = tf.sigmoid(LogitFusion()(z, logits=logits))
    np.testing.assert_allclose(received, yes / (yes + no), rtol=1e-5)


def test_one_branch_speaks_for_itself():
    z, logits = inputs(branches=1)
    np.testing.assert_array_equal(LogitFusion()(z, logits=logits), logits)


def test_logits_stay_float32_under_mixed_precision():
    z, logits = inputs()
    received = LogitFusion(dtype="mixed_bfloat16")(z, logits=logits)
    assert received.dtype == tf.float32
    np.testing.assert_array_equal(received, LogitFusion()(z, logits=logits))


def test_rejects_an_unknown_way_to_combine():
    with pytest.raises(ValueError, match=r"one of mean, sum. Received: combine='concat'"):
        LogitFusion("concat")
