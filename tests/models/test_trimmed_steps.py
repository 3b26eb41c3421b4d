"""Histories cut to the longest of a batch: a network computes what it did without the cut."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from features.inputs import InputSpec
from models.network import CooperativeNetwork
from models.spec.build_network import build_network
from models.spec.network_config import NetworkConfig
from pipeline.batches.trimmed_steps import trim_steps

ROWS = 9
INPUTS = (
    InputSpec("user", "categorical", "user", 11),
    InputSpec("item", "categorical", "item", 23),
    InputSpec("shop", "categorical", "shop", 40),
    InputSpec("genres", "multivalued", "genres", 6, length=3),
    InputSpec("clicked", "sequence", "item", 23, length=7, history="clicks"),
    InputSpec("rating", "sequence", "rating", 5, length=7, history="clicks"),
    InputSpec("bought", "sequence", "item", 23, length=5),
    InputSpec("passed", "sequence", "item", 23, length=7, history="passes"),
    InputSpec("passed_rating", "sequence", "rating", 5, length=7, history="passes"),
    InputSpec("shops", "sequence", "shop", 40, length=4),
)
HISTORIES = (("clicked", "rating"), ("bought",), ("passed", "passed_rating"), ("shops",))
LONGEST = {"clicked": 4, "rating": 4, "bought": 5, "passed": 2, "passed_rating": 2, "shops": 0}
BRANCHES: dict[str, dict[str, Any]] = {
    "din": {"units": [6], "attention_units": [4]},
    "dien": {
        "units": [6],
        "attention": "din",
        "attention_units": [4],
        "auxiliary_weight": 0.5,
        "negatives": "passes",
        "histories": ["clicks"],
    },
    "joined": {"type": "interformer", "num_layers": 1, "units": [6], "dropout": 0.0},
    "side_by_side": {
        "type": "interformer",
        "num_layers": 1,
        "units": [6],
        "dropout": 0.0,
        "histories": "side_by_side",
    },
}


def network(branches: dict[str, dict[str, Any]] = BRANCHES) -> CooperativeNetwork:
    settings = {
        "embedding": {
            "embedding_dim": 4,
            "stddev": 0.5,
            "l2": 1e-3,
            "embedding_dims": {"rating": 2},
            "compressed": {"shop": {"type": "hashed", "rows": 9}},
        },
        "branches": branches,
        "alignment": "none",
        "cooperation": {},
    }
    return build_network(NetworkConfig(**settings), INPUTS, {})


def rows(seed: int = 0, count: int = ROWS) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Features and labels; the first row has the longest histories, the second none."""
    rng = np.random.default_rng(seed)
    features = {}
    for spec in INPUTS:
        shape = (count, spec.length) if spec.length else (count,)
        features[spec.name] = rng.integers(1, spec.vocabulary_size, shape).astype("int32")
    for names in HISTORIES:
        longest = LONGEST[names[0]]
        lengths = rng.integers(0, longest + 1, count)
        lengths[:2] = (longest, 0)[:count]
        for name in names:
            features[name] *= np.arange(features[name].shape[1]) < lengths[:, np.newaxis]
    features["genres"][:, 1:] = 0
    return features, rng.integers(0, 2, count).astype("float32")


def dataset(seed: int, count: int, *, trimmed: bool) -> tf.data.Dataset:
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    batches = tf.data.Dataset.from_tensor_slices(rows(seed, count)).batch(ROWS)
    if trimmed:
        batches = batches.map(lambda x, labels: (trim_steps(x, HISTORIES), labels))
    return batches.with_options(options)


def loss_and_gradients(network, features, labels):
    with tf.GradientTape() as tape:
        outputs = network(features, training=True)
        loss = tf.add_n(list(network.loss_terms(outputs, labels).values()))
    gradients = tape.gradient(loss, network.trainable_variables)
    dense = [tf.convert_to_tensor(gradient) for gradient in gradients]
    return {"logits": outputs.branch_logits, "loss": loss, "gradients": dense}


