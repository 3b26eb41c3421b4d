import tensorflow as tf
import tf_keras

from models.alignment import MLPPerBranch, NoAlignment, WrappedAlignment, as_alignment


class Own(tf_keras.layers.Layer):
    def call(self, representations, names=()):
        self.names_received = tuple(names)
        return tf.stack([2.0 * h for h in representations], axis=1)


def test_an_alignment_stays_as_it_is_and_any_other_layer_is_wrapped():
    alignment = NoAlignment()
    assert as_alignment(alignment) is alignment
    wrapped = as_alignment(Own(name="own"))
    assert isinstance(wrapped, WrappedAlignment)
    assert wrapped.name == "own"
    assert as_alignment(wrapped) is wrapped


def test_the_layer_is_handed_the_branches_names():
    layer = Own()
    received = as_alignment(layer)([tf.ones((2, 3))] * 2, names=("deep", "cross"))
    assert layer.names_received == ("deep", "cross")
    tf.debugging.assert_equal(received, 2.0 * tf.ones((2, 2, 3)))


def test_only_a_layer_that_has_alone_aligns_a_branch_alone():
    assert as_alignment(Own()).alone(0) is None
    layer = MLPPerBranch([4])
    wrapped = WrappedAlignment(layer)
    wrapped([tf.ones((2, 3)), tf.ones((2, 5))])
    assert wrapped.alone(1) is layer.tops[1]
