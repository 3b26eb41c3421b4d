import numpy as np

from models.fusion import ConcatFusion


def test_puts_one_branch_after_the_other():
    z = np.random.default_rng(0).normal(size=(5, 3, 4)).astype("float32")
    expected = np.concatenate([z[:, 0], z[:, 1], z[:, 2]], axis=1)
    np.testing.assert_array_equal(ConcatFusion()(z), expected)
