import numpy as np
import pytest
import tensorflow as tf

from models.fusion import BilinearFusion


@pytest.mark.parametrize(("num_heads", "first"), [(1, None), (2, None), (2, 4)])
def test_matches_oracle(num_heads, first):
    rng = np.random.default_rng(1)
    z = rng.normal(size=(5, 3, 12)).astype("float32")
    layer = BilinearFusion(num_heads, first_units=first)
    layer(z)
    kernel = rng.normal(size=layer.kernel.shape).astype("float32")
    layer.kernel.assign(kernel)
    width = 6 if first is None else first
    d1, d2 = width // num_heads, (12 - width) // num_heads
    expected = []
    for row in z.astype("float64"):
        mean = sum(row) / 3
        o1, o2 = mean[:width], mean[width:]
        products = [
            o1[j * d1 : (j + 1) * d1] @ kernel[j] @ o2[j * d2 : (j + 1) * d2]
            for j in range(num_heads)
        ]
        expected.append([*mean, *products])
    np.testing.assert_allclose(layer(z), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.fusion_weights(), [[1 / 3] * 3], rtol=1e-6)


def test_rejects_streams_that_heads_do_not_divide():
    with pytest.raises(ValueError, match="num_heads=0"):
        BilinearFusion(0)
    with pytest.raises(ValueError, match=r"5 and 5.*num_heads=2.*divisors"):
        BilinearFusion(2)(tf.zeros((1, 2, 10)))
    with pytest.raises(ValueError, match=r"leave a second stream.*first_units=4"):
        BilinearFusion(first_units=4)(tf.zeros((1, 2, 4)))
