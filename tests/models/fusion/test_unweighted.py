import numpy as np
import pytest
import tensorflow as tf

from models.fusion import ConcatFusion, LogitFusion, MeanFusion, SumFusion


@pytest.mark.parametrize(
    ("fusion", "weight"),
    [
        (MeanFusion, 1 / 3),
        (SumFusion, 1.0),
        (lambda: LogitFusion("mean"), 1 / 3),
        (lambda: LogitFusion("sum"), 1.0),
    ],
    ids=["mean", "sum", "mean of logits", "sum of logits"],
)
def test_weights_rebuild_what_the_fusion_gives(fusion, weight):
    fusion = fusion()
    rng = np.random.default_rng(0)
    z, logits = rng.normal(size=(5, 3, 4)), rng.normal(size=(5, 3))
    fused = fusion(tf.constant(z, tf.float32), logits=tf.constant(logits, tf.float32))
    weights = fusion.fusion_weights(logits=logits)
    assert (weights.dtype, weights.shape) == (tf.float32, (1, 3))
    np.testing.assert_allclose(weights, [[weight] * 3], rtol=1e-6)
    of = logits[:, :, None] if fusion.gives_logit else z
    np.testing.assert_allclose(fused, np.einsum("n,bnd->bd", weights[0], of), rtol=1e-5, atol=1e-6)


def test_the_number_of_branches_must_be_known():
    with pytest.raises(ValueError, match=r"not known yet\. Call the fusion"):
        MeanFusion().fusion_weights()


def test_averages_over_branches():
    z = np.random.default_rng(0).normal(size=(5, 3, 4)).astype("float32")
    np.testing.assert_allclose(MeanFusion()(z), z.mean(axis=1), rtol=1e-6)
    np.testing.assert_allclose(MeanFusion()(z, logits=z[:, :, 0]), z.mean(axis=1), rtol=1e-6)


def test_adds_up_over_branches():
    z = np.random.default_rng(0).normal(size=(5, 3, 4)).astype("float32")
    expected = z[:, 0] + z[:, 1] + z[:, 2]
    np.testing.assert_allclose(SumFusion()(z), expected, rtol=1e-5, atol=1e-6)


def test_puts_one_branch_after_the_other():
    z = np.random.default_rng(0).normal(size=(5, 3, 4)).astype("float32")
    expected = np.concatenate([z[:, 0], z[:, 1], z[:, 2]], axis=1)
    np.testing.assert_array_equal(ConcatFusion()(z), expected)
