import numpy as np
import pytest
import tensorflow as tf

from models.alignment import MLPPerBranch, NoAlignment, SharedMLP


def branches(*widths):
    rng = np.random.default_rng(0)
    return [rng.normal(size=(4, width)).astype("float32") for width in widths]


def test_shared_mlp_has_one_set_of_weights_for_all_branches():
    layer, hidden = SharedMLP([6, 3]), branches(5, 5, 5)
    received = layer(hidden)
    assert len(layer.trainable_weights) == 4  # two kernels, two biases
    for i, each in enumerate(hidden):
        np.testing.assert_allclose(received[:, i], layer.top(each), rtol=1e-6)
    np.testing.assert_allclose(layer([hidden[0]] * 2)[:, 0], layer([hidden[0]] * 2)[:, 1])


def test_mlp_per_branch_has_weights_of_its_own_for_each():
    layer, hidden = MLPPerBranch([6, 3]), branches(5, 2)
    received = layer(hidden)
    assert received.shape == (4, 2, 3)
    assert len(layer.trainable_weights) == 8
    for i, each in enumerate(hidden):
        np.testing.assert_allclose(received[:, i], layer.tops[i](each), rtol=1e-6)


def test_no_alignment_stacks_in_order():
    hidden = branches(5, 5)
    received = NoAlignment()(hidden)
    np.testing.assert_array_equal(received[:, 0], hidden[0])
    np.testing.assert_array_equal(received[:, 1], hidden[1])


def test_says_which_branch_delivers_what():
    with pytest.raises(ValueError, match=r"Received: deep 5, cross 4\. Set the.*output units"):
        SharedMLP([3])(branches(5, 4), names=("deep", "cross"))


def test_no_alignment_fills_narrower_branches_up_with_zeros():
    hidden, layer = branches(5, 4), NoAlignment()
    received = layer(hidden)
    np.testing.assert_array_equal(received[:, 1, :4], hidden[1])
    assert not received[:, 1, 4].numpy().any()
    assert layer.widths == (5, 4)


def test_defaults_are_the_papers_sizes():
    assert SharedMLP().units == (512, 256, 128)
    assert tf.is_tensor(SharedMLP()([tf.zeros((1, 2))]))
