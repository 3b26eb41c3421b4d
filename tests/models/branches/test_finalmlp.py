import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from models.branches.finalmlp import FinalMLP
from tests import contract
from tests.contract import Case
from tests.models.branches.oracles import embedded, mlp, with_random_weights
from tests.models.embedded_inputs import random_embedded

FIELDS = ["user", "item", "shop", "hour"]


def small(**options) -> FinalMLP:
    sizes = {"units_1": [7, 4], "units_2": [6], "num_heads": 2, "gate_units": [5]}
    return FinalMLP(**{**sizes, "fields": FIELDS, **options})


def built(x, **options) -> FinalMLP:
    return with_random_weights(small(**options), x)


def oracle(layer, x):
    """Section 8, one example and one product at a time."""
    kernel, rows = layer.kernel.numpy().astype("float64"), []
    for b in range(len(x.field_embeddings)):
        outputs, sets = [], iter(x.extra)
        for s, names in enumerate(layer.contexts):
            h = x.field_embeddings[b].numpy().astype("float64").ravel()
            if layer.gates:
                gate = layer.gates[s]
                if names:
                    tokens = next(sets).field_embeddings[b].numpy().astype("float64")
                    context = np.concatenate([tokens[FIELDS.index(name)] for name in names])
                else:
                    context = gate.vector.numpy()[0].astype("float64")
                weights, bias = (each.astype("float64") for each in gate.factors.get_weights())
                h = h * 2.0 / (1.0 + np.exp(-(mlp(gate.hidden, context) @ weights + bias)))
            outputs.append(mlp(layer.mlps[s], h))
        o1, o2 = outputs
        d1, d2 = len(o1) // layer.num_heads, len(o2) // layer.num_heads
        t = [
            sum(
                o1[j * d1 + p] * kernel[j, p, q] * o2[j * d2 + q]
                for p in range(d1)
                for q in range(d2)
            )
            for j in range(layer.num_heads)
        ]
        rows.append(np.concatenate([o1, o2, t]))
    return np.array(rows)


@pytest.mark.parametrize("num_heads", [1, 2])
@pytest.mark.parametrize(
    "options",
    [
        {"gate_units": None},
        {},
        {"context_1": ["item"]},
        {"context_2": ["hour", "user"]},
        {"context_1": ["hour", "item"], "context_2": ["shop"]},
    ],
    ids=["no gates", "no context", "first", "second", "both"],
)
def test_matches_oracle(options, num_heads):
    x = embedded(extra=sum("context" in each for each in options))
    layer = built(x, num_heads=num_heads, **options)
    assert layer.num_extra_sets == len(x.extra)
    np.testing.assert_allclose(layer(x), oracle(layer, x), rtol=1e-4, atol=1e-4)


def test_a_linear_head_on_it_is_the_papers_logit():
    x = embedded()
    layer = built(x)
    z = layer(x)
    head = tf_keras.layers.Dense(1, bias_initializer="ones")
    received = head(z)
    w, b = (each.astype("float64") for each in head.get_weights())
    o1, o2 = z[:, :4].numpy(), z[:, 4:10].numpy()
    expected = o1 @ w[:4] + o2 @ w[4:10] + b
    for j, kernel in enumerate(layer.kernel.numpy()):
        left, right = o1[:, 2 * j : 2 * j + 2], o2[:, 3 * j : 3 * j + 3]
        expected += w[10 + j] * np.einsum("bp,pq,bq->b", left, kernel, right)[:, np.newaxis]
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-4)


def test_without_heads_it_hands_over_the_streams_alone():
    x = embedded()
    layer = built(x)
    streams = small(num_heads=0)
    streams(x)
    streams.set_weights([w.numpy() for w in layer.weights if w is not layer.kernel])
    np.testing.assert_array_equal(streams(x), layer(x)[:, :10])


def test_each_gate_looks_at_its_own_context_fields_only():
    x = embedded(extra=2)
    layer = built(x, context_1=["item"], context_2=["hour"])
    before = layer.gated(x)

    def gates_that_move(embedding_set: int, field: int) -> list[bool]:
        tokens = x.extra[embedding_set].field_embeddings + tf.one_hot(field, 4)[:, tf.newaxis]
        extra = [*x.extra]
        extra[embedding_set] = extra[embedding_set]._replace(field_embeddings=tokens)
        after = layer.gated(x._replace(extra=tuple(extra)))
        return [bool(np.any(a != b)) for a, b in zip(after, before, strict=True)]

    item, hour = FIELDS.index("item"), FIELDS.index("hour")
    for field in range(4):
        assert gates_that_move(0, field) == [field == item, False]
        assert gates_that_move(1, field) == [False, field == hour]


