import numpy as np
import pytest
import tensorflow as tf

from models.branches.din import DIN
from models.embeddings.embedded import Embedded
from tests.models.embedded_inputs import random_embedded
from tests.models.layers import sequence_oracles as oracles

HISTORIES = {"clicks": (5, 2, 1), "skips": (4, 1, 1), "searches": (3, 1, 0)}


def batch(rows: int = 6) -> Embedded:
    return random_embedded(np.random.default_rng(0), rows, fields=7, histories=HISTORIES)


def built(embedded: Embedded, **options) -> DIN:
    options = {"units": [5], "attention_units": [4], **options}
    return oracles.randomized(DIN(**options), {"embedded": embedded})


def oracle(layer, embedded, b):
    """One example: fields, then by name each history's weighted sum or mean."""
    parts = [embedded.non_sequence[b].ravel()]
    for name in sorted(embedded.histories):
        steps, mask, target = (each[b] for each in embedded.histories[name])
        if name in layer.attentions:
            attention = layer.attentions[name]
            weights = oracles.attention(attention, target, steps[:, : len(target)], mask)
        else:
            weights = mask / max(mask.sum(), 1)
        parts.append(sum(a * step for a, step in zip(weights, steps, strict=True)))
    return oracles.mlp(layer.mlp, np.concatenate(parts).astype("float64"))


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("histories", [None, ["clicks"]])
def test_matches_oracle(histories, softmax):
    embedded = batch()
    layer = built(embedded, histories=histories, attention_softmax=softmax)
    assert set(layer.attentions) == set(histories or ["clicks", "skips"])
    received = layer(embedded)
    for b in range(6):
        np.testing.assert_allclose(received[b], oracle(layer, embedded, b), rtol=1e-4, atol=1e-4)


def with_histories(embedded: Embedded, change) -> Embedded:
    """The batch with every history changed."""
    histories = {name: change(each) for name, each in embedded.histories.items()}
    return embedded._replace(histories=histories)


def padded(history):
    """Three steps longer, and garbage wherever there is no event."""
    mask = np.pad(history.mask, ((0, 0), (0, 3)))
    steps = np.pad(history.events, ((0, 0), (0, 3), (0, 0)))
    return history._replace(events=np.where(mask[:, :, np.newaxis], steps, np.nan), mask=mask)


@pytest.mark.parametrize("training", [False, True])
def test_padding_changes_nothing(training):
    embedded = batch()
    layer = built(embedded)
    longer = with_histories(embedded, padded)
    expected = layer(embedded, training=training)
    np.testing.assert_allclose(layer(longer, training=training), expected, 1e-4, 1e-5)


def test_the_order_of_events_does_not_matter_and_which_event_carries_what_does():
    embedded = batch()
    layer = built(embedded)

    def permuted(history):
        order = np.random.default_rng(1).permutation(history.mask.shape[1])
        return history._replace(events=history.events[:, order], mask=history.mask[:, order])

    expected = layer(embedded).numpy()
    received = layer(with_histories(embedded, permuted))
    np.testing.assert_allclose(received, expected, 1e-4, 1e-5)

    def swapped(history):  # keys stay, what is aligned with them moves by one step
        keys, values = np.split(history.events, [history.target.shape[1]], axis=2)
        steps = np.concatenate([keys, np.roll(values, 1, axis=1)], axis=2)
        return history._replace(events=steps)

    assert not np.allclose(layer(with_histories(embedded, swapped))[0], expected[0], atol=1e-3)


def test_empty_histories_have_finite_outputs_and_gradients():
    embedded = with_histories(batch(), lambda each: each._replace(mask=np.zeros_like(each.mask)))
    layer = DIN([5], attention_units=[4])
    steps = tf.constant(embedded.histories["clicks"].events)
    with tf.GradientTape() as tape:
        tape.watch(steps)
        clicks = embedded.histories["clicks"]._replace(events=steps)
        h = layer(
            embedded._replace(histories={**embedded.histories, "clicks": clicks}), training=True
        )
    gradients = tape.gradient(h, [steps, *layer.trainable_variables])
    for each in [h, *gradients, *layer.weights]:
        assert np.isfinite(each.numpy()).all()
    assert not gradients[0].numpy().any()


def test_shows_the_layers_of_its_mlp():
    embedded = batch()
    layer = built(embedded, units=[5, 3])
    h, details = layer(embedded, return_details=True)
    assert [each.shape[1] for each in details.intermediates] == [5, 3]
    np.testing.assert_array_equal(details.intermediates[-1], h)
    assert details.losses == {}


def test_defaults_are_the_published_sizes():
    layer = DIN()
    layer(batch(2))
    assert layer.mlp.units == (1024, 512, 256)
    assert layer.attentions["clicks"].mlp.units == (64,)
    assert layer.attentions["clicks"].mlp.activation == "dice"
    assert (DIN.takes, DIN.needs) == ("embedded", {"target"})


def test_refuses_unknown_histories_and_bad_options():
    with pytest.raises(ValueError, match=r"'click', which is not.*Did you mean clicks\?"):
        DIN([5], histories=["click"])(batch(2))
    with pytest.raises(ValueError, match="'searches' has no target"):
        DIN([5], histories=["searches"])(batch(2))
    for change in ({"attention_units": []}, {"attention_dropout": 1.0}, {"units": [0]}):
        with pytest.raises(ValueError, match="must be"):
            DIN(**change)
