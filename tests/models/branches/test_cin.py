import numpy as np
import pytest
import tensorflow as tf

from models.branches.cin import CIN

ACTIVATIONS = {"linear": lambda x: x, "relu": lambda x: np.maximum(x, 0.0), "tanh": np.tanh}


def oracle(layer, tokens):
    """Eq. 6 and 7, one example, map and pair of rows at a time; the pooled maps of each layer."""
    g = ACTIVATIONS[layer.activation]
    pooled = [[] for _ in layer.units]
    for x0 in tokens.astype("float64"):
        x = x0
        for k, units in enumerate(layer.units):
            weights = layer.kernels[k].numpy().astype("float64").reshape(len(x0), len(x), units)
            maps = []
            for h in range(units):
                total = np.full(x0.shape[1], layer.biases[k].numpy()[h] if layer.use_bias else 0.0)
                for i in range(len(x0)):
                    for j in range(len(x)):
                        total = total + weights[i, j, h] * (x0[i] * x[j])
                maps.append(g(total))
            shown = x = np.array(maps)
            if layer.split_half and k < len(layer.units) - 1:
                x, shown = x[: units // 2], x[units // 2 :]
            pooled[k].append(shown.sum(axis=1))
    return [np.array(each) for each in pooled]


def built(units=(4, 6, 3), fields=3, **settings) -> tuple[CIN, np.ndarray]:
    rng = np.random.default_rng(0)
    layer = CIN(units, **settings)
    layer.build((None, fields, 2))
    layer.set_weights([0.5 * rng.normal(size=v.shape) for v in layer.weights])
    return layer, rng.normal(size=(5, fields, 2)).astype("float32")


@pytest.mark.parametrize("use_bias", [True, False], ids=["bias", "no_bias"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("split_half", [True, False], ids=["split", "whole"])
@pytest.mark.parametrize("units", [(5,), (4, 6, 3)], ids=["one_layer", "three_layers"])
def test_matches_oracle(units, split_half, activation, use_bias):
    layer, tokens = built(units, split_half=split_half, activation=activation, use_bias=use_bias)
    h, details = layer(tokens, return_details=True)
    expected = oracle(layer, tokens)
    np.testing.assert_allclose(h, np.concatenate(expected, axis=1), rtol=1e-4, atol=1e-4)
    for received, each in zip(details.intermediates, expected, strict=True):
        np.testing.assert_allclose(received, each, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("fields", [1, 8, 9, 19], ids=lambda n: f"{n}_fields")
@pytest.mark.parametrize("activation", ["linear", "tanh"])
def test_pairs_that_are_computed_once_in_training_change_nothing(fields, activation):
    layer, tokens = built((4, 3), fields, activation=activation)
    expected = np.concatenate(oracle(layer, tokens), axis=1)
    received, gradients = {}, {}
    for training in (True, False):
        x = tf.Variable(tokens)
        with tf.GradientTape() as tape:
            received[training] = layer(x, training=training)
            total = tf.reduce_sum(received[training] ** 2)
        gradients[training] = tape.gradient(total, [x, *layer.trainable_weights])
        np.testing.assert_allclose(received[training], expected, rtol=1e-3, atol=1e-3)
    for folded, plain in zip(gradients[True], gradients[False], strict=True):
        scale = np.abs(plain).max()
        np.testing.assert_allclose(folded, plain, rtol=1e-3, atol=1e-5 * scale)


def test_training_pairs_two_fields_once():
    def products(training: bool, policy: str = "float32") -> int:
        layer, _ = built((4, 3), fields=19, dtype=policy)
        spec = tf.TensorSpec((1, 19, 2), layer.compute_dtype)
        graph = tf.function(lambda x: layer(x, training=training)).get_concrete_function(spec).graph
        return sum(
            op.inputs[1].shape.num_elements()
            for op in graph.get_operations()
            if op.type == "MatMul"
        )

    last = 19 * 4 * 3
    assert products(False) == 19 * 19 * 4 + last
    assert products(True) == (8 * 19 + 8 * 11 + 3 * 3) * 4 + last
    assert products(True, "mixed_bfloat16") == products(False)


def test_half_of_each_layers_maps_but_the_last_ones_are_pooled_when_they_are_split():
    whole, tokens = built()
    split, _ = built(split_half=True)
    assert whole(tokens).shape == (5, 4 + 6 + 3)
    assert split(tokens).shape == (5, 2 + 3 + 3)


def test_the_gradient_is_the_closed_form():
    layer, tokens = built(units=(4,))
    x = tf.Variable(tokens)
    c = np.random.default_rng(1).normal(size=(5, 4))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(c.astype("float32") * layer(x))
    weights = layer.kernels[0].numpy().reshape(3, 3, 4)
    both = np.einsum("bh,ijh->bij", c, weights + weights.swapaxes(0, 1))
    # d/dx_i sum_h c_h sum_ij W_hij <x_i, x_j>
    expected = np.einsum("bij,bjd->bid", both, tokens)
    np.testing.assert_allclose(tape.gradient(total, x), expected, rtol=1e-4, atol=1e-5)


def test_a_constant_map_is_pooled_over_the_whole_width():
    layer, tokens = built(units=(2, 2))
    biases = np.array([[1.0, -2.0], [3.0, 0.5]])
    layer.set_weights([*(np.zeros(v.shape) for v in layer.kernels), *biases])
    expected = 2 * biases.reshape(1, 4)  # a token is 2 wide
    np.testing.assert_allclose(layer(tokens), np.repeat(expected, 5, axis=0), rtol=1e-6)


@pytest.mark.parametrize(
    ("units", "activation", "largest"),
    [((5,), "linear", 4 * 4), ((5,), "relu", 7 * 4 * 4), ((5, 3), "linear", 7 * 4 * 4)],
)
def test_holds_the_pairs_of_the_last_layer_without_their_width(units, activation, largest):
    layer = CIN(units, activation=activation)
    layer.build((None, 4, 7))
    spec = tf.TensorSpec((1, 4, 7))
    graph = tf.function(lambda x: layer.interact(x, None)).get_concrete_function(spec).graph
    sizes = [
        output.shape.num_elements()
        for op in graph.get_operations()
        if op.type in ("Mul", "MatMul", "BatchMatMulV2", "Reshape")
        for output in op.outputs
    ]
    assert max(sizes) == largest


def test_the_output_layer_is_a_relu_of_the_pooled_maps():
    layer, tokens = built(output_units=4)
    received = layer(tokens)
    kernel, bias = layer.reduction.get_weights()
    pooled = np.concatenate(oracle(layer, tokens), axis=1)
    np.testing.assert_allclose(received, np.maximum(pooled @ kernel + bias, 0.0), rtol=1e-4)


def test_starts_glorot_normal():
    layer = CIN([40, 30])
    layer.build((None, 20, 2))
    for kernel, fans in zip(layer.kernels, (20 * 20 + 40, 20 * 40 + 30), strict=True):
        assert kernel.numpy().std() == pytest.approx(np.sqrt(2 / fans), rel=0.1)
    assert not any(bias.numpy().any() for bias in layer.biases)


def test_defaults_are_two_linear_layers_of_128_maps_with_a_bias():
    layer = CIN()
    assert layer(tf.zeros((1, 3, 2))).shape == (1, 256)
    assert [v.shape.as_list() for v in layer.weights] == [[9, 128], [384, 128], [128], [128]]
    assert layer.activation == "linear"
    assert CIN.takes == "field_embeddings"
    assert CIN.exposes_intermediates


def test_rejects_impossible_settings_and_inputs():
    with pytest.raises(ValueError, match=r"Received: units=\[4, 0\]"):
        CIN([4, 0])
    with pytest.raises(ValueError, match=r"units=\[3, 4\]. Make them even, or set split_half"):
        CIN([3, 4], split_half=True)
    CIN([4, 3], split_half=True)  # the last one is not split
    with pytest.raises(ValueError, match=r"Received: \(2, 6\). Feed `Embedded.field_embeddings`"):
        CIN()(tf.zeros((2, 6)))
