"""What every public layer must do, whatever it computes."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras

from models.branches import Branch


@dataclass(frozen=True)
class Case:
    """A layer and something to call it on.

    Attributes:
        make: Makes the layer; every argument that has a default gets another value.
        inputs: (generator, batch size) -> the call's arguments by name, the first one first.
        always_float32: Whether it computes in float32 under mixed precision too.
    """

    make: Callable[[], tf_keras.layers.Layer]
    inputs: Callable[[np.random.Generator, int], dict[str, Any]]
    always_float32: bool = False

    def batch(self, size: int) -> dict[str, Any]:
        inputs = self.inputs(np.random.default_rng(3), size)
        return tf.nest.map_structure(tf.constant, inputs)


def call(layer: tf_keras.layers.Layer, inputs: dict[str, Any]):
    first, *others = inputs
    # What a branch shows of its inside goes through all the checks too.
    details = {"return_details": True} if isinstance(layer, Branch) else {}
    return layer(inputs[first], **{name: inputs[name] for name in others}, **details)


def check_any_batch_size_and_saved_model(case: Case, directory: str) -> None:
    """One graph, converted by AutoGraph as in a user's own model, before and after it is saved."""
    module, inputs = tf.Module(), case.batch(4)
    module.layer = case.make()
    call(module.layer, inputs)
    spec = tf.nest.map_structure(lambda x: tf.TensorSpec((None, *x.shape[1:]), x.dtype), inputs)
    module.serve = tf.function(lambda x: call(module.layer, x), input_signature=[spec])
    tf.saved_model.save(module, directory)
    loaded = tf.saved_model.load(directory)  # keeps the variables alive
    for size in (0, 1, 5):
        expected = call(module.layer, case.batch(size))
        for compiled in (module.serve, loaded.serve):
            received = compiled(case.batch(size))
            assert_close(received, expected)
            for each in tensors_of(received):
                assert size or np.isfinite(each.numpy().astype("float32")).all()


def check_xla(case: Case) -> None:
    layer, inputs = case.make(), case.batch(5)
    expected = call(layer, inputs)
    compiled = tf.function(lambda x: call(layer, x), jit_compile=True, autograph=False)
    assert_close(compiled(inputs), expected)


def check_config(case: Case) -> None:
    layer, inputs = case.make(), case.batch(4)
    expected = call(layer, inputs)
    config = layer.get_config()
    for name, parameter in inspect.signature(type(layer).__init__).parameters.items():
        if name in inspect.signature(tf_keras.layers.Layer.__init__).parameters:
            continue
        assert name in config, f"get_config() forgets {name}"
        if parameter.default is not parameter.empty:
            assert config[name] != _plain(parameter.default), f"the case leaves {name} at default"
    clone = tf_keras.layers.deserialize(tf_keras.layers.serialize(layer))
    assert clone.get_config() == config
    call(clone, inputs)
    assert [v.shape for v in clone.weights] == [v.shape for v in layer.weights]
    clone.set_weights(layer.get_weights())
    assert_close(call(clone, inputs), expected)


def check_mixed_precision(case: Case) -> None:
    inputs = case.batch(5)
    full = case.make()
    expected = call(full, inputs)
    mixed = _in_bfloat16(case)
    mixed.set_weights(full.get_weights())
    assert all(v.dtype == tf.float32 for v in mixed.weights if v.dtype.is_floating)
    received = call(mixed, inputs)
    for a, b in zip(tensors_of(received), tensors_of(expected), strict=True):
        if case.always_float32:
            assert a.dtype == b.dtype
        # bfloat16 keeps 8 bits, and layers that multiply amplify what is lost.
        a, b = tf.cast(a, tf.float32), tf.cast(b, tf.float32)
        np.testing.assert_allclose(a, b, rtol=0.05, atol=0.1)


def check_every_weight_gets_a_gradient(case: Case) -> None:
    layer, inputs = case.make(), case.batch(16)
    call(layer, inputs)
    with tf.GradientTape() as tape:
        outputs = [x for x in tensors_of(call(layer, inputs)) if x.dtype.is_floating]
        # Random coefficients: a plain sum can have gradient 0, as that of a softmax has.
        total = tf.add_n([tf.reduce_sum(x * tf.random.normal(x.shape)) for x in outputs])
    gradients = tape.gradient(total, layer.trainable_variables)
    for variable, gradient in zip(layer.trainable_variables, gradients, strict=True):
        assert gradient is not None, f"{variable.name} gets no gradient"
        gradient = tf.convert_to_tensor(gradient).numpy()
        assert np.isfinite(gradient).all(), variable.name
        assert np.abs(gradient).max() > 0.0, f"the gradient of {variable.name} is 0"


