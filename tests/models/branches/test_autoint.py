import numpy as np
import pytest
import tensorflow as tf

from models.branches.autoint import AutoInt
from tests.models.branches.oracles import mlp, with_random_weights

SMALL = {"num_layers": 2, "num_heads": 2, "head_dim": 3}


def inputs(fields: int = 4, width: int = 5, batch: int = 6) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(batch, fields, width)).astype("float32")


def interacting_oracle(layer, tokens: np.ndarray) -> np.ndarray:
    """Equations 5 to 8, one pair of fields at a time."""
    qkv = layer.kernel_qkv.numpy().astype("float64")  # (d, 3, H, d')
    outputs = []
    for m in range(len(tokens)):
        heads = []
        for h in range(layer.num_heads):
            query, key, value = (qkv[:, part, h] for part in range(3))
            scores = np.array([(tokens[m] @ query) @ (token @ key) for token in tokens])
            if layer.scale:
                scores = scores / np.sqrt(layer.head_dim)
            shares = np.exp(scores) / np.exp(scores).sum()
            heads.append(sum(a * (token @ value) for a, token in zip(shares, tokens, strict=True)))
        e = np.concatenate(heads)
        if layer.residual:
            e = e + tokens[m] @ layer.kernel_res.numpy().astype("float64")
        outputs.append(np.maximum(e, 0.0))
    return np.array(outputs)


def oracle(branch: AutoInt, tokens: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """The representation of one example, and the outputs of the interacting layers."""
    x, outputs = tokens.astype("float64"), []
    for layer in branch.stack:
        x = interacting_oracle(layer, x)
        outputs.append(x.ravel())
    h = outputs[-1]
    if branch.mlp is not None:
        h = np.concatenate([h, mlp(branch.mlp, tokens.astype("float64").ravel())])
    return h, outputs


@pytest.mark.parametrize("units", [None, (7, 4)], ids=["autoint", "autoint_plus"])
@pytest.mark.parametrize("scale", [False, True], ids=["unscaled", "scaled"])
@pytest.mark.parametrize("residual", [True, False], ids=["residual", "no_residual"])
def test_matches_oracle(residual, scale, units):
    x = inputs()
    branch = with_random_weights(AutoInt(**SMALL, residual=residual, scale=scale, units=units), x)
    h, details = branch(x, return_details=True)
    expected = [oracle(branch, tokens) for tokens in x]
    np.testing.assert_allclose(h, [h for h, _ in expected], rtol=1e-3, atol=1e-4)
    assert len(details.intermediates) == 2
    for i, received in enumerate(details.intermediates):
        np.testing.assert_allclose(
            received, [outputs[i] for _, outputs in expected], rtol=1e-3, atol=1e-4
        )


def test_one_head_and_one_field_is_an_mlp_without_bias():
    x = inputs(fields=1)
    branch = with_random_weights(AutoInt(num_layers=1, num_heads=1, head_dim=3), x)
    (layer,) = branch.stack
    value = layer.kernel_qkv[:, 2, 0] + layer.kernel_res  # a softmax over one field is 1
    expected = tf.nn.relu(tf.matmul(x[:, 0], value))
    np.testing.assert_allclose(branch(x), expected, rtol=1e-5, atol=1e-5)


def test_fields_in_another_order_give_their_outputs_in_that_order():
    x, order = inputs(), [2, 0, 3, 1]
    branch = with_random_weights(AutoInt(**SMALL), x)
    before = tf.reshape(branch(x), (6, 4, 6))
    after = tf.reshape(branch(x[:, order]), (6, 4, 6))
    np.testing.assert_allclose(after, tf.gather(before, order, axis=1), rtol=1e-4, atol=1e-5)


def test_examples_do_not_see_each_other():
    x = inputs()
    branch = with_random_weights(AutoInt(**SMALL, units=[4]), x)
    np.testing.assert_allclose(branch(x)[2:3], branch(x[2:3]), rtol=1e-5, atol=1e-6)


def test_tokens_of_zeros_give_zeros_and_finite_gradients():
    x = tf.Variable(tf.zeros((2, 4, 5)))
    branch = AutoInt(**SMALL)
    with tf.GradientTape() as tape:
        h = branch(x)
    np.testing.assert_array_equal(h, np.zeros((2, 24)))
    for gradient in tape.gradient(h, [x, *branch.trainable_variables]):
        assert np.isfinite(gradient).all()


def test_dropout_is_the_mlps():
    x = inputs()
    branch = with_random_weights(AutoInt(**SMALL, units=[64], dropout=0.5), x)
    rest, trained = branch(x, training=False).numpy(), branch(x, training=True).numpy()
    np.testing.assert_array_equal(trained[:, :24], rest[:, :24])
    assert (trained[:, 24:] != rest[:, 24:]).any()


def test_starts_glorot_normal_over_all_heads():
    branch = AutoInt(num_layers=1, num_heads=4, head_dim=50)
    branch(inputs(width=100))
    (layer,) = branch.stack
    for kernel in (layer.kernel_qkv, layer.kernel_res):
        np.testing.assert_allclose(np.std(kernel), np.sqrt(2 / (100 + 200)), rtol=0.05)


def test_defaults_are_those_of_the_paper():
    config = AutoInt().get_config()
    sizes = ("num_layers", "num_heads", "head_dim", "residual", "scale", "units")
    assert [config[size] for size in sizes] == [3, 2, 32, True, False, None]


@pytest.mark.parametrize("setting", ["num_layers", "num_heads", "head_dim"])
def test_rejects_no_layers_heads_or_width(setting):
    with pytest.raises(ValueError, match=rf"must be >= 1.*Received.*{setting}=0"):
        AutoInt(**{**SMALL, setting: 0})


def test_rejects_what_is_flat():
    shapes = r"expected field embeddings \(batch, num_fields, embedding_dim\).*\(2, 5\)"
    with pytest.raises(ValueError, match=shapes):
        AutoInt(**SMALL)(tf.zeros((2, 5)))
