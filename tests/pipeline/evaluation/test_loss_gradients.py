"""Where loss terms point: the cosines of gradients that are taken one at a time."""

import numpy as np
import pytest
import tensorflow as tf

from pipeline.evaluation.loss_gradients import gradient_directions
from pipeline.evaluation.sample_outputs import SampleReader
from pipeline.evaluation.scores import sigmoid
from tests.models import small


def test_a_network_on_several_replicas_is_asked_for_probabilities_and_not_for_directions(
    two_replicas,
):
    with two_replicas.scope():
        network = small.network()
    features, labels, _ = small.rows(3, 12)
    assert gradient_directions(network, features, labels) is None
    expected = network({key: tf.constant(value) for key, value in features.items()}).logit
    found = SampleReader(network, {}).probs(features)
    np.testing.assert_allclose(found, sigmoid(expected.numpy()[:, 0]), rtol=1e-5)


def test_cosines_are_those_of_gradients_that_are_taken_one_at_a_time():
    network = small.network()
    features, labels, _ = small.rows(3, 12)
    found = gradient_directions(network, features, labels)
    vectors = {}

    @tf.function(autograph=False)
    def gradients_of(name):
        with tf.GradientTape() as tape:
            inputs = {key: tf.constant(value) for key, value in features.items()}
            term = network.loss_terms(network(inputs, training=False), tf.constant(labels))[name]
        return tape.gradient(term, network.compared_weights, unconnected_gradients="zero")

    for name in network.term_names:
        gradients = [np.ravel(each).astype("float64") for each in gradients_of(name)]
        vectors[name] = np.concatenate(gradients)
    terms = [name for name, vector in vectors.items() if np.any(vector)]
    assert found["terms"] == terms
    assert {"logloss", "logloss_deep", "moderate_differentiation"} <= set(terms)
    for a, row, norm in zip(terms, found["cosines"], found["norms"], strict=True):
        size = np.linalg.norm(vectors[a])
        assert norm == pytest.approx(network.term_weights.get(a, 1.0) * size, rel=1e-4)
        for b, cosine in zip(terms, row, strict=True):
            expected = vectors[a] @ vectors[b] / size / np.linalg.norm(vectors[b])
            assert cosine == pytest.approx(expected, abs=1e-4)
    assert "embedding_l2" not in terms  # it moves tables alone