def check_gradients_in_bfloat16(case: Case, rows: int = 10_000, parts: int = 4) -> None:
    """That a sum over many rows keeps growing: in bfloat16 it stops at 256 times what is added.

    Gradients are those of float32, or, where single rows lose too much in bfloat16 (differences
    that nearly cancel), at least what the parts of the batch add up to.
    """
    # Numbers that do not cancel, as behind a ReLU.
    inputs = tf.nest.map_structure(
        lambda x: 0.3 * x + 0.2 if x.dtype.is_floating else x, case.batch(rows)
    )
    tf.random.set_seed(1)
    full = case.make()
    call(full, case.batch(2))
    mixed = _in_bfloat16(case)
    rng = np.random.default_rng(5)
    # Away from where they start: a bias of 0 may have none, and a gain of 1 that of another.
    start = [weight + 0.1 * rng.normal(size=weight.shape) for weight in full.get_weights()]
    full.set_weights(start)
    mixed.set_weights(start)
    expected, received = _gradients(full, inputs), _gradients(mixed, inputs)
    wrong = _apart(full, received, expected)
    if not wrong:
        return
    size = rows // parts
    slices = [slice(first, first + size) for first in range(0, rows, size)]
    by_part = [_gradients(mixed, inputs, each) for each in slices]
    added = [None if each[0] is None else sum(each) for each in zip(*by_part, strict=True)]
    both = wrong.keys() & _apart(full, received, added).keys()
    assert not both, {name: wrong[name] for name in both}


def _in_bfloat16(case: Case) -> tf_keras.layers.Layer:
    policy = tf_keras.mixed_precision.global_policy()
    tf_keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        layer = case.make()
        call(layer, case.batch(2))
    finally:
        tf_keras.mixed_precision.set_global_policy(policy)
    return layer


def _gradients(
    layer: tf_keras.layers.Layer, inputs: dict[str, Any], rows: slice = slice(None)
) -> list[np.ndarray | None]:
    """Gradients, float64, of a loss that weighs rows unlike, but not as if they cancelled."""
    rng = np.random.default_rng(6)
    batch = tf.nest.flatten(inputs)[0].shape[0]
    with tf.GradientTape() as tape:
        total = tf.constant(0.0)
        outputs = tensors_of(call(layer, tf.nest.map_structure(lambda x: x[rows], inputs)))
        for output in outputs:
            if output.dtype.is_floating:
                columns = rng.choice([-1.0, 1.0], size=output.shape[1:])
                noise = rng.normal(size=(batch, *output.shape[1:]))[rows] if output.shape else 0.0
                weights = tf.constant(columns * (1.0 + 0.5 * noise), tf.float32)
                total += tf.reduce_sum(tf.cast(output, tf.float32) * weights)
    return [
        None if gradient is None else tf.convert_to_tensor(gradient).numpy().astype("float64")
        for gradient in tape.gradient(total, layer.trainable_variables)
    ]


def _apart(layer: tf_keras.layers.Layer, received: list, expected: list) -> dict[str, str]:
    """The weights whose gradients differ, and how."""
    apart = {}
    for variable, a, b in zip(layer.trainable_variables, received, expected, strict=True):
        if a is None and b is None:
            continue
        size, norm = np.linalg.norm(a), np.linalg.norm(b)
        cosine = np.vdot(a, b) / (size * norm)
        if not (abs(size / norm - 1.0) < 0.03 and cosine > 0.99):  # not of nan either
            apart[variable.name] = f"{size / norm:.3f} of its norm, cosine {cosine:.4f}"
    return apart


def tensors_of(outputs) -> list[tf.Tensor]:
    """The tensors of a structure, without the places where it has None."""
    return [x for x in tf.nest.flatten(outputs) if x is not None]


def assert_close(received, expected, rtol: float = 1e-5, atol: float = 1e-6) -> None:
    tf.nest.assert_same_structure(received, expected, check_types=False)
    for a, b in zip(tf.nest.flatten(received), tf.nest.flatten(expected), strict=True):
        if a is None or b is None:
            assert a is b
            continue
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


def _plain(value):
    return list(value) if isinstance(value, tuple) else value
