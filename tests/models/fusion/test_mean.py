import numpy as np

from models.fusion import MeanFusion


def test_averages_over_branches():
    z = np.random.default_rng(0).normal(size=(5, 3, 4)).astype("float32")
    np.testing.assert_allclose(MeanFusion()(z), z.mean(axis=1), rtol=1e-6)
    np.testing.assert_allclose(MeanFusion()(z, logits=z[:, :, 0]), z.mean(axis=1), rtol=1e-6)
