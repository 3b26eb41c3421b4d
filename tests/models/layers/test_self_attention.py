import numpy as np
import pytest
import tensorflow as tf

from models.layers.self_attention import SelfAttention, rotate
from tests.models.branches.dhen.interaction_oracle import randomize
from tests.models.branches.interformer import interformer_oracle as oracle


def built(x, **settings) -> SelfAttention:
    layer = SelfAttention(**settings)
    layer(x)
    return randomize(layer)


def random_events(length=5, width=6):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(4, length, width)).astype("float32")
    return x, np.arange(length) < np.array([[length], [0], [2], [1]])


@pytest.mark.parametrize("positions", [None, (0, 0, 1, 2, 3)])
@pytest.mark.parametrize("num_heads", [1, 2, 3])  # 2 of them: an odd width of 3
def test_matches_oracle(num_heads, positions):
    x, mask = random_events()
    layer = built(x, num_heads=num_heads, positions=positions)
    expected = [
        oracle.self_attention(layer, each, there)
        for each, there in zip(x.astype("float64"), mask, strict=True)
    ]
    np.testing.assert_allclose(layer(x, mask=mask), expected, rtol=1e-4, atol=1e-4)


def test_no_mask_is_a_mask_that_is_true_everywhere():
    x, mask = random_events()
    layer = built(x)
    np.testing.assert_allclose(layer(x), layer(x, mask=np.ones_like(mask)), atol=1e-6)


def test_only_distances_matter():
    x, mask = random_events()
    layer = built(x, positions=range(5))
    expected = layer(x, mask=mask)
    layer.positions = tuple(range(100, 105))
    np.testing.assert_allclose(layer(x, mask=mask), expected, atol=1e-4)
    layer.positions = tuple(range(0, 10, 2))
    assert not np.allclose(layer(x, mask=mask), expected, atol=1e-3)


def test_the_order_matters_only_with_positions():
    x, _ = random_events()
    order = [3, 0, 4, 1, 2]
    for positions, same in ((None, True), (range(5), False)):
        layer = built(x, positions=positions)
        assert np.allclose(layer(x[:, order]), layer(x).numpy()[:, order], atol=1e-4) == same


def test_rotation_keeps_lengths_and_leaves_position_0():
    x = tf.constant(random_events(length=3, width=5)[0])
    turned = rotate(x, (0, 1, 7))
    np.testing.assert_allclose(tf.norm(turned, axis=-1), tf.norm(x, axis=-1), rtol=1e-5)
    np.testing.assert_array_equal(turned[:, 0], x[:, 0])
    np.testing.assert_array_equal(turned[:, :, 4], x[:, :, 4])  # an odd width's last dimension


def test_padding_is_never_looked_at():
    x, mask = random_events()
    layer = built(x, positions=range(5))
    garbage = np.where(mask[:, :, np.newaxis], x, 1e4).astype("float32")
    received, expected = layer(garbage, mask=mask).numpy(), layer(x, mask=mask).numpy()
    np.testing.assert_array_equal(received[mask], expected[mask])


def test_gradients_are_finite_where_nothing_is_valid():
    x, mask = random_events()
    layer = built(x)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(x, mask=tf.zeros_like(mask)))
    for gradient in tape.gradient(total, layer.trainable_variables):
        assert np.isfinite(gradient).all()


def test_starts_glorot_normal_with_kernels_of_their_own():
    layer = SelfAttention(num_heads=2)
    layer.build((None, 5, 100))
    qkv, out = layer.kernel_qkv.numpy(), layer.kernel_out.numpy()
    assert qkv.std() == pytest.approx(0.1, rel=0.05)
    assert out.std() == pytest.approx(0.1, rel=0.05)
    assert np.isin(out.ravel(), qkv.ravel()).mean() < 0.01


def test_rejects_impossible_settings():
    with pytest.raises(ValueError, match="num_heads=0"):
        SelfAttention(0)
    with pytest.raises(ValueError, match=r"num_heads=4 and width 6. Change `num_heads`"):
        SelfAttention(4)(tf.zeros((1, 5, 6)))
    with pytest.raises(ValueError, match="3 positions for tokens of shape"):
        SelfAttention(positions=range(3))(tf.zeros((1, 5, 6)))
