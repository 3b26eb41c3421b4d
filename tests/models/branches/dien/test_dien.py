import numpy as np
import pytest
import tensorflow as tf

from models.branches.dien.dien import DIEN
from models.embeddings.embedded import Embedded
from tests.models.embedded_inputs import random_embedded
from tests.models.layers import sequence_oracles as oracles
from tests.models.layers.sequence_oracles import call
from tests.replicas import per_replica

HISTORIES = {"clicks": (5, 2, 1), "skips": (5, 1, 1), "searches": (3, 1, 0)}


def batch(rows: int = 6) -> Embedded:
    return random_embedded(np.random.default_rng(0), rows, fields=7, histories=HISTORIES)


def built(embedded: Embedded, **options) -> DIEN:
    options = {"units": [5], "attention_units": [4], "auxiliary_units": [4], **options}
    return oracles.randomized(DIEN(**options), {"embedded": embedded})


def auxiliary(layer: DIEN, embedded: Embedded, **kwargs):
    return layer(embedded, return_details=True, **kwargs)[1].losses["auxiliary"]


def evolved(evolution, steps, target, mask):
    """h' of one example, bilinear attention."""
    states = oracles.gru(evolution.extractor, steps.astype("float64"), mask)
    query = target @ oracles.weights_of(evolution.bilinear)[0]
    return oracles.attentional_gru(
        evolution.evolution, states, oracles.softmax(states @ query, mask), mask
    )


@pytest.mark.parametrize("histories", [None, ["clicks"]])
@pytest.mark.parametrize("sum_pooling", [False, True])
def test_matches_oracle(sum_pooling, histories):
    embedded = batch()
    layer = built(embedded, histories=histories, sum_pooling=sum_pooling)
    assert set(layer.evolutions) == set(histories or ["clicks", "skips"])
    received = layer(embedded)
    for b in range(6):
        parts = [embedded.non_sequence[b].ravel()]
        for name in sorted(HISTORIES):
            steps, mask, target = (each[b] for each in embedded.histories[name])
            total = steps.sum(axis=0)
            if name not in layer.evolutions:
                parts.append(total / max(mask.sum(), 1))
                continue
            parts.append(evolved(layer.evolutions[name], steps, target, mask))
            if sum_pooling:
                parts += [total, target * total[: len(target)]]
        expected = oracles.mlp(layer.mlp, np.concatenate(parts))
        np.testing.assert_allclose(received[b], expected, rtol=1e-4, atol=1e-4)


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
@pytest.mark.parametrize("attention", ["din", "bilinear", "dot"])
@pytest.mark.parametrize("update", ["augru", "agru", "aigru"])
def test_padding_changes_neither_the_output_nor_the_loss(update, attention, training):
    embedded = batch()
    layer = built(
        embedded, update=update, attention=attention, sum_pooling=True, auxiliary_weight=1.0
    )
    h, details = layer(embedded, training=training, return_details=True)
    received = layer(with_histories(embedded, padded), training=training, return_details=True)
    np.testing.assert_allclose(received[0], h, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        received[1].losses["auxiliary"], details.losses["auxiliary"], rtol=1e-5
    )


def test_the_order_of_events_matters():
    embedded = batch()
    layer = built(embedded)
    clicks = embedded.histories["clicks"]
    turned = clicks._replace(events=clicks.events[:, ::-1])
    received = layer(embedded._replace(histories={**embedded.histories, "clicks": turned}))
    assert clicks.mask[0].all()
    assert not np.allclose(received[0], layer(embedded)[0], atol=1e-3)


def test_the_auxiliary_loss_takes_its_negatives_from_the_example_before():
    embedded = batch()
    layer = built(embedded, auxiliary_weight=0.5)
    total = 0.0
    for name in ("clicks", "skips"):
        history = embedded.histories[name]
        _, states = call(layer.evolutions[name], {"steps": history.events, **_rest(history)})
        keys, mask = np.asarray(history.keys), history.mask
        events = {"states": states, "keys": keys, "negatives": keys[[5, 0, 1, 2, 3, 4]]}
        masks = {"mask": mask, "negatives_mask": mask[[5, 0, 1, 2, 3, 4]]}
        total += call(layer.next_event[name], {**events, **masks}).numpy()
    assert total > 0.0
    np.testing.assert_allclose(auxiliary(layer, embedded), 0.5 * total, rtol=1e-5)


def test_the_auxiliary_loss_takes_its_negatives_from_a_history():
    embedded = batch()
    layer = built(embedded, auxiliary_weight=2.0, negatives="skips")
    assert set(layer.evolutions) == {"clicks"}
    clicks, skips = embedded.histories["clicks"], embedded.histories["skips"]
    _, states = call(layer.evolutions["clicks"], {"steps": clicks.events, **_rest(clicks)})
    events = {"states": states, "keys": clicks.keys, "negatives": skips.events}
    masks = {"mask": clicks.mask, "negatives_mask": skips.mask}
    expected = 2.0 * call(layer.next_event["clicks"], {**events, **masks})
    np.testing.assert_allclose(auxiliary(layer, embedded), expected, rtol=1e-5)
    # Negatives are for the loss alone.
    other = skips._replace(events=skips.events + 1.0)
    changed = embedded._replace(histories={**embedded.histories, "skips": other})
    np.testing.assert_array_equal(layer(changed), layer(embedded))
    assert auxiliary(layer, changed) != auxiliary(layer, embedded)


