import pytest
import tensorflow as tf
import tf_keras

from models.layers.activations import activation_function


def test_keras_activations_have_their_names():
    assert activation_function("relu") is tf_keras.activations.relu
    assert activation_function("linear")(tf.constant(-2.0)) == -2.0


def test_an_activation_that_keras_lacks_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match=r"^'rellu' is not a Keras activation\. Did you mean relu"):
        activation_function("rellu")