def test_a_context_field_is_found_by_name_wherever_it_stands():
    x, order = embedded(extra=1), [2, 0, 3, 1]
    layer = built(x, context_1=["item", "hour"])
    moved = small(context_1=["item", "hour"], fields=[FIELDS[i] for i in order])
    permuted = tf.nest.map_structure(lambda each: tf.gather(each, order, axis=1), x.extra[0])
    x_moved = x._replace(extra=(permuted,))
    moved(x_moved)
    moved.set_weights(layer.get_weights())
    np.testing.assert_allclose(moved(x_moved), layer(x), rtol=1e-6)


def test_without_context_the_gate_is_one_for_all_examples_and_starts_open():
    x = embedded()
    layer = small()
    layer(x)
    for gated in layer.gated(x):
        np.testing.assert_allclose(gated, x.flat, rtol=1e-3)
    ratios = built(x).gated(x)[0] / x.flat
    np.testing.assert_allclose(ratios, tf.broadcast_to(ratios[:1], ratios.shape), rtol=1e-5)


@pytest.mark.parametrize(
    "options", [{}, {"context_2": ["item"]}, {"gate_units": None}], ids=["none", "one", "no gates"]
)
def test_every_weight_gets_a_gradient(options, tmp_path):
    tf_keras.utils.set_random_seed(0)
    extra = sum("context" in each for each in options)
    case = Case(
        lambda: small(**options),
        lambda rng, batch: {"embedded": random_embedded(rng, batch, histories={}, extra=extra)},
    )
    contract.check_every_weight_gets_a_gradient(case)
    contract.check_any_batch_size_and_saved_model(case, str(tmp_path / "saved"))


def test_the_gradient_of_a_product_is_the_outer_product_of_its_heads():
    x = embedded(batch=1)
    layer = built(x)
    with tf.GradientTape() as tape:
        z = layer(x)[0]
        second = z[11]
    gradient = tape.gradient(second, layer.kernel)
    assert not gradient[0].numpy().any()
    np.testing.assert_allclose(gradient[1], np.outer(z[2:4], z[7:10]), rtol=1e-5)


def test_defaults_are_the_templates_sizes():
    layer = FinalMLP()
    assert [mlp.units for mlp in layer.mlps] == [(1024, 512), (1024, 512, 256)]
    assert (layer.num_heads, layer.gate_units, layer.num_extra_sets) == (2, (1024, 512), 0)
    assert FinalMLP.takes == "embedded"


def test_starts_glorot_normal_head_by_head():
    layer = small(units_1=[200], units_2=[400], num_heads=4)
    layer(embedded())
    assert layer.kernel.numpy().std() == pytest.approx(np.sqrt(2 / (50 + 100)), rel=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_heads": 4}, r"divide the last width of both MLPs, 4 and 6\..*=4\. Up to 2"),
        ({"num_heads": -1}, "num_heads=-1"),
        ({"context_2": ["itm"]}, r"context_2 names 'itm'.*Did you mean item\?"),
        ({"gate_units": None, "context_1": ["item"]}, r"context_1=\['item'\].*hidden units"),
    ],
)
def test_refuses_impossible_settings(options, message):
    with pytest.raises(ValueError, match=message):
        small(**options)


def test_refuses_inputs_that_its_contexts_cannot_be_found_in():
    with pytest.raises(
        ValueError, match=r"with 1 extra embedding sets.*Received: 0 extra embedding sets"
    ):
        small(context_1=["item"])(embedded())
    message = r"a field embedding for each of fields.*and 4 field embeddings"
    with pytest.raises(ValueError, match=message):
        small(fields=FIELDS[:3])(embedded())
    with pytest.raises(ValueError, match="Give `fields`"):
        small(context_1=["item"], fields=None)(embedded(extra=1))


def test_each_stream_has_its_own_options():
    layer = small(dropout_1=0.1, dropout_2=0.2, batch_norm_2=True, activation="tanh")
    assert [mlp.options() for mlp in layer.mlps] == [
        {"units": [7, 4], "activation": "tanh", "dropout": 0.1, "batch_norm": False},
        {"units": [6], "activation": "tanh", "dropout": 0.2, "batch_norm": True},
    ]
