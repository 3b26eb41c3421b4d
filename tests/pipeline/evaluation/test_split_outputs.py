"""One pass over a split keeps every row's outputs in order, and reduces representations."""

import numpy as np
import pytest
import tensorflow as tf

from models.metrics import cross_expert_correlation_by_pair
from pipeline.batches.dataset import examples
from pipeline.evaluation.split_outputs import OutputReader
from tests.pipeline.evaluation.row_network import BRANCHES, RowNetwork


def expected(rows):
    row = np.arange(rows, dtype="float32")
    each = np.stack([row, -2 * row, np.sin(row)], axis=1)
    z = np.stack([each, 1000 + np.cos(each)], axis=2)  # the offset leaves few digits in float32
    return row / 8, each, tf.nn.softmax(each).numpy(), cross_expert_correlation_by_pair(z)


def check(outputs, rows):
    logit, logits, weights, correlation = expected(rows)
    np.testing.assert_array_equal(outputs.logit[:, 0], logit)
    np.testing.assert_allclose(outputs.branch_logits, logits, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(outputs.fusion_weights, weights, rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(outputs.correlation, correlation, atol=1e-4)
    np.testing.assert_array_equal(outputs.live_correlation, outputs.correlation)  # all units live
    np.testing.assert_array_equal(outputs.constant_units, np.zeros(len(BRANCHES)))
    z = np.stack([logits, 1000 + np.cos(logits)], axis=2)
    np.testing.assert_allclose(outputs.unit_low, z.min(axis=0, keepdims=True), atol=1e-4)
    np.testing.assert_allclose(outputs.unit_high, z.max(axis=0, keepdims=True), atol=1e-4)


# 40 rows: batches of a row, uneven ones, and a last batch of one row, which two replicas share.
@pytest.mark.parametrize("batch_size", [1, 7, 13, 40, 64])
@pytest.mark.parametrize("layout", ["block", "row"])
def test_reads_every_row_once_in_order(make_bundle, layout, batch_size):
    bundle, _ = make_bundle(layout)
    check(OutputReader(RowNetwork()).read(examples(bundle, "valid", batch_size)), 40)


@pytest.mark.parametrize("batch_size", [1, 7, 13, 64])
def test_two_replicas_read_the_same(random_bundle, two_replicas, batch_size):
    with two_replicas.scope():
        network = RowNetwork()
    reader = OutputReader(network)
    check(reader.read(examples(random_bundle, "valid", batch_size)), 40)
    check(reader.read(examples(random_bundle, "train", batch_size)), 103)  # nothing left over


def test_one_graph_serves_all_batches_and_splits(random_bundle):
    network = RowNetwork()
    reader = OutputReader(network)
    check(reader.read(examples(random_bundle, "valid", 7)), 40)
    traces = network.traces
    assert traces <= 2  # the second without the variables that the first created
    check(reader.read(examples(random_bundle, "train", 13)), 103)
    assert network.traces == traces


@pytest.mark.filterwarnings("ignore:Even though the `tf.config.experimental_run_functions_eagerly")
def test_reads_the_same_eagerly(random_bundle):
    tf.config.run_functions_eagerly(True)
    try:
        check(OutputReader(RowNetwork()).read(examples(random_bundle, "valid", 13)), 40)
    finally:
        tf.config.run_functions_eagerly(False)


def test_what_a_network_does_not_give_is_none(random_bundle):
    network = RowNetwork(has_logits=False, has_weights=False)
    outputs = OutputReader(network).read(examples(random_bundle, "valid", 16))
    assert (outputs.branch_logits, outputs.fusion_weights) == (None, None)
    assert outputs.correlation.shape == (3,)
    one = OutputReader(RowNetwork(("up",))).read(examples(random_bundle, "valid", 16))
    assert one.correlation is None
    assert one.branch_logits.shape == (40, 1)
