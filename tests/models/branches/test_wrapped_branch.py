import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from models.branches import Branch, Deep, WrappedBranch, as_branch
from models.branches.branch import feed
from tests.models.embedded_inputs import random_embedded


class Own(tf_keras.layers.Layer):
    """Declares everything that a plain layer may declare."""

    takes = "first_order"
    uses_first_order = True
    num_extra_sets = 2
    fields_read = (0, 2)

    def call(self, x, training=None):
        return x + 1.0 if training else x


def test_a_branch_stays_as_it_is_and_any_other_layer_is_wrapped():
    branch = Deep([3])
    assert as_branch(branch) is branch
    wrapped = as_branch(tf_keras.layers.Dense(3, name="own"))
    assert isinstance(wrapped, WrappedBranch)
    assert wrapped.name == "own"
    assert as_branch(wrapped) is wrapped


def test_a_layer_that_declares_nothing_has_the_defaults_of_the_base():
    base, wrapped = Branch(), as_branch(tf_keras.layers.Dense(3))
    for name in ("takes", "uses_first_order", "num_extra_sets", "fields_read", "loss_names"):
        assert getattr(wrapped, name) == getattr(base, name), name


def test_what_a_layer_declares_is_kept():
    wrapped = as_branch(Own())
    assert (wrapped.takes, wrapped.uses_first_order) == ("first_order", True)
    assert (wrapped.num_extra_sets, wrapped.fields_read) == (2, (0, 2))


def test_the_layer_is_fed_what_it_takes():
    embedded = random_embedded(np.random.default_rng(0), 4)
    embedded = tf.nest.map_structure(tf.constant, embedded)
    np.testing.assert_array_equal(feed(as_branch(Own()), embedded), embedded.first_order)
    flat = tf_keras.layers.Lambda(lambda x: x)
    np.testing.assert_array_equal(feed(as_branch(flat), embedded), embedded.flat)
    h, details = feed(as_branch(flat), embedded, return_details=True)
    np.testing.assert_array_equal(h, embedded.flat)
    assert details == ((), {})


@pytest.mark.parametrize("training", [True, False])
def test_the_layer_learns_whether_it_is_trained(training):
    x = tf.zeros((2, 3))
    np.testing.assert_array_equal(as_branch(Own())(x, training=training), x + float(training))


def test_the_layer_computes_in_its_own_dtype():
    layer = tf_keras.layers.Dense(3, dtype="mixed_bfloat16")
    wrapped = as_branch(layer)
    assert wrapped(tf.zeros((2, 5))).dtype == tf.bfloat16
    assert as_branch(tf_keras.layers.Dense(3))(tf.zeros((2, 5), tf.float32)).dtype == tf.float32
