import numpy as np
import pytest
import tensorflow as tf

from models.fusion import ConfidenceFusion

COMBINES = ("concat", "sum")


def entropy(logit: float) -> float:
    """H(sigmoid(logit)) from the probabilities of either label; 0 ln 0 = 0."""
    p = 1 / (1 + np.exp(np.float64(-logit))), 1 / (1 + np.exp(np.float64(logit)))
    return -sum(each * np.log(each) for each in p if each > 0.0)


def weights_oracle(logits, temperature=1.0):
    with np.errstate(over="ignore"):
        c = np.array([[-entropy(s) for s in row] for row in logits.astype("float64")])
    e = np.exp(c / temperature)
    return e / e.sum(axis=1, keepdims=True)


def oracle(z, logits, temperature, combine):
    """Section 3.4, one example and one branch at a time."""
    rows = []
    for z_b, w_b in zip(z.astype("float64"), weights_oracle(logits, temperature), strict=True):
        parts = [w * branch for w, branch in zip(w_b, z_b, strict=True)]
        rows.append(np.concatenate(parts) if combine == "concat" else sum(parts))
    return np.array(rows)


def inputs(branches=3, scale=2.0, batch=16):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(batch, branches, 4)).astype("float32")
    return z, rng.normal(scale=scale, size=(batch, branches)).astype("float32")


@pytest.mark.parametrize("combine", COMBINES)
@pytest.mark.parametrize("temperature", [1.0, 0.1, 5.0])
@pytest.mark.parametrize("branches", [1, 2, 4])
def test_matches_oracle(branches, temperature, combine):
    z, logits = inputs(branches)
    fusion = ConfidenceFusion(temperature, combine)
    expected = oracle(z, logits, temperature, combine)
    np.testing.assert_allclose(fusion(z, logits=logits), expected, rtol=1e-4, atol=1e-5)
    expected = weights_oracle(logits, temperature)
    np.testing.assert_allclose(fusion.fusion_weights(logits), expected, rtol=1e-4, atol=1e-6)


