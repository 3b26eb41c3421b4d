import numpy as np

from models.fusion import SumFusion


def test_adds_up_over_branches():
    z = np.random.default_rng(0).normal(size=(5, 3, 4)).astype("float32")
    expected = z[:, 0] + z[:, 1] + z[:, 2]
    np.testing.assert_allclose(SumFusion()(z), expected, rtol=1e-5, atol=1e-6)
