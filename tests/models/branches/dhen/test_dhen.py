import numpy as np
import pytest
import tensorflow as tf

from models.branches.dhen.dhen import DHEN
from tests.models.branches.dhen import interaction_oracle as oracle
from tests.models.branches.interformer.interformer_oracle import self_attention

SMALL = {"dot_units": (6,), "rank": 3, "units": (7, 5)}


def random_tokens(*shape):
    return np.random.default_rng(1).normal(size=shape).astype("float32")


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"num_layers": 3, "tokens_per_module": 2, "cross_layers": 2},
        {"modules": ("self_attention", "linear", "dot", "cross"), "ensemble": "weighted_sum"},
    ],
    ids=["default", "deeper", "all_modules"],
)
def test_matches_oracle(settings):
    x = random_tokens(6, 5, 4)
    branch = DHEN(**SMALL, **settings)
    branch(x)
    oracle.randomize(branch)
    expected, intermediates = [], []
    for example in x.astype("float64"):
        layers = [example]
        for layer in branch.stack:
            layers.append(oracle.dhen_layer(layer, layers[-1], self_attention))
        intermediates.append([each.ravel() for each in layers[1:]])
        expected.append(oracle.mlp(branch.head, layers[-1].ravel()))
    received, details = branch(x, return_details=True)
    np.testing.assert_allclose(received, expected, rtol=1e-3, atol=1e-3)
    assert len(details.intermediates) == branch.num_layers
    for received, expected in zip(
        details.intermediates, zip(*intermediates, strict=True), strict=True
    ):
        np.testing.assert_allclose(received, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("ensemble", ["concat", "sum", "weighted_sum"])
def test_the_last_layer_learns(ensemble):
    modules = ("dot", "cross", "linear", "self_attention")
    branch, x = DHEN(3, modules, ensemble, **SMALL), random_tokens(8, 5, 4)
    branch(x)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(branch(x) * random_tokens(8, 5))
    last = branch.stack[-1].trainable_variables
    for variable, gradient in zip(last, tape.gradient(total, last), strict=True):
        assert np.abs(gradient).max() > 1e-6, variable.name


def test_gradients_are_finite_where_all_embeddings_are_zero():
    branch, x = DHEN(**SMALL), tf.zeros((3, 5, 4))
    branch(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(branch(x))
    for gradient in tape.gradient(total, [x, *branch.trainable_variables]):
        assert np.isfinite(gradient).all()


def test_reaches_every_pair_of_fields_in_one_layer():
    """A change of field 0 changes how the output depends on field 1."""
    x = tf.constant(random_tokens(1, 5, 4))
    branch = DHEN(1, **SMALL)
    branch(x)

    def sensitivity(tokens):
        with tf.GradientTape() as tape:
            tape.watch(tokens)
            y = branch(tokens, return_details=True)[1].intermediates[0][:, 0]
        return tape.gradient(y, tokens)[0, 1]

    moved = x + tf.one_hot([0], 5)[:, :, tf.newaxis]
    assert np.abs(sensitivity(moved) - sensitivity(x)).max() > 1e-4


def test_defaults_are_the_benchmarks_modules():
    branch = DHEN()
    branch(tf.zeros((1, 6, 4)))
    config = branch.get_config()
    assert config["modules"] == ["dot", "cross"]
    assert (config["num_layers"], config["rank"], config["ensemble"]) == (2, 32, "concat")
    assert [layer.interactions[0].num_tokens for layer in branch.stack] == [3, 3]
    assert branch.head.units == (512, 256, 128)


def test_dropout_acts_in_training_only():
    branch, x = DHEN(**SMALL, dropout=0.5), random_tokens(4, 5, 4)
    np.testing.assert_array_equal(branch(x), branch(x))
    assert not np.allclose(branch(x, training=True), branch(x))


def test_rejects_impossible_settings_when_it_is_made():
    with pytest.raises(ValueError, match="num_layers=0"):
        DHEN(num_layers=0)
    with pytest.raises(ValueError, match=r"modules=\['fm'\]"):
        DHEN(modules=["fm"])
