"""The whole training step: what `fit` does to weights and logs, on one replica and on two."""

from dataclasses import dataclass

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from features.inputs import InputSpec
from models.alignment import NoAlignment
from models.branches import Deep
from models.embeddings import EmbeddingBank, EmbeddingLayout
from models.fusion import MeanFusion
from models.network import CooperativeNetwork
from tests.models import small

STEPS, BATCH = 3, 9  # odd: the replicas get 5 and 4 rows
MORE = {"dense_l2": 0.05, "projection": {"units": [5], "activation": "tanh"}}


def dataset(seed: int = 0, *, weighted: bool = True, rows: int = STEPS * BATCH) -> tf.data.Dataset:
    columns = small.rows(seed, rows)
    data = tf.data.Dataset.from_tensor_slices(columns if weighted else columns[:2]).batch(BATCH)
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return data.with_options(options)


@dataclass
class Trained:
    network: CooperativeNetwork
    initial: list[np.ndarray]
    history: dict[str, list[float]]
    evaluation: dict[str, float]
    predictions: dict[str, np.ndarray]


def train(strategy: tf.distribute.Strategy, initial: list[np.ndarray] | None = None) -> Trained:
    tf_keras.utils.set_random_seed(0)  # one start of the transforms, which distances are from
    with strategy.scope():
        network = small.network(**MORE)
        network.watch_gradients()
        # A tight norm: clipped before the sum over replicas, the step would be another one.
        optimizer = tf_keras.optimizers.SGD(0.1, momentum=0.9, global_clipnorm=0.3)
        network.compile(optimizer=optimizer, weighted_metrics=[])
    if initial is not None:
        network.set_weights(initial)
    initial = network.get_weights()
    history = network.fit(dataset(), epochs=2, verbose=0).history
    evaluation = network.evaluate(dataset(1), verbose=0, return_dict=True)
    return Trained(network, initial, history, evaluation, network.predict(dataset(1), verbose=0))


@pytest.fixture(scope="module")
def one() -> Trained:
    return train(tf.distribute.get_strategy())


@pytest.fixture(scope="module")
def two(two_replicas, one) -> Trained:
    return train(two_replicas, one.initial)


def test_two_replicas_reach_the_weights_of_one(one, two):
    moved = 0
    for variable, before, a, b in zip(
        one.network.weights,
        one.initial,
        one.network.get_weights(),
        two.network.get_weights(),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6, err_msg=variable.name)
        moved += (a != before).any()
    assert moved == len(one.initial) - 1  # all but `first_bad_step`


def test_two_replicas_log_what_one_logs(one, two):
    beside = {"co_teaching_share", "co_teaching_gap"}
    for pair in ("efgc_cross", "efgc_deep", "cross_deep"):
        beside |= {f"moderate_differentiation_from_{what}_{pair}" for what in ("identity", "start")}
    norms = {f"gradient_norm_{name}" for name in ("main", *small.SETTINGS["cooperation"])}
    assert set(one.history) == {"loss", *one.network.term_names, *beside, *norms}
    for name in one.history:
        np.testing.assert_allclose(two.history[name], one.history[name], rtol=1e-4, err_msg=name)
        np.testing.assert_allclose(two.evaluation[name], one.evaluation[name], rtol=1e-5)


def test_two_replicas_predict_every_row_in_order(one, two):
    assert one.predictions["logit"].shape == (STEPS * BATCH,)
    assert one.predictions["branch_logits"].shape == (STEPS * BATCH, 3)
    for name in ("logit", "branch_logits"):
        np.testing.assert_allclose(two.predictions[name], one.predictions[name], atol=1e-5)


def test_predictions_hold_the_range_of_every_unit_over_the_rows(one, two):
    z = one.network(small.rows(1, STEPS * BATCH)[0]).representations
    for trained in (one, two):
        low, high = trained.predictions["unit_low"], trained.predictions["unit_high"]
        assert low.shape[1:] == (3, 6)  # a batch, or a replica's share of one, a row
        np.testing.assert_allclose(low.min(axis=0), np.min(z, axis=0), atol=1e-5)
        np.testing.assert_allclose(high.max(axis=0), np.max(z, axis=0), atol=1e-5)


def test_logs_are_the_mean_over_the_steps_of_the_epoch(one):
    network = small.network(**MORE)
    network.set_weights(one.initial)
    optimizer = tf_keras.optimizers.SGD(0.1, momentum=0.9, global_clipnorm=0.3)
    steps, norms = [], []
    compared = network.compared_weights
    assert len(compared) == len(network.trainable_weights) - 2  # the table, the transforms
    for batch in dataset():  # the step again, by hand
        with tf.GradientTape(persistent=True) as tape:
            features, labels, weights = batch
            terms = network.loss_terms(network(features, training=True), labels, weights)
            weight = dict.fromkeys(one.network.term_names[4:7], 0.1)
            loss = tf.add_n([weight.get(name, 1.0) * term for name, term in terms.items()])
            main = tf.add_n([term for name, term in terms.items() if name not in weight])
        sides = {"main": (main, 1.0), **{name: (terms[name], 0.1) for name in weight}}
        norms.append(
            {
                f"gradient_norm_{name}": norm_by_hand(tape.gradient(side, compared), factor)
                for name, (side, factor) in sides.items()
            }
        )
        gradients = tape.gradient(loss, network.trainable_variables)
        optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
        steps.append({"loss": loss, **terms})
    for kept in (steps, norms):
        for name in kept[0]:
            expected = np.mean([step[name] for step in kept])
            np.testing.assert_allclose(one.history[name][0], expected, rtol=1e-4, err_msg=name)
    assert one.history["gradient_norm_representation_distance"][0] > 0.0


