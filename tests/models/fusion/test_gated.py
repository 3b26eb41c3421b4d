import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from models.fusion import GatedFusion


def inputs(branches=3, batch=6, scale=1.0):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(batch, branches, 4)).astype("float32")
    return z, rng.normal(scale=scale, size=(batch, 5)).astype("float32")


def built(branches=3, **settings) -> GatedFusion:
    fusion = GatedFusion(**settings)
    z, x = inputs(branches)
    fusion(z, gate_input=x)
    rng = np.random.default_rng(1)  # biases that are not 0
    fusion.set_weights([rng.normal(size=v.shape) for v in fusion.weights])
    return fusion


def weights_oracle(fusion, x):
    """Eq. 9, one example at a time."""
    *hidden, kernel, bias = (v.numpy().astype("float64") for v in fusion.weights)
    rows = []
    for row in x.astype("float64"):
        for k, b in zip(hidden[::2], hidden[1::2], strict=True):
            row = np.maximum(row @ k + b, 0.0)
        score = row @ kernel + bias
        e = np.exp(score - score.max())
        rows.append(e / e.sum())
    return np.array(rows)


@pytest.mark.parametrize("branches", [1, 2, 4])
@pytest.mark.parametrize("units", [(), (7,), (7, 3)], ids=["linear", "one", "two"])
def test_matches_oracle(units, branches):
    fusion = built(branches, units=units)
    z, x = inputs(branches)
    g = weights_oracle(fusion, x)
    np.testing.assert_allclose(fusion.fusion_weights(gate_input=x), g, rtol=1e-4, atol=1e-6)
    h = [sum(g[b, m] * z[b, m] for m in range(branches)) for b in range(len(z))]  # Eq. 10
    np.testing.assert_allclose(fusion(z, gate_input=x), np.array(h), rtol=1e-4, atol=1e-5)


def test_concat_keeps_the_weighted_branches_apart():
    fusion = built(combine="concat", units=(7,))
    z, x = inputs()
    expected = (weights_oracle(fusion, x)[:, :, np.newaxis] * z).reshape(6, 12)
    np.testing.assert_allclose(fusion(z, gate_input=x), expected, rtol=1e-4, atol=1e-5)


def test_defaults_are_the_papers():
    z, x = inputs()
    fusion = GatedFusion()
    assert fusion(z, gate_input=x).shape == (6, 4)
    assert [tuple(v.shape) for v in fusion.weights] == [(5, 64), (64,), (64, 3), (3,)]


def test_starts_glorot_normal_with_biases_0():
    fusion = GatedFusion([300])
    fusion(tf.zeros((1, 200, 2)), gate_input=tf.zeros((1, 100)))
    for kernel, bias, fans in zip(*[iter(fusion.weights)] * 2, (400, 500), strict=True):
        assert kernel.numpy().std() == pytest.approx(np.sqrt(2 / fans), rel=0.1)
        assert not bias.numpy().any()


def test_permuting_the_branches_and_the_gates_columns_changes_nothing():
    fusion, order = built(units=(7,)), [2, 0, 1]
    z, x = inputs()
    expected, w = fusion(z, gate_input=x), fusion.fusion_weights(gate_input=x).numpy()
    *hidden, kernel, bias = fusion.get_weights()
    fusion.set_weights([*hidden, kernel[:, order], bias[order]])
    np.testing.assert_allclose(fusion.fusion_weights(gate_input=x), w[:, order], rtol=1e-5)
    np.testing.assert_allclose(fusion(z[:, order], gate_input=x), expected, rtol=1e-4, atol=1e-5)


def test_the_weights_do_not_look_at_the_branches():
    fusion = built()
    z, x = inputs()
    x = tf.Variable(x)
    with tf.GradientTape() as tape:
        w = fusion.fusion_weights(gate_input=x)
        first = tf.reduce_sum(w[:, 0])
    assert np.abs(tape.gradient(first, x)).max() > 0.0  # the gate's embeddings learn
    np.testing.assert_allclose(
        fusion(3.0 * z, gate_input=x), 3.0 * fusion(z, gate_input=x), rtol=1e-4, atol=1e-5
    )


def test_large_scores_stay_finite():
    fusion = built(units=())
    z, x = inputs(scale=1e4)
    x = tf.Variable(x)
    with tf.GradientTape() as tape:
        h = fusion(z, gate_input=x)
    assert np.isfinite(h).all()
    assert np.isfinite(tape.gradient(h, x)).all()


def test_dropout_is_for_training_only():
    fusion = built(units=(40,), dropout=0.5)
    z, x = inputs()
    np.testing.assert_array_equal(fusion(z, gate_input=x), fusion(z, gate_input=x, training=False))
    trained = fusion(z, gate_input=x, training=True)
    assert not np.allclose(trained, fusion(z, gate_input=x))


def test_asking_for_the_weights_in_a_training_step_has_no_side_effect():
    fusion = GatedFusion([7], batch_norm=True, dropout=0.5)
    z, x = inputs()
    fusion(z, gate_input=x)

    class Network(tf_keras.layers.Layer):
        def call(self, x, training=None):
            return fusion.fusion_weights(gate_input=x)

    before = fusion.get_weights()
    received = Network()(x, training=True)  # would hand `training` on to layers inside
    np.testing.assert_array_equal(received, fusion.fusion_weights(gate_input=x))
    for a, b in zip(fusion.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_scores_are_float32_under_mixed_precision():
    z, x = inputs()
    fusion = GatedFusion(dtype="mixed_bfloat16")
    assert fusion(z, gate_input=x).dtype == tf.bfloat16
    assert fusion.fusion_weights(gate_input=x).dtype == tf.float32
    assert all(v.dtype == tf.float32 for v in fusion.weights)


def test_weights_before_the_first_call_are_refused():
    with pytest.raises(ValueError, match="Call the fusion on their representations once"):
        GatedFusion().fusion_weights(gate_input=tf.zeros((2, 3)))


def test_rejects_impossible_settings():
    with pytest.raises(ValueError, match=r"units=\[0\]"):
        GatedFusion([0])
    with pytest.raises(ValueError, match="combine='gate'"):
        GatedFusion(combine="gate")
