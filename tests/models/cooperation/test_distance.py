import numpy as np
import pytest
import tensorflow as tf

from models.cooperation.distance import safe_norm


@pytest.mark.parametrize("jit_compile", [False, True])  # only XLA divides by sqrt(0) in earnest
def test_is_exact_with_gradient_zero_at_zero(jit_compile):
    @tf.function(jit_compile=jit_compile)
    def norm_and_gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            norm = safe_norm(x)
        return norm, tape.gradient(norm, x)

    norm, gradient = norm_and_gradient(tf.constant([[3.0, 4.0], [0.0, 0.0], [1e-12, 0.0]]))
    np.testing.assert_allclose(norm, [5.0, 0.0, 1e-12])
    np.testing.assert_allclose(gradient, [[0.6, 0.8], [0.0, 0.0], [1.0, 0.0]], rtol=1e-6)