def test_defaults_are_the_papers():
    z, logits = inputs(2)
    np.testing.assert_allclose(
        ConfidenceFusion()(z, logits=logits), oracle(z, logits, 1.0, "concat"), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("size", [0.0, 1e-4, 15.0, 30.0, 88.0, 89.0, 1e4, 3e38])
def test_extreme_logits_have_the_exact_weights(size):
    logits = np.array([[size, 0.0], [-size, 0.0], [size, -size]], "float32")
    fusion = ConfidenceFusion(temperature=0.5, stop_gradient=False)
    x = tf.Variable(logits)
    with tf.GradientTape() as tape:
        w = fusion.fusion_weights(logits=x)
        first = tf.reduce_sum(w[:, 0])
    np.testing.assert_allclose(w, weights_oracle(logits, 0.5), rtol=1e-6)
    assert np.isfinite(tape.gradient(first, x)).all()


def test_small_entropies_do_not_drown_in_the_logit():
    logits = np.array([[-16.0, 20.0]], "float32")  # entropies 1.9e-6 and 4.3e-8
    log_ratio = np.diff(np.log(ConfidenceFusion(1e-6).fusion_weights(logits)))[0, 0]
    assert log_ratio == pytest.approx((entropy(16.0) - entropy(20.0)) / 1e-6, rel=1e-3)


def test_at_temperature_1_no_branch_has_more_than_twice_the_weight_of_another():
    rng = np.random.default_rng(1)
    logits = np.concatenate([rng.normal(scale=8.0, size=(500, 2)), [[0.0, 1e4], [-1e4, 0.0]]])
    w = ConfidenceFusion().fusion_weights(logits).numpy()
    ratios = w.max(axis=1) / w.min(axis=1)
    assert ratios.max() == pytest.approx(2.0)  # reached by an undecided and a certain branch
    assert (ratios <= 2.0 + 1e-5).all()
    surer = np.abs(logits).argmax(axis=1)
    apart = ratios > 1.0 + 1e-5
    np.testing.assert_array_equal(w.argmax(axis=1)[apart], surer[apart])


def test_permuting_the_branches_permutes_the_weights():
    z, logits = inputs(4)
    order = [2, 0, 3, 1]
    w = ConfidenceFusion().fusion_weights(logits).numpy()
    np.testing.assert_allclose(
        ConfidenceFusion().fusion_weights(logits[:, order]), w[:, order], rtol=1e-6
    )
    summed = ConfidenceFusion(combine="sum")
    np.testing.assert_allclose(
        summed(z[:, order], logits=logits[:, order]), summed(z, logits=logits), rtol=1e-4, atol=1e-6
    )


def test_which_label_a_branch_is_sure_of_does_not_matter():
    _, logits = inputs()
    np.testing.assert_array_equal(
        ConfidenceFusion().fusion_weights(logits), ConfidenceFusion().fusion_weights(-logits)
    )


def test_equal_logits_and_a_high_temperature_give_equal_weights():
    _, logits = inputs(4)
    equal = np.full(logits.shape, 0.25)
    np.testing.assert_allclose(ConfidenceFusion().fusion_weights(np.full_like(logits, 3.0)), equal)
    np.testing.assert_allclose(ConfidenceFusion(1e6).fusion_weights(logits), equal, rtol=1e-5)


def test_a_low_temperature_picks_the_surest_branch():
    logits = np.array([[1.0, -3.0, 2.0]])
    np.testing.assert_allclose(
        ConfidenceFusion(1e-3).fusion_weights(logits), [[0.0, 1.0, 0.0]], atol=1e-6
    )


@pytest.mark.parametrize("combine", COMBINES)
def test_stop_gradient_keeps_the_logits_out_of_it(combine):
    z, logits = (tf.Variable(each) for each in inputs())
    with tf.GradientTape() as tape:
        fused = tf.reduce_sum(ConfidenceFusion(combine=combine)(z, logits=logits) ** 2)
    to_z, to_logits = tape.gradient(fused, [z, logits])
    assert to_logits is None
    # The weights are constants: d sum((w z)^2) / dz.
    w = weights_oracle(logits.numpy())[:, :, np.newaxis]
    weighted = w * z.numpy()
    outer = weighted if combine == "concat" else weighted.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(to_z, 2 * w * outer, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("combine", COMBINES)
def test_without_stop_gradient_the_logits_get_the_gradient_of_the_oracle(combine):
    z, logits = inputs(batch=3)
    x = tf.Variable(logits)
    with tf.GradientTape() as tape:
        layer = ConfidenceFusion(0.5, combine, stop_gradient=False)
        total = tf.reduce_sum(layer(z, logits=x) ** 3)
    received = tape.gradient(total, x).numpy()
    for index in np.ndindex(logits.shape):  # central differences in float64
        step = np.zeros(logits.shape)
        step[index] = 1e-5
        up, down = (
            (oracle(z, logits.astype("float64") + s, 0.5, combine) ** 3).sum()
            for s in (step, -step)
        )
        assert received[index] == pytest.approx((up - down) / 2e-5, rel=1e-3, abs=1e-5)


def test_confidence_is_float32_under_mixed_precision():
    z, logits = inputs()
    fusion = ConfidenceFusion(0.01, dtype="mixed_bfloat16")
    assert fusion(z, logits=logits).dtype == tf.bfloat16
    # At this temperature rounding logits to bfloat16 would change the weights beyond recognition.
    np.testing.assert_allclose(
        fusion.fusion_weights(logits), weights_oracle(logits, 0.01), rtol=1e-3, atol=1e-6
    )


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_rejects_temperatures_that_do_not_divide(temperature):
    with pytest.raises(ValueError, match=f"`temperature`.*temperature={temperature}"):
        ConfidenceFusion(temperature)


def test_rejects_an_unknown_way_to_combine():
    with pytest.raises(ValueError, match=r"one of concat, sum. Received: combine='mean'"):
        ConfidenceFusion(combine="mean")
