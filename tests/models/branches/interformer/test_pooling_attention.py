import numpy as np
import pytest
import tensorflow as tf

from models.branches.interformer.pooling_attention import PoolingAttention
from tests.models.branches.dhen.interaction_oracle import randomize
from tests.models.branches.interformer import interformer_oracle as oracle


def built(x, **settings) -> PoolingAttention:
    layer = PoolingAttention(**settings)
    layer(x)
    return randomize(layer)


def random_events():
    x = np.random.default_rng(1).normal(size=(4, 5, 6)).astype("float32")
    return x, np.arange(5) < np.array([[5], [0], [2], [1]])


@pytest.mark.parametrize("num_seeds", [1, 3])
@pytest.mark.parametrize("num_heads", [1, 2])
def test_matches_oracle(num_seeds, num_heads):
    x, mask = random_events()
    layer = built(x, num_seeds=num_seeds, num_heads=num_heads)
    expected = [
        oracle.pooling_attention(layer, each, there)
        for each, there in zip(x.astype("float64"), mask, strict=True)
    ]
    np.testing.assert_allclose(layer(x, mask=mask), expected, rtol=1e-4, atol=1e-4)


def test_the_order_of_the_events_does_not_matter():
    x, mask = random_events()
    layer, order = built(x), [3, 0, 4, 1, 2]
    np.testing.assert_allclose(
        layer(x[:, order], mask=mask[:, order]), layer(x, mask=mask), atol=1e-5
    )


def test_an_empty_history_gives_0_and_finite_gradients():
    x, mask = random_events()
    layer = built(x)
    with tf.GradientTape() as tape:
        y = layer(x, mask=tf.zeros_like(mask))
    assert not y.numpy().any()
    for gradient in tape.gradient(y, layer.trainable_variables):
        assert np.isfinite(gradient).all()


def test_padding_is_never_looked_at():
    x, mask = random_events()
    layer = built(x)
    garbage = np.where(mask[:, :, np.newaxis], x, 1e4).astype("float32")
    np.testing.assert_array_equal(layer(garbage, mask=mask), layer(x, mask=mask))


def test_starts_with_kernels_of_their_own():
    layer = PoolingAttention(num_heads=1)
    layer.build((None, 5, 30))
    kernels = [v.numpy().ravel() for v in (layer.kernel_q, layer.kernel_kv, layer.kernel_out)]
    assert len(np.unique(np.concatenate(kernels))) > 0.99 * 4 * 900
    assert kernels[0].std() == pytest.approx(30**-0.5, rel=0.1)


def test_rejects_impossible_settings():
    with pytest.raises(ValueError, match="num_seeds=0"):
        PoolingAttention(0)
    with pytest.raises(ValueError, match="num_heads=4 and width 6"):
        PoolingAttention(num_heads=4)(tf.zeros((1, 5, 6)))