def _rest(history) -> dict:
    return {"target": history.target, "mask": history.mask}


def test_without_a_weight_there_is_no_auxiliary_loss():
    embedded = batch()
    layer = built(embedded)
    assert layer.loss_names == ()
    assert layer(embedded, return_details=True)[1].losses == {}
    assert not any("next_event" in v.name for v in layer.weights)
    assert built(embedded, auxiliary_weight=0.1).loss_names == ("auxiliary",)


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_empty_histories_have_finite_outputs_losses_and_gradients(rows):
    embedded = with_histories(batch(rows), lambda each: each._replace(mask=each.mask & False))
    layer = DIEN([5], attention="din", attention_units=[4], auxiliary_weight=1.0)
    steps = tf.constant(embedded.histories["clicks"].events)
    with tf.GradientTape() as tape:
        tape.watch(steps)
        clicks = embedded.histories["clicks"]._replace(events=steps)
        histories = {**embedded.histories, "clicks": clicks}
        h, details = layer(
            embedded._replace(histories=histories), training=True, return_details=True
        )
        total = tf.reduce_sum(h) + details.losses["auxiliary"]
    gradients = tape.gradient(total, [steps, *layer.trainable_variables])
    for each in [h, *gradients, *layer.weights]:
        assert np.isfinite(each.numpy()).all()
    assert details.losses["auxiliary"] == 0.0
    assert not gradients[0].numpy().any()


def test_trains_under_xla_and_on_one_step():
    histories = {"clicks": (1, 1, 1)}
    embedded = random_embedded(np.random.default_rng(0), 4, fields=3, histories=histories)
    embedded = tf.nest.map_structure(tf.constant, embedded)
    layer = built(embedded, attention="din", auxiliary_weight=1.0)

    @tf.function(jit_compile=True)
    def gradients(embedded):
        with tf.GradientTape() as tape:
            h, details = layer(embedded, training=True, return_details=True)
            total = tf.reduce_sum(h**2) + details.losses["auxiliary"]
        return total, tape.gradient(total, layer.trainable_variables)

    for each in tf.nest.flatten(gradients(embedded)):
        assert np.isfinite(each.numpy()).all()
    assert auxiliary(layer, embedded) == 0.0  # no step comes after the first


def test_two_replicas_have_the_auxiliary_loss_of_one(two_replicas):
    embedded = batch(7)
    options = {"attention": "din", "auxiliary_weight": 0.5, "negatives": "skips"}
    with two_replicas.scope():
        layer = built(embedded, **options)
    one = built(embedded, **options)
    one.set_weights(layer.get_weights())

    def loss_and_output(*flat):
        share = tf.nest.pack_sequence_as(embedded, flat)
        h, details = layer(share, training=True, return_details=True)
        return details.losses["auxiliary"], h

    shares = per_replica(two_replicas, loss_and_output, *tf.nest.flatten(embedded), at=2)
    h, details = one(embedded, training=True, return_details=True)
    losses, outputs = zip(*shares, strict=True)
    np.testing.assert_allclose(sum(losses), details.losses["auxiliary"], rtol=1e-5)
    np.testing.assert_allclose(np.concatenate(outputs), h, rtol=1e-4, atol=1e-5)


def test_defaults_are_the_published_ones():
    layer = DIEN()
    layer(batch(2))
    assert layer.mlp.units == (1024, 512, 256)
    evolution = layer.evolutions["clicks"]
    assert (evolution.update, evolution.attention) == ("augru", "bilinear")
    assert (DIEN.takes, DIEN.needs) == ("embedded", {"target"})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"update": "gru"}, "`update` must be one of augru"),
        ({"attention": "cosine"}, "`attention` must be one of din"),
        ({"auxiliary_weight": -1.0}, "must be a number >= 0"),
        ({"auxiliary_units": []}, "`units` must be one or more widths"),
        ({"negatives": "skips", "histories": ["clicks", "skips"]}, "exactly one other"),
        ({"negatives": "clicks", "histories": ["clicks"]}, "exactly one other"),
    ],
)
def test_refuses_bad_options_when_constructed(options, message):
    with pytest.raises(ValueError, match=message):
        DIEN(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"negatives": "skip"}, r"neither 'batch' nor a history\. Did you mean skips\?"),
        ({"histories": ["click"]}, r"Did you mean clicks\?"),
        ({"negatives": "searches"}, r"exactly one other.*Received: \['clicks', 'skips'\]"),
    ],
)
def test_refuses_histories_that_the_data_do_not_have(options, message):
    with pytest.raises(ValueError, match=message):
        DIEN([5], **options)(batch(2))


def test_refuses_negatives_of_another_length():
    histories = {"clicks": (5, 2, 1), "skips": (4, 1, 1)}
    embedded = random_embedded(np.random.default_rng(0), 2, fields=6, histories=histories)
    with pytest.raises(ValueError, match=r"as many steps.*Received: {'clicks': 5, 'skips': 4}"):
        DIEN([5], negatives="skips", histories=["clicks"])(embedded)
