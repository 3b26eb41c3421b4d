"""Piecewise-linear and periodic field embeddings against the paper's equations in float64."""

import math

import numpy as np
import pytest
import tensorflow as tf

from features.inputs import InputSpec
from models.embeddings import EmbeddingBank, EmbeddingLayout
from models.embeddings.numeric_encoding import periodic, piecewise_linear
from models.spec.network_config import NetworkConfig

INPUTS = [
    InputSpec("city", "categorical", "city", 5),
    InputSpec("age", "numeric"),
    InputSpec("price", "numeric", pieces=4),
]
BATCH = {
    "city": np.array([1, 0, 4]),
    "age": np.array([0.3, -1.2, 2.0], np.float32),
    "price": np.array([0.4, -1.0, 1.0], np.float32),
}


def encoded(place, pieces):
    """1, then e_1 to e_T of Eq. 1, then whether the number is missing."""
    if place < 0:
        return [0.0] * (pieces + 1) + [1.0]
    passed = [min(max(place * pieces - t, 0.0), 1.0) for t in range(pieces)]
    return [1.0, *passed, 0.0]


@pytest.mark.parametrize("pieces", [1, 2, 7, 500])
def test_the_encoding_is_that_of_the_paper(pieces):
    edges = np.arange(pieces + 1) / pieces
    places = np.concatenate([edges, np.random.default_rng(0).random(20), [-1.0]])
    found = piecewise_linear(tf.constant(places, tf.float32), pieces)
    expected = [encoded(place, pieces) for place in places]
    np.testing.assert_allclose(found, expected, atol=5e-5)
    assert piecewise_linear(tf.zeros([0]), pieces).shape == (0, pieces + 2)


def test_sines_and_cosines_are_those_of_the_paper():
    rng = np.random.default_rng(1)
    values, frequencies = rng.normal(size=6), rng.normal(size=(2, 3))
    found = periodic(tf.constant(values, tf.float32), tf.constant(frequencies, tf.float32))
    expected = [
        [[f(2 * math.pi * c * x) for f in (math.sin, math.cos) for c in own] for own in frequencies]
        for x in values
    ]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def bank_of(numeric, **settings):
    settings = {"embedding_dim": 3, "num_sets": 2, "first_order": [1], **settings}
    bank = EmbeddingBank(EmbeddingLayout(INPUTS, numeric=numeric, **settings), stddev=0.5)
    bank(BATCH)
    return bank


@pytest.mark.parametrize("numeric", ["each", "periodic"])
@pytest.mark.parametrize("dims", [(), (2, 4)])
def test_field_embeddings_match_an_oracle_of_each_set(numeric, dims):
    bank = bank_of(numeric, num_frequencies=5, set_dims=dims)
    sets, sizes = bank(BATCH), list(dims or (3, 3))
    starts = [0, sizes[0], sum(sizes)]

    def encoding(name, row, m):
        x = float(BATCH[name][row])
        if name == "price":
            return encoded(x, 4)
        if numeric == "each":
            return [x]
        own = bank.frequencies["age"].numpy().astype("float64")[m]
        return [f(2 * math.pi * c * x) for f in (math.sin, math.cos) for c in own]

    for m, embedded in enumerate(sets):
        for place, name in ((1, "age"), (2, "price")):
            kernel = bank.projections[name].numpy().astype("float64")
            for row in range(3):
                expected = encoding(name, row, m) @ kernel[:, starts[m] : starts[m + 1]]
                found = embedded.field_embeddings[row, place]
                np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
                if m == 1:
                    linear = encoding(name, row, m) @ kernel[:, -1]
                    found = embedded.first_order[row, place]
                    np.testing.assert_allclose(found, linear, rtol=1e-4, atol=1e-5)


def test_a_missing_number_has_an_embedding_of_its_own():
    bank = bank_of("each")
    kernel = bank.projections["price"].numpy()
    np.testing.assert_array_equal(bank(BATCH)[0].field_embeddings[1, 2], kernel[-1, :3])


def test_gradients_reach_frequencies_and_every_piece_that_a_number_passed():
    bank = bank_of("periodic")
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(bank(BATCH)[0].field_embeddings ** 2)
    weights = [bank.frequencies["age"], bank.projections["price"]]
    of_frequencies, of_pieces = (each.numpy() for each in tape.gradient(total, weights))
    assert np.abs(of_frequencies[0]).min() > 0.0
    np.testing.assert_array_equal(of_frequencies[1], 0.0)  # another embedding set's
    assert np.abs(of_pieces[:, :3]).max(axis=1).min() > 0.0


def test_the_one_mlp_of_all_numbers_reads_encodings_too():
    bank = bank_of("mlp")
    kernel, bias = bank.numeric_token.outputs[0].get_weights()
    rows = [[float(BATCH["age"][row]), *encoded(float(BATCH["price"][row]), 4)] for row in range(3)]
    assert kernel.shape == (7, 3)
    found = bank(BATCH)[0].field_embeddings[:, 1]
    np.testing.assert_allclose(found, np.array(rows) @ kernel + bias, rtol=1e-4, atol=1e-5)


def test_a_bank_comes_back_from_its_configuration():
    bank = EmbeddingBank(
        EmbeddingLayout(INPUTS, 3, numeric="periodic", num_frequencies=5), frequency_stddev=0.7
    )
    clone = EmbeddingBank.from_config(bank.get_config())
    assert (clone.frequency_stddev, clone.layout.num_frequencies) == (0.7, 5)
    assert clone.layout.inputs[2].pieces == 4
    with pytest.raises(ValueError, match="`frequency_stddev` must be >= 0"):
        EmbeddingBank(bank.layout, frequency_stddev=-1.0)
    with pytest.raises(ValueError, match="num_frequencies=0"):
        EmbeddingLayout(INPUTS, num_frequencies=0)


def test_layers_of_an_mlp_are_refused_where_there_is_none():
    with pytest.raises(ValueError, match="numeric='periodic' does not have"):
        NetworkConfig(embedding={"numeric": "periodic", "numeric_units": [8]})
