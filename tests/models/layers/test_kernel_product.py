import numpy as np
import pytest
import tensorflow as tf

from models.layers.kernel_product import kernel_product

EQUATIONS = {
    "bmd,ml->bld": ((5, 4, 3), (4, 2)),
    "bmd,de->bme": ((5, 4, 3), (3, 2)),
    "btd,cd->btc": ((5, 4, 3), (2, 3)),
    "btd,dshe->sbhte": ((5, 4, 6), (6, 3, 2, 4)),
    "bhte,hed->btd": ((5, 2, 4, 3), (2, 3, 6)),
    "bkx,kxy->bky": ((5, 2, 3), (2, 3, 4)),
}


@pytest.mark.parametrize("equation", EQUATIONS)
def test_is_einsum_in_bfloat16_too(equation):
    rng = np.random.default_rng(2)
    # Small whole numbers: products and sums are exact in bfloat16.
    x, kernel = (rng.integers(-2, 3, shape).astype("float32") for shape in EQUATIONS[equation])
    expected = np.einsum(equation, x, kernel)
    for dtype in ("float32", "bfloat16"):
        received = kernel_product(equation, tf.cast(x, dtype), tf.constant(kernel))
        assert received.dtype == dtype
        np.testing.assert_array_equal(tf.cast(received, "float32"), expected)
    spec = tf.TensorSpec((None, *x.shape[1:]), "bfloat16")
    traced = tf.function(lambda each: kernel_product(equation, each, kernel), [spec])
    for rows in (0, 5):
        received = tf.cast(traced(tf.cast(x[:rows], "bfloat16")), "float32")
        np.testing.assert_array_equal(received, np.einsum(equation, x[:rows], kernel))


@pytest.mark.parametrize("equation", EQUATIONS)
def test_adds_the_kernel_up_over_all_rows_in_bfloat16(equation):
    (_, *tail), shape = EQUATIONS[equation]
    kernel = tf.Variable(tf.ones(shape))
    with tf.GradientTape() as tape:
        y = kernel_product(equation, tf.ones((10_000, *tail), tf.bfloat16), kernel)
        total = tf.reduce_sum(tf.cast(y, tf.float32))
    left, right = equation.partition("->")[0].split(",")
    times = np.prod([n for letter, n in zip(left[1:], tail, strict=True) if letter not in right])
    gradient = tape.gradient(total, kernel)
    np.testing.assert_allclose(gradient, np.full(shape, 10_000.0 * times), rtol=2**-8)
