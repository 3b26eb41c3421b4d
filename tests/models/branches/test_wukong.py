import numpy as np
import pytest
import tensorflow as tf

from models.branches.wukong import Wukong

PROJECTIONS = ("learned", "attentive", "none")
SMALL = {"num_layers": 2, "lcb_tokens": 2, "fmb_tokens": 2, "rank": 2, "fmb_units": (6,)}


def inputs(tokens=5, width=3, batch=4):
    return np.random.default_rng(0).normal(size=(batch, tokens, width)).astype("float32")


def built(x, **settings) -> Wukong:
    """A small Wukong, all of its weights random, biases and the scales of LN included."""
    branch = Wukong(**{**SMALL, "units": (7, 4), **settings})
    branch(x)
    rng = np.random.default_rng(1)
    branch.set_weights([rng.normal(size=v.shape) for v in branch.weights])
    return branch


def float64(layer) -> list[np.ndarray]:
    return [v.numpy().astype("float64") for v in layer.weights]


def norm(x, layer):
    """LN over the last axis, as it is without a look at Keras'."""
    gamma, beta = float64(layer)
    mean = x.mean(axis=-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(axis=-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta


def mlp(h, layer):
    weights = float64(layer)
    for kernel, bias in zip(weights[::2], weights[1::2], strict=True):
        h = np.maximum(h @ kernel + bias, 0.0)
    return h


def recombined(x, layer):
    """Token by token: sum_i w[i, m] x_i."""
    (kernel,) = float64(layer)
    return np.array([sum(w * x[i] for i, w in enumerate(column)) for column in kernel.T])


def pairs_oracle(branch, layer, x):
    """X X^T, one dot product at a time, and then times Y."""
    n = len(x)
    pairs = np.array([[sum(x[i] * x[j]) for j in range(n)] for i in range(n)])
    if branch.projection == "none":
        return pairs
    y = layer.kernel_y.numpy().astype("float64")
    if branch.projection == "attentive":
        h = mlp(recombined(x, layer.lcb_y).ravel(), layer.mlp_y)
        y = y + (h @ float64(layer.out_y)[0]).reshape(n, branch.rank)
    return pairs @ y


def oracle(branch, x):
    """Section 15 on one example's tokens (n, d): h, and X_1, ..., X_L."""
    x, outputs = x.astype("float64"), []
    for layer in branch.stack:
        h = mlp(norm(pairs_oracle(branch, layer, x).ravel(), layer.norm_pairs), layer.mlp)
        kernel, bias = float64(layer.fmb_out)
        fmb = (h @ kernel + bias).reshape(branch.fmb_tokens, x.shape[1])
        if branch.fmb_output_activation == "relu":
            fmb = np.maximum(fmb, 0.0)
        residual = x if layer.residual is None else recombined(x, layer.residual)
        x = norm(np.concatenate([fmb, recombined(x, layer.lcb)]) + residual, layer.norm)
        outputs.append(x.ravel())
    return mlp(x.ravel(), branch.head), outputs


@pytest.mark.parametrize("tokens", [4, 5], ids=["identity_residual", "linear_residual"])
@pytest.mark.parametrize("projection", PROJECTIONS)
@pytest.mark.parametrize("num_layers", [1, 3])
def test_matches_oracle(num_layers, projection, tokens):
    x = inputs(tokens)
    branch = built(x, num_layers=num_layers, projection=projection)
    h, details = branch(x, return_details=True)
    expected = [oracle(branch, each) for each in x]
    np.testing.assert_allclose(h, [h for h, _ in expected], rtol=1e-3, atol=1e-3)
    assert len(details.intermediates) == num_layers
    for i, received in enumerate(details.intermediates):
        np.testing.assert_allclose(received, [xs[i] for _, xs in expected], rtol=1e-3, atol=1e-3)


def test_only_a_change_of_the_number_of_tokens_needs_a_residual_of_its_own():
    for tokens, expected in ((4, [False, False]), (5, [True, False])):
        branch = built(inputs(tokens))
        assert [layer.residual is not None for layer in branch.stack] == expected


def test_the_blocks_may_differ_in_their_number_of_tokens():
    x = inputs()
    branch = built(x, lcb_tokens=1, fmb_tokens=3, fmb_output_activation="relu")
    expected = [oracle(branch, each)[0] for each in x]
    np.testing.assert_allclose(branch(x), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("projection", ["learned", "none"])
def test_pairs_are_inner_products(projection):
    x = inputs()
    layer = built(x, projection=projection).stack[0]
    pairs = layer.pairs(x)
    np.testing.assert_allclose(layer.pairs(3.0 * x), 9.0 * pairs, rtol=1e-4, atol=1e-4)
    rotation, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))
    rotated = (x @ rotation).astype("float32")
    np.testing.assert_allclose(layer.pairs(rotated), pairs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("projection", ["learned", "attentive"])
def test_a_projection_never_makes_the_matrix_of_all_pairs(projection):
    x = inputs(tokens=11)
    layer = built(x, projection=projection).stack[0]
    graph = tf.function(layer.pairs).get_concrete_function(tf.TensorSpec((None, 11, 3))).graph
    shapes = [
        out.shape.as_list() for op in graph.get_operations() for out in op.outputs if out.shape.rank
    ]
    assert shapes
    assert not [shape for shape in shapes if shape[-2:] == [11, 11]]


def permuted(branch: Wukong, order: list[int]) -> Wukong:
    """The same network for tokens in another order: the first layer's weights moved along."""
    n, first = len(order), branch.stack[0]
    columns = np.arange(n) if branch.projection == "none" else np.arange(branch.rank)
    moved = order if branch.projection == "none" else columns
    pairs = (np.array(order)[:, np.newaxis] * len(columns) + moved).ravel()
    along = [
        (first.norm_pairs.gamma, pairs, 0),
        (first.norm_pairs.beta, pairs, 0),
        (first.mlp.weights[0], pairs, 0),
        (first.lcb.kernel, order, 0),
        (first.residual.kernel, order, 0),
    ]
    if branch.projection != "none":
        along.append((first.kernel_y, order, 0))
    if branch.projection == "attentive":
        along += [(first.lcb_y.kernel, order, 0), (first.out_y.kernel, pairs, 1)]
    for variable, indices, axis in along:
        variable.assign(tf.gather(variable, indices, axis=axis))
    return branch


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_the_order_of_the_fields_is_in_the_weights_alone(projection):
    x, order = inputs(), [3, 0, 4, 1, 2]
    branch = built(x, projection=projection)
    expected = branch(x).numpy()
    assert not np.allclose(branch(x[:, order]), expected, atol=1e-2)  # fields differ in kind
    received = permuted(branch, order)(x[:, order])
    np.testing.assert_allclose(received, expected, rtol=1e-3, atol=1e-3)


def test_examples_do_not_see_each_other():
    x = inputs()
    branch = built(x, projection="attentive")
    np.testing.assert_allclose(branch(x)[1:2], branch(x[1:2]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("projection", PROJECTIONS)
@pytest.mark.parametrize("index", [0, -1])
def test_the_first_and_the_last_layer_learn(index, projection):
    x = inputs(batch=32)
    branch = Wukong(**{**SMALL, "units": (16,), "projection": projection})  # as training starts
    branch(x)
    variables = branch.stack[index].trainable_variables
    target = np.random.default_rng(3).normal(size=(32, 16))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(branch(x) * target)
    for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
        gradient = gradient.numpy()
        assert np.isfinite(gradient).all(), variable.name
        assert np.abs(gradient).max() > 0.0, variable.name


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_tokens_of_zeros_give_finite_gradients(projection):
    x = tf.Variable(tf.zeros((2, 5, 3)))
    branch = Wukong(**SMALL, projection=projection)
    with tf.GradientTape() as tape:
        h = branch(x)
    assert np.isfinite(h).all()
    for gradient in tape.gradient(h, [x, *branch.trainable_variables]):
        assert np.isfinite(gradient).all()


def test_an_attentive_projection_starts_as_a_learned_one_where_embeddings_are_small():
    x = 1e-4 * inputs()
    layer = Wukong(**SMALL, projection="attentive").stack[0]
    layer(x)
    pairs = layer.pairs(x)
    expected = x @ (np.swapaxes(x, 1, 2) @ layer.kernel_y.numpy())
    np.testing.assert_allclose(pairs, expected, atol=0.01 * np.abs(expected).max())
    assert np.abs(expected).max() > 1e-10


def test_dropout_is_for_training_only():
    x = inputs()
    branch = Wukong(**SMALL, dropout=0.5)
    np.testing.assert_array_equal(branch(x), branch(x, training=False))
    assert not np.allclose(branch(x, training=True), branch(x))
    trained = branch.stack[0](x, training=True)
    assert not np.allclose(trained, branch.stack[0](x))  # in the FMB too


def test_starts_glorot_normal():
    layer = Wukong(rank=100, lcb_tokens=150, fmb_tokens=100).stack[0]
    layer.build((None, 200, 4))
    layer.lcb.build((None, 200, 4))
    layer.residual.build((None, 200, 4))
    for variable, fans in (
        (layer.kernel_y, 300),
        (layer.lcb.kernel, 350),
        (layer.residual.kernel, 450),
    ):
        assert variable.numpy().std() == pytest.approx(np.sqrt(2 / fans), rel=0.05)


def test_defaults_are_the_templates_sizes():
    branch = Wukong()
    h, details = branch(tf.zeros((1, 6, 4)), return_details=True)
    assert h.shape == (1, 256)
    assert [tuple(each.shape) for each in details.intermediates] == 3 * [(1, 80 * 4)]
    assert branch.stack[0].kernel_y.shape == (6, 8)
    assert branch.stack[1].mlp.units == (512, 256)
    assert branch.head.units == (512, 256)
    assert Wukong.takes == "field_embeddings"
    assert Wukong.exposes_intermediates


def test_rejects_impossible_settings():
    with pytest.raises(ValueError, match=r"must be >= 1. Received: .*fmb_tokens=0"):
        Wukong(fmb_tokens=0)
    with pytest.raises(ValueError, match=r"one of learned, attentive, none.*projection='fixed'"):
        Wukong(projection="fixed")
    with pytest.raises(ValueError, match=r"units=\[\]"):
        Wukong(fmb_units=[])


@pytest.mark.parametrize("shape", [(2, 5), (2, 5, 1)], ids=["flat", "width_1"])
def test_rejects_what_is_not_tokens_of_a_width(shape):
    with pytest.raises(ValueError, match=r"expected tokens \(batch, n, width\).*width >= 2"):
        Wukong()(tf.zeros(shape))
