import numpy as np
import tensorflow as tf
import tf_keras

from models.fusion import ConcatFusion, MeanFusion, WrappedFusion, as_fusion


class First(tf_keras.layers.Layer):
    """A fusion that declares nothing: the first branch."""

    def call(self, representations, logits=None, gate_input=None):
        return representations[:, 0]


class FirstLogit(First):
    takes = ("logits",)
    gives_logit = True

    def call(self, representations, logits=None, gate_input=None):
        return logits[:, :1]

    def fusion_weights(self, logits=None, gate_input=None):
        return tf.one_hot([0], logits.shape[1])


def test_a_fusion_stays_as_it_is_and_any_other_layer_is_wrapped():
    fusion = MeanFusion()
    assert as_fusion(fusion) is fusion
    wrapped = as_fusion(First(name="own"))
    assert isinstance(wrapped, WrappedFusion)
    assert wrapped.name == "own"
    assert as_fusion(wrapped) is wrapped


def test_a_layer_that_declares_nothing_has_the_defaults_of_the_base():
    wrapped = as_fusion(First())
    assert wrapped.takes == ()
    assert wrapped.gives_logit is False
    assert wrapped.fusion_weights(logits=tf.zeros((2, 3))) is None
    assert ConcatFusion().fusion_weights() is None
    z = np.arange(24, dtype="float32").reshape(2, 3, 4)
    np.testing.assert_array_equal(wrapped(z, logits=None, gate_input=None), z[:, 0])


def test_what_a_layer_declares_is_kept():
    wrapped = as_fusion(FirstLogit())
    assert wrapped.takes == ("logits",)
    assert wrapped.gives_logit is True
    logits = np.array([[1.0, 2.0], [3.0, 4.0]], "float32")
    np.testing.assert_array_equal(wrapped.fusion_weights(logits=logits), [[1.0, 0.0]])
    np.testing.assert_array_equal(wrapped(np.zeros((2, 2, 4)), logits=logits), logits[:, :1])
