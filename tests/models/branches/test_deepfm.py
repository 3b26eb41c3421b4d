import numpy as np
import tensorflow as tf

from models.branches.deepfm import DeepFM
from tests.models.branches.oracles import embedded, examples, mlp, pairs, with_random_weights


def test_matches_oracle():
    x = embedded()
    layer = with_random_weights(DeepFM([5, 4], dropout=0.0), x)
    (bias,) = layer.parts["wide"][0].get_weights()
    expected = []
    for tokens, first_order in examples(x):
        y_lin, y_fm = first_order.sum() + bias[0], sum(a @ b for a, b in pairs(tokens))
        expected.append([y_lin, y_fm, *mlp(layer.mlp, tokens.ravel())])
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-5)


def test_the_order_of_the_fields_matters_to_the_mlp_alone():
    x = embedded()
    layer = with_random_weights(DeepFM([5], dropout=0.0), x)
    moved = tf.nest.map_structure(lambda each: tf.gather(each, [2, 0, 3, 1], axis=1), x)
    before, after = layer(x), layer(moved)
    np.testing.assert_allclose(after[:, :2], before[:, :2], rtol=1e-5, atol=1e-5)
    assert (after[:, 2:] != before[:, 2:]).numpy().any()


def test_defaults_are_those_of_bars():
    options = DeepFM().mlp.options()
    assert (options["units"], options["dropout"], options["batch_norm"]) == ([1000] * 5, 0.2, False)
    assert DeepFM.takes == "embedded"
