"""Maps of logits: piecewise linear, rising, and for dropped negatives the correction's equation."""

import numpy as np
import pytest
import tensorflow as tf

from models.network.logit_map import (
    FUSED,
    LogitMap,
    MappedNetwork,
    correction_for_negatives,
    mapped_logits,
    with_maps,
)
from models.network.outputs import NetworkOutputs


def oracle(x, y, outer, s):
    """Between knots numpy's interpolation; beyond them a line."""
    if s < x[0]:
        return y[0] + outer * (s - x[0])
    if s > x[-1]:
        return y[-1] + outer * (s - x[-1])
    return np.interp(s, x, y)


@pytest.mark.parametrize(
    ("x", "y", "outer"),
    [
        ((0.5,), (-1.0,), 0.3),
        ((-2.0, 0.0, 0.1), (-3.0, -0.5, 4.0), 1.0),
        ((1.0, 9.0), (0.0, 1.0), 2),
    ],
    ids=["line", "three", "two"],
)
def test_matches_the_oracle_and_rises(x, y, outer):
    logits = np.sort(np.append(np.random.default_rng(1).normal(0.0, 4.0, 200), x)).astype("float32")
    mapped = LogitMap(x=x, y=y, outer=outer)(logits).numpy()
    np.testing.assert_allclose(mapped, [oracle(x, y, outer, s) for s in logits], atol=1e-5)
    assert (np.diff(mapped) >= 0.0).all()
    assert mapped.dtype == np.float32


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.999])
def test_corrects_probabilities_for_dropped_negatives(kept):
    probs = np.array([1e-4, 0.02, 0.5, 0.9])
    logits = np.log(probs / (1.0 - probs))
    maps = correction_for_negatives(kept, ["a"])
    fused, branches = mapped_logits(maps, ["a"], logits, logits[:, np.newaxis])
    expected = probs / (probs + (1.0 - probs) / kept)  # He et al. 2014, section 6.3
    np.testing.assert_allclose(tf.sigmoid(fused), expected, rtol=1e-5)
    np.testing.assert_allclose(tf.sigmoid(branches[:, 0]), expected, rtol=1e-5)


def test_nothing_is_mapped_where_all_negatives_were_kept():
    network = object()
    assert correction_for_negatives(1.0, ["a"]) == {}
    assert with_maps(network, {}) is network


def test_each_prediction_has_its_own_map_and_what_has_none_stays():
    class Network:
        branch_names = ("a", "b")

        def __call__(self, inputs, /, *, training):
            assert not training
            logits = tf.stack([inputs, 2.0 * inputs], axis=1)
            return NetworkOutputs(inputs[:, tf.newaxis], logits, fusion_weights=logits)

    maps = {FUSED: LogitMap(x=(0.0,), y=(1.0,)), "b": LogitMap(x=(0.0,), y=(-1.0,), outer=0.5)}
    inputs = tf.constant([-1.0, 0.0, 3.0])
    mapped = MappedNetwork(Network(), maps)(inputs, training=False)
    np.testing.assert_allclose(mapped.logit[:, 0], inputs + 1.0)
    np.testing.assert_allclose(mapped.branch_logits, np.stack([inputs, inputs - 1.0], axis=1))
    np.testing.assert_allclose(mapped.fusion_weights, np.stack([inputs, 2.0 * inputs], axis=1))


def test_an_empty_batch_stays_empty():
    assert LogitMap(x=(0.0, 1.0), y=(0.0, 2.0))(tf.zeros((0, 1))).shape == (0, 1)


@pytest.mark.parametrize("y", [(0.0, 0.0), (1.0, 0.0), (0.0,)])
def test_refuses_what_does_not_rise(y):
    with pytest.raises(ValueError, match="x and y must rise and be equally many"):
        LogitMap(x=(0.0, 1.0), y=y)
