import numpy as np
import pytest
import tensorflow as tf

from models.branches.masknet import MaskNet
from tests.models.branches.oracles import mlp, with_random_weights

SMALL = {"block_units": (6, 5), "reduction_ratio": 1.5}
STRUCTURES = ("serial", "parallel")


def inputs(fields: int = 4, width: int = 3, batch: int = 6) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(batch, fields, width)).astype("float32")


def float64(layer) -> list[np.ndarray]:
    return [weight.astype("float64") for weight in layer.get_weights()]


def norm(x: np.ndarray, gain: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Layer normalisation of one vector (Eq. 8)."""
    spread = np.sqrt(((x - x.mean()) ** 2).mean() + 1e-5)
    return gain * (x - x.mean()) / spread + bias


def block_oracle(block, x: np.ndarray, instance: np.ndarray) -> np.ndarray:
    """Eq. 5 and 12 on one example."""
    (w_1, b_1), (w_2, b_2), (w,) = map(float64, (block.aggregate, block.project, block.linear))
    mask = np.maximum(instance @ w_1 + b_1, 0.0) @ w_2 + b_2
    return np.maximum(norm((mask * x) @ w, *float64(block.norm)), 0.0)


def oracle(branch: MaskNet, tokens: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """The representation of one example, and the outputs of the blocks."""
    tokens = tokens.astype("float64")
    gains, biases = float64(branch.norm)
    normed = np.concatenate(
        [norm(token, gain, bias) for token, gain, bias in zip(tokens, gains, biases, strict=True)]
    )
    x, outputs = normed, []
    for block in branch.blocks:
        outputs.append(block_oracle(block, x, tokens.ravel()))
        x = outputs[-1] if branch.structure == "serial" else normed
    h = outputs[-1] if branch.structure == "serial" else np.concatenate(outputs)
    return (h if branch.mlp is None else mlp(branch.mlp, h)), outputs


@pytest.mark.parametrize("units", [None, (7, 4)], ids=["blocks_alone", "mlp_behind"])
@pytest.mark.parametrize("structure", STRUCTURES)
def test_matches_oracle(structure, units):
    x = inputs()
    branch = with_random_weights(MaskNet(structure, **SMALL, units=units), x)
    h, details = branch(x, return_details=True)
    expected = [oracle(branch, tokens) for tokens in x]
    np.testing.assert_allclose(h, [h for h, _ in expected], rtol=1e-3, atol=1e-4)
    assert len(details.intermediates) == 2
    for i, received in enumerate(details.intermediates):
        np.testing.assert_allclose(
            received, [outputs[i] for _, outputs in expected], rtol=1e-3, atol=1e-4
        )


def test_every_field_is_normalised_by_itself():
    x = inputs()
    branch = MaskNet(**SMALL)
    branch(x)
    scaled = x * np.array([1.0, 10.0, 100.0, 1000.0], "float32")[:, np.newaxis]
    np.testing.assert_allclose(branch.norm(scaled), branch.norm(x), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_the_masks_read_the_embeddings_as_they_are(structure):
    x = inputs()
    branch = with_random_weights(MaskNet(structure, **SMALL), x)
    assert not np.allclose(branch(3.0 * x), branch(x), atol=1e-2)  # LN_EMB cannot tell them apart


@pytest.mark.parametrize("structure", STRUCTURES)
def test_a_block_starts_as_a_layer_of_an_mlp_where_embeddings_are_small(structure):
    x = 1e-4 * inputs()
    branch = MaskNet(structure, **SMALL)
    branch(x)
    first = branch.blocks[0]
    mask = first.project(first.aggregate(x.reshape(6, 12)))
    np.testing.assert_allclose(mask, np.ones((6, 12)), atol=1e-3)
    h = branch(x).numpy()
    assert np.abs(h).max() > 0.1  # no factor of 1e-4 for each block


@pytest.mark.parametrize(("ratio", "hidden"), [(2.0, 24), (0.5, 6), (0.01, 1)])
def test_the_ratio_is_of_the_masks_own_width(ratio, hidden):
    branch = MaskNet(block_units=(6,), reduction_ratio=ratio)
    branch(inputs())
    (block,) = branch.blocks
    kernel, _ = block.aggregate.get_weights()
    assert kernel.shape == (12, hidden)
    assert block.project.get_weights()[0].shape == (hidden, 12)


@pytest.mark.parametrize(
    ("structure", "units", "width"),
    [("serial", None, 5), ("parallel", None, 11), ("serial", (3,), 3), ("parallel", (3,), 3)],
)
def test_the_width_is_that_of_what_stands_last(structure, units, width):
    assert MaskNet(structure, **SMALL, units=units)(inputs()).shape == (6, width)


def test_examples_do_not_see_each_other():
    x = inputs()
    branch = with_random_weights(MaskNet(**SMALL, units=[4]), x)
    np.testing.assert_allclose(branch(x)[2:3], branch(x[2:3]), rtol=1e-5, atol=1e-6)


def test_tokens_of_zeros_give_finite_gradients():
    x = tf.Variable(tf.zeros((2, 4, 3)))
    branch = MaskNet(**SMALL)
    with tf.GradientTape() as tape:
        h = branch(x)
    assert np.isfinite(h).all()
    for gradient in tape.gradient(h, [x, *branch.trainable_variables]):
        assert np.isfinite(gradient).all()


def test_dropout_is_for_training_only():
    x = inputs()
    branch = with_random_weights(MaskNet(block_units=(64,), dropout=0.5), x)
    np.testing.assert_array_equal(branch(x), branch(x, training=False))
    assert (branch(x, training=True).numpy() != branch(x).numpy()).any()


def test_defaults_are_those_of_the_paper():
    config = MaskNet().get_config()
    sizes = ("structure", "block_units", "reduction_ratio", "units")
    assert [config[size] for size in sizes] == ["serial", [400, 400, 400], 2.0, None]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"structure": "stacked"}, r"serial, parallel.*structure='stacked'"),
        ({"block_units": ()}, r"one or more widths.*block_units=\[\]"),
        ({"block_units": (4, 0)}, r"block_units=\[4, 0\]"),
        ({"reduction_ratio": 0.0}, "reduction_ratio.*must be > 0.*reduction_ratio=0.0"),
    ],
)
def test_rejects_impossible_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        MaskNet(**settings)


@pytest.mark.parametrize("shape", [(2, 5), (2, 5, 1)], ids=["flat", "width_1"])
def test_rejects_what_is_not_tokens_of_a_width(shape):
    with pytest.raises(ValueError, match=r"embedding_dim >= 2\).*Use wider embeddings"):
        MaskNet(**SMALL)(tf.zeros(shape))
