import pytest
import tensorflow as tf
import tf_keras

from models.cooperation import SymmetricKL, WrappedLoss, as_cooperation_loss


class Own(tf_keras.layers.Layer):
    takes = ["labels", "inputs"]

    def call(self, labels, inputs, training=None):
        return tf.reduce_sum(labels) + tf.reduce_sum(inputs)


class Taught(Own):
    pairwise = False
    needs_teachers = True


def test_a_loss_stays_as_it_is_and_any_other_layer_is_wrapped():
    loss = SymmetricKL()
    assert as_cooperation_loss(loss) is loss
    wrapped = as_cooperation_loss(Own(name="own"))
    assert isinstance(wrapped, WrappedLoss)
    assert (wrapped.name, wrapped.takes) == ("own", ("labels", "inputs"))
    assert as_cooperation_loss(wrapped) is wrapped


def test_what_a_layer_does_not_declare_is_as_in_the_base():
    wrapped, taught = as_cooperation_loss(Own()), as_cooperation_loss(Taught())
    assert (wrapped.pairwise, wrapped.needs_teachers) == (True, False)
    assert (taught.pairwise, taught.needs_teachers) == (False, True)


def test_the_layer_is_called_on_what_it_takes_and_nothing_else():
    tensors = {"labels": tf.ones((2, 1)), "inputs": tf.ones((2, 3, 4)), "logit": tf.zeros((2, 1))}
    assert as_cooperation_loss(Own()).loss_of(tensors) == 26.0


def test_diagnostics_are_those_of_the_layer_where_it_has_some():
    class Shown(Own):
        def diagnostics(self, tensors):
            return {"rows": tf.reduce_sum(tensors["labels"])}

    tensors = {"labels": tf.ones((2, 1))}
    assert as_cooperation_loss(Shown()).diagnostics(tensors) == {"rows": 2.0}
    assert as_cooperation_loss(Own()).diagnostics(tensors) == {}


def test_the_click_rate_of_the_training_rows_is_there_for_who_takes_it():
    class Prior(Own):
        takes = ["labels", "base_rate"]

        def call(self, labels, base_rate):
            return tf.reduce_sum(labels) * base_rate

    tensors = {"labels": tf.ones((4, 1)), "base_rate": tf.constant(0.25)}
    assert as_cooperation_loss(Prior()).loss_of(tensors) == 1.0


def test_says_that_a_layer_is_no_loss():
    with pytest.raises(ValueError, match=r'Dense is no cooperation loss.*takes = \("logits",\)'):
        as_cooperation_loss(tf_keras.layers.Dense(3))
