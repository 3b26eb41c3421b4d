"""Each private name of Keras and TensorFlow still does what `models` needs it for."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from models.private_keras import (
    OptimizerBase,
    adopt_iterations,
    error_of_layer,
    graph_of_function,
    inner_learning_rate,
    is_built,
    moments_of,
    updates_without_merge_call,
)


def test_the_graph_of_a_function_that_is_called_knows_shapes():
    inner = tf.function(lambda x: tf.matmul(x, x))
    outer = tf.function(lambda x: inner(x) + 1.0)
    graph = outer.get_concrete_function(tf.TensorSpec((3, 3))).graph
    (call,) = (op for op in graph.get_operations() if op.type.endswith("PartitionedCall"))
    called = graph_of_function(graph, call.get_attr("f").name)
    (product,) = (op for op in called.get_operations() if op.type == "MatMul")
    assert product.outputs[0].shape == (3, 3)


def test_a_replica_of_several_may_not_update_inside_a_condition(two_replicas):
    allowed = two_replicas.run(lambda: tf.constant(updates_without_merge_call()))
    assert [bool(part) for part in two_replicas.experimental_local_results(allowed)] == [False] * 2
    assert updates_without_merge_call()


class Failing(tf_keras.layers.Layer):
    def call(self, x):
        raise ValueError("too few columns")


def test_the_error_of_a_layer_is_found_below_that_of_keras():
    with pytest.raises(ValueError, match="Exception encountered") as caught:
        Failing()(tf.zeros((1, 2)))
    assert str(error_of_layer(caught.value)) == "too few columns"


def test_an_error_that_was_raised_from_another_on_purpose_stays():
    def fail():
        try:
            raise KeyError("a")
        except KeyError as cause:
            raise ValueError("b") from cause

    with pytest.raises(ValueError, match="b") as caught:
        fail()
    assert error_of_layer(caught.value) is caught.value


def test_adams_moments_of_a_variable_are_found():
    first, second = tf.Variable([1.0]), tf.Variable([1.0, 1.0])
    adam = tf_keras.optimizers.Adam(0.1)
    gradients = [tf.constant([2.0]), tf.constant([1.0, 3.0])]
    adam.apply_gradients(zip(gradients, (first, second), strict=True))
    m, v = moments_of(adam, second)
    np.testing.assert_allclose(m, [0.1, 0.3], rtol=1e-5)
    np.testing.assert_allclose(v, [0.001, 0.009], rtol=1e-4)


def test_an_optimizer_tells_whether_it_was_used_and_how_its_rate_is_kept():
    sgd = tf_keras.optimizers.SGD(0.5)
    assert not is_built(sgd)
    assert isinstance(inner_learning_rate(sgd), tf.Variable)
    sgd.build([tf.Variable(1.0)])
    assert is_built(sgd)
    schedule = tf_keras.optimizers.schedules.ExponentialDecay(1.0, 10, 0.5)
    assert inner_learning_rate(tf_keras.optimizers.SGD(schedule)) is schedule


def test_iterations_of_another_optimizer_are_the_only_ones():
    sgd, iterations = tf_keras.optimizers.SGD(0.5), tf.Variable(3, dtype=tf.int64)
    adopt_iterations(sgd, iterations)
    assert [variable is iterations for variable in sgd.variables] == [True]
    sgd.apply_gradients([(tf.constant(1.0), tf.Variable(1.0))])
    assert iterations.numpy() == 4


class Recording(OptimizerBase):
    """Gradient descent that notes when its hooks are called."""

    def __init__(self, learning_rate=0.5):
        super().__init__(learning_rate, "Recording")
        self.calls = []

    def build(self, var_list):
        super().build(var_list)
        if not is_built(self):
            self.calls.append("build")
            self.finish_build([tf.Variable(7.0)])

    def before_step(self):
        self.calls.append("before_step")

    def distinct_rows(self, gradients):
        self.calls.append("distinct_rows")
        return super().distinct_rows(gradients)

    def update_step(self, gradient, variable):
        rows = gradient.indices.numpy().tolist()
        self.calls.append((rows, self.key_of(variable)))


def test_hooks_of_an_optimizer_are_called_in_each_step():
    optimizer, table = Recording(), tf.Variable([[1.0], [2.0]])
    twice = tf.IndexedSlices(tf.ones((2, 1)), tf.constant([1, 1]), tf.constant([2, 1]))
    optimizer.apply_gradients([(twice, table)])
    key = optimizer.key_of(table)
    assert list(optimizer.calls) == ["before_step", "build", "distinct_rows", ([1], key)]
    assert [float(variable) for variable in optimizer.variables[1:]] == [7.0]
    assert key != optimizer.key_of(tf.Variable([[1.0], [2.0]]))


def test_the_rate_of_an_optimizer_is_serialized_as_it_was_given():
    assert Recording(0.25).serialized_learning_rate == 0.25
    schedule = tf_keras.optimizers.schedules.ExponentialDecay(1.0, 10, 0.5)
    assert Recording(schedule).serialized_learning_rate["class_name"] == "ExponentialDecay"