def norm_by_hand(gradients, factor):
    return factor * np.sqrt(
        sum(np.sum(np.square(g), dtype=float) for g in gradients if g is not None)
    )


def test_evaluation_weights_batches_by_their_examples(one):
    network = one.network
    uneven = dataset(2, rows=13)  # 9 and 4 rows
    columns = small.rows(2, 13)
    logged = network.evaluate(uneven, verbose=0, return_dict=True)
    expected = network.loss_terms(network(columns[0]), columns[1], columns[2])
    for name in ("logloss", "logloss_efgc", "embedding_l2"):
        np.testing.assert_allclose(logged[name], expected[name], rtol=1e-5)


def test_predicts_from_features_alone_too(one):
    features, *_ = small.rows(1, 5)
    received = one.network.predict(features, verbose=0)["logit"]
    np.testing.assert_allclose(received, one.network(features).logit[:, 0], atol=1e-6)


class Breaks(tf_keras.layers.Layer):
    """A branch that passes its input on, and whose gradient can be made nan."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.factor = self.add_weight("factor", initializer="zeros", trainable=False)

    def call(self, x):
        @tf.custom_gradient
        def identity(x):
            return x, lambda upstream: upstream + self.factor

        return identity(x)


def value_network(branches) -> CooperativeNetwork:
    bank = EmbeddingBank(
        EmbeddingLayout([InputSpec("a", "numeric"), InputSpec("b", "categorical", "b", 5)], 4)
    )
    network = CooperativeNetwork(bank, branches, NoAlignment(), MeanFusion())
    network.compile(optimizer=tf_keras.optimizers.Adam(0.1))
    return network


GOOD = {"a": np.linspace(-1, 1, 6, dtype="float32"), "b": np.arange(6, dtype="int32") % 5}
LABELS = np.array([0, 1, 1, 0, 1, 0], "float32")
BAD = {**GOOD, "a": np.array([0, 0, 0, 0, 0, np.nan], "float32")}


def state(network) -> list[np.ndarray]:
    slots = [v for v in network.optimizer.variables if "iteration" not in v.name]
    weights = [v for v in network.weights if "first_bad_step" not in v.name]
    return [v.numpy() for v in (*weights, *slots)]


def check_guard(network) -> None:
    network.train_on_batch(GOOD, LABELS)
    before = state(network)
    assert network.divergence() is None
    logs = network.train_on_batch(BAD, LABELS, return_dict=True)
    assert np.isnan(logs["logloss"])
    for a, b in zip(state(network), before, strict=True):
        np.testing.assert_array_equal(a, b)  # slots and moving statistics too
    network.reset_metrics()
    logs = network.train_on_batch(GOOD, LABELS, return_dict=True)
    assert np.isfinite(logs["loss"])
    assert any((a != b).any() for a, b in zip(state(network), before, strict=True))
    assert network.divergence() == ("logloss", 2)
    assert network.optimizer.iterations.numpy() == 3


def test_a_step_that_is_not_finite_changes_nothing_and_is_named():
    check_guard(value_network({"deep": Deep([8, 4], batch_norm=True)}))


def test_nor_does_it_if_only_one_replica_meets_it(two_replicas):
    with two_replicas.scope():
        network = value_network({"deep": Deep([8, 4], batch_norm=True)})
    check_guard(network)


def test_a_gradient_that_is_not_finite_is_caught_behind_finite_losses():
    branch = Breaks()
    network = value_network({"breaks": branch})
    network.train_on_batch(GOOD, LABELS)
    before = state(network)
    branch.factor.assign(np.nan)
    logs = network.train_on_batch(GOOD, LABELS, return_dict=True)
    assert np.isfinite(logs["loss"])
    assert network.divergence() == ("gradient", 2)
    branch.factor.assign(0.0)
    for a, b in zip(state(network), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_trains_without_example_weights_and_learns():
    network = small.network()
    network.compile(optimizer=tf_keras.optimizers.Adam(0.02))
    history = network.fit(dataset(weighted=False), epochs=15, verbose=0).history
    assert history["logloss"][-1] < 0.5 < history["logloss"][0]


def test_training_without_labels_says_what_it_needs():
    network = value_network({"deep": Deep([4])})
    with pytest.raises(ValueError, match=r"\(features, labels\).*features only"):
        network.compute_loss((GOOD,))
