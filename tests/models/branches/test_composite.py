import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from models.branches.bi_interaction import BiInteraction
from models.branches.branch import feed
from models.branches.composite import Composite
from models.branches.cross import Cross
from models.branches.dcn import DCN
from models.branches.dcnv2 import DCNv2
from models.branches.deepfm import DeepFM
from models.branches.ipnn import IPNN
from models.branches.nfm import NFM
from models.branches.wide import Wide
from models.branches.wide_and_deep import WideAndDeep
from models.branches.xdeepfm import XDeepFM
from tests.models.branches.oracles import embedded, with_random_weights

NAMED = {
    "wide and deep": lambda **options: WideAndDeep([5], **options),
    "deepfm": lambda **options: DeepFM([5], **options),
    "xdeepfm": lambda **options: XDeepFM([5], [4, 2], **options),
    "dcn": lambda **options: DCN([5], **options),
    "dcnv2 parallel": lambda **options: DCNv2([5], **options),
    "dcnv2 stacked": lambda **options: DCNv2([5], "stacked", "mixture", **options),
    "nfm": lambda **options: NFM([5], **options),
    "nfm without y_lin": lambda **options: NFM([5], linear=False, **options),
    "ipnn": lambda **options: IPNN([5], **options),
}


class Sample(Composite):
    """A part of every kind: a branch, a chain, a layer that is no branch."""

    def __init__(self, linear: bool = True, dropout: float = 0.0, **kwargs):
        super().__init__([4], "relu", dropout, False, **kwargs)
        policy = self.dtype_policy
        wide = {"wide": [Wide(dtype=policy)]} if linear else {}
        self.parts = {
            "cross": [Cross(2, dtype=policy)],
            **wide,
            "chain": [BiInteraction(dtype=policy), self.mlp],
            "linear": [tf_keras.layers.Dense(2, dtype=policy)],
        }


def test_parts_stand_side_by_side_in_their_order():
    x = embedded()
    layer = with_random_weights(Sample(), x)
    parts = layer.parts
    expected = [
        feed(parts["cross"][0], x),
        feed(parts["wide"][0], x),
        layer.mlp(feed(parts["chain"][0], x)),
        parts["linear"][0](x.flat),
    ]
    np.testing.assert_array_equal(layer(x), tf.concat(expected, axis=1))


def test_shows_the_layers_of_the_explicit_crossing_only():
    x = embedded()
    layer = with_random_weights(Sample(), x)
    _, details = layer(x, return_details=True)
    _, expected = layer.parts["cross"][0](x.flat, return_details=True)
    for a, b in zip(details.intermediates, expected.intermediates, strict=True):
        np.testing.assert_array_equal(a, b)
    assert details.losses == {}


def test_asks_for_first_order_numbers_if_a_part_does():
    assert Sample().uses_first_order
    assert not Sample(linear=False).uses_first_order


def test_tells_its_parts_whether_it_is_training():
    x = embedded()
    layer = with_random_weights(Sample(dropout=0.5), x)
    deep = slice(13, 17)
    assert (layer(x, training=True)[:, deep] != layer(x, training=False)[:, deep]).numpy().any()
    np.testing.assert_array_equal(layer(x, training=False), layer(x))


@pytest.mark.parametrize("make", NAMED.values(), ids=NAMED)
def test_a_named_model_declares_what_it_reads_and_shows(make):
    x = embedded()
    layer = with_random_weights(make(dropout=0.0, batch_norm=False), x)
    before, details = layer(x, return_details=True)
    # Configurations read this off the class, before there is a layer.
    assert bool(details.intermediates) == type(layer).exposes_intermediates
    after = layer(x._replace(first_order=x.first_order + 1.0))
    assert layer.uses_first_order == bool(np.any(before != after))
    if not layer.uses_first_order:  # and so the bank makes none
        np.testing.assert_array_equal(before, layer(x._replace(first_order=tf.zeros((6, 0)))))


@pytest.mark.parametrize("make", NAMED.values(), ids=NAMED)
def test_parts_follow_the_layers_own_policy(make):
    layer = make(dtype="mixed_bfloat16")
    assert layer(embedded()).dtype == tf.bfloat16
    assert {part.dtype_policy.name for chain in layer.parts.values() for part in chain} == {
        "mixed_bfloat16"
    }


@pytest.mark.parametrize("make", NAMED.values(), ids=NAMED)
def test_every_field_gets_a_gradient(make):
    x = embedded(batch=16)
    layer = with_random_weights(make(dropout=0.0, batch_norm=False), x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(layer(x) ** 2)
    gradients = tape.gradient(y, x)
    assert (tf.reduce_max(tf.abs(gradients.field_embeddings), axis=(0, 2)) > 0.0).numpy().all()
    if layer.uses_first_order:
        assert (gradients.first_order != 0.0).numpy().all()