@pytest.fixture(scope="module")
def graph() -> tuple[CooperativeNetwork, tf.types.experimental.PolymorphicFunction]:
    """A network, and its loss and gradients in a graph that knows no number of steps."""
    tf_keras.utils.set_random_seed(1)
    made = network()
    spec, labels = dataset(0, ROWS, trimmed=True).element_spec
    assert all(spec[name].shape.as_list() == [None, None] for name in LONGEST)
    return made, tf.function(
        lambda features, labels: loss_and_gradients(made, features, labels),
        input_signature=[spec, labels],
        autograph=False,
    )


def assert_equal(received, expected) -> None:
    tf.nest.assert_same_structure(received, expected)
    for a, b in zip(tf.nest.flatten(received), tf.nest.flatten(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_a_cut_batch_has_the_loss_and_the_gradients_of_a_whole_one(graph):
    made, in_graph = graph
    features, labels = rows()
    expected = loss_and_gradients(made, features, labels)
    trimmed = trim_steps(features, HISTORIES)
    lengths = {name: trimmed[name].shape[1] for name in LONGEST}
    assert lengths == {
        "clicked": 5,
        "rating": 5,
        "bought": 5,
        "passed": 3,
        "passed_rating": 3,
        "shops": 1,
    }
    assert_equal(in_graph(trimmed, labels), expected)
    assert_equal(in_graph(features, labels), expected)
    assert_equal(loss_and_gradients(made, trimmed, labels), expected)  # lengths that are known
    moved = [np.abs(gradient).max() > 0 for gradient in expected["gradients"]]
    for variable, is_moved in zip(made.trainable_variables, moved, strict=True):
        assert is_moved or "shops" in variable.name, variable.name


def test_a_replica_without_rows_is_given_no_steps_either(graph):
    _, in_graph = graph
    features, labels = rows()
    nothing = {name: x[:0, :0] if name in LONGEST else x[:0] for name, x in features.items()}
    result = in_graph(nothing, labels[:0])
    assert result["logits"].shape == (0, len(BRANCHES))
    assert np.isfinite(result["loss"])
    assert all(np.isfinite(gradient).all() for gradient in result["gradients"])


def test_bfloat16_knows_no_number_of_steps_either():
    policy = tf_keras.mixed_precision.global_policy()
    tf_keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        made = network({"joined": BRANCHES["joined"]})
    finally:
        tf_keras.mixed_precision.set_global_policy(policy)
    features, _ = rows()
    spec, _ = dataset(0, ROWS, trimmed=True).element_spec
    score = tf.function(lambda x: made(x).logit, input_signature=[spec], autograph=False)
    trimmed = score(trim_steps(features, HISTORIES))
    np.testing.assert_allclose(trimmed, made(features).logit, rtol=0.02, atol=0.02)


def test_two_replicas_train_as_one_on_cut_batches(two_replicas):
    """The last batch has one row, so that one replica gets none."""
    # Without Dice: batch statistics of a replica without rows are another matter.
    branches = {"din": {**BRANCHES["din"], "attention_activation": "relu"}}
    trained, initial = [], None
    for strategy, trimmed in ((tf.distribute.get_strategy(), False), (two_replicas, True)):
        with strategy.scope():
            made = network(branches)
            made.compile(optimizer=tf_keras.optimizers.SGD(0.1), weighted_metrics=[])
        made.set_weights(initial or made.get_weights())
        initial = made.get_weights()
        made.fit(dataset(1, 2 * ROWS + 1, trimmed=trimmed), verbose=0)
        trained.append(made.get_weights())
    for one, two in zip(*trained, strict=True):
        np.testing.assert_allclose(two, one, rtol=0, atol=1e-6)
    assert sum(np.any(before != one) for before, one in zip(initial, trained[0], strict=True)) > 4


def test_more_steps_than_declared_are_refused(graph):
    features, _ = rows()
    features["bought"] = np.ones((ROWS, 6), "int32")
    with pytest.raises(ValueError, match=r"'bought' must have shape \(None, 5\), or fewer steps"):
        graph[0](features)
