"""Networks whose tables keep the optimizer's state in their rows: one step, whatever the layout."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from models.optimizers import make_optimizer, row_slots_of
from models.spec.build_network import build_network
from models.spec.network_config import NetworkConfig
from tests.models import small
from tests.models.test_training import dataset

EMBEDDING = {
    "embedding_dim": 4,
    "stddev": 0.5,
    "l2_batch": 1e-2,
    "embedding_dims": {"item": 2},
}
SETTINGS = {
    **small.SETTINGS,
    "embedding": EMBEDDING,
    "branches": {
        "deep": {"units": [12, 8]},
        "wide": {"type": "wide_and_deep", "units": [7], "dropout": 0.0},
    },
}


def trained(strategy, tables="lazy_adam", packed=True, initial=None, rows=27, **options):
    slots = row_slots_of(tables, options.get("correct_skipped", False)) if packed else None
    tf_keras.utils.set_random_seed(7)  # matrices are compared with their start
    with strategy.scope():
        network = build_network(NetworkConfig(**SETTINGS), small.INPUTS, small.GROUPS, slots=slots)
        optimizer = make_optimizer(0.05, tables=tables, clip_norm=0.3, **options)
        network.compile(optimizer=optimizer, weighted_metrics=[])
    if initial is not None:
        assign_weights(network, initial)
    before = weights_of(network)
    history = network.fit(dataset(rows=rows), epochs=2, verbose=0).history
    return network, before, history


def weights_of(network) -> dict[str, np.ndarray]:
    found = {own_name(weight): weight.numpy() for weight in network.trainable_weights}
    assert len(found) == len(network.trainable_weights)
    for table in network.embeddings.tables:
        name = own_name(table.table)
        found[name] = found[name][:, : table.layout.columns]
    return found


def own_name(weight) -> str:
    """Its name without the network's, which Keras numbers."""
    return weight.name.partition("/")[2]


def assign_weights(network, values: dict[str, np.ndarray]) -> None:
    for weight in network.trainable_weights:
        value = values[own_name(weight)]
        if weight.shape != value.shape:
            state = weight.numpy()[:, value.shape[1] :]
            value = np.concatenate([value, state], axis=1)
        weight.assign(value)


def assert_same(a, b, tolerance=1e-6):
    a, b = weights_of(a), weights_of(b)
    assert set(a) == set(b)
    for name in a:
        np.testing.assert_allclose(a[name], b[name], rtol=0, atol=tolerance, err_msg=name)


OPTIMIZERS = [
    ("lazy_adam", {}),
    ("lazy_adam", {"correct_skipped": True}),
    ("rowwise_adagrad", {}),
]


@pytest.mark.parametrize(("tables", "options"), OPTIMIZERS)
def test_state_in_the_rows_trains_as_state_beside_them(tables, options):
    default = tf.distribute.get_strategy()
    packed, initial, history = trained(default, tables, **options)
    beside, _, expected = trained(default, tables, packed=False, initial=initial, **options)
    assert_same(packed, beside)
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-5)
    assert any((weights_of(packed)[name] != initial[name]).any() for name in initial)


@pytest.mark.parametrize(("tables", "options"), [*OPTIMIZERS[:1], ("adam", {})])
def test_two_replicas_reach_the_weights_of_one(two_replicas, tables, options):
    one, initial, history = trained(tf.distribute.get_strategy(), tables, **options)
    two, _, received = trained(two_replicas, tables, initial=initial, **options)
    # Adam divides by the root of the second moment: rounding grows where gradients are tiny.
    assert_same(one, two, 2e-5)
    for name in history:
        np.testing.assert_allclose(received[name], history[name], rtol=1e-4, err_msg=name)


def test_lazy_training_leaves_rows_alone_that_no_batch_reads():
    network, initial, _ = trained(tf.distribute.get_strategy(), rows=3)
    place = network.embeddings.layout.places["user"]
    after = network.embeddings.rows_of("user", 0).numpy()
    name = own_name(network.embeddings.tables[place.table].table)
    before = initial[name][place.start : place.stop, : place.embedding_dim]
    read = np.isin(np.arange(11), small.rows(0, 3)[0]["user"])
    assert 0 < read.sum() < 11
    np.testing.assert_array_equal(after[~read], before[~read])
    assert (after[read] != before[read]).any(axis=1).all()


def test_dropped_state_changes_no_score():
    network, *_ = trained(tf.distribute.get_strategy())
    features = small.rows(3, 5)[0]
    before = network(features).logit.numpy()
    network.embeddings.drop_slots()
    np.testing.assert_array_equal(network(features).logit, before)
    assert all(table.state_columns == 0 for table in network.embeddings.tables)
