"""Points of the design space that the small network of the other tests does not visit."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from features.errors import ConfigError
from features.inputs import InputSpec
from models.network import CooperativeNetwork
from models.spec.build_network import build_network
from models.spec.network_config import NetworkConfig
from tests.contract import assert_close
from tests.models import small

DEEP = {"type": "deep", "units": [8, 6]}


def network(inputs=small.INPUTS, teachers=(), **settings) -> CooperativeNetwork:
    defaults = {
        "embedding": {"embedding_dim": 4, "stddev": 0.5},
        "alignment": "none",
        "cooperation": {},
    }
    config = NetworkConfig(**{**defaults, **settings})
    return build_network(config, inputs, small.GROUPS, teachers)


def test_copies_are_branches_of_one_kind_and_other_weights():
    net = network(branches={"one": DEEP, "two": {**DEEP, "copies": 2}}, tables="per_branch")
    assert net.branch_names == ("one", "two_1", "two_2")
    assert net.embedding_set_names == ("one", "two_1", "two_2")
    x, *_ = small.rows(0, 4)
    z = net(x).representations.numpy()
    assert not np.allclose(z[:, 1], z[:, 2])


def test_copies_may_share_their_weights_and_differ_by_their_tables():
    net = network(branches={"a": {**DEEP, "copies": 2, "share_weights": True}}, tables="per_branch")
    assert net.branches["a_1"] is net.branches["a_2"]
    x, *_ = small.rows(0, 4)
    table = net.embeddings.tables[0].table.numpy()
    assert not np.allclose(*np.moveaxis(net(x).representations.numpy(), 1, 0))
    net.embeddings.tables[0].table.assign(np.concatenate([table[:, :4], table[:, :4]], axis=1))
    for projection in net.embeddings.projections.values():
        kernel = projection.numpy()
        projection.assign(np.concatenate([kernel[:, :4], kernel[:, :4]], axis=1))
    assert_close(*tf.unstack(net(x).representations, axis=1))
    clone = CooperativeNetwork.from_config(net.get_config())
    assert clone.branches["a_1"] is clone.branches["a_2"]


def test_branches_that_name_one_embedding_set_share_it():
    net = network(
        branches=dict.fromkeys(("a", "b", "c"), DEEP),
        tables={"a": "first", "b": "second", "c": "first"},
    )
    assert net.embedding_sets == {"a": (0,), "b": (1,), "c": (0,)}
    assert net.embedding_set_names == ("a+c", "b")


@pytest.mark.parametrize(("gate_table", "sets"), [("own", 3), ("b", 2)])
def test_a_gate_reads_an_embedding_set_of_its_own_or_a_branchs(gate_table, sets):
    net = network(
        branches={"a": DEEP, "b": DEEP},
        tables="per_branch",
        gate_table=gate_table,
        heads="fused",
        fusion={"type": "gate", "units": [5]},
        tower={"units": [7]},
    )
    assert net.embeddings.layout.num_sets == sets
    x, labels, _ = small.rows(0, 6)
    outputs = net(x)
    np.testing.assert_allclose(tf.reduce_sum(outputs.fusion_weights, axis=1), 1.0, rtol=1e-6)
    z, g = outputs.representations.numpy(), outputs.fusion_weights.numpy()
    expected = net.head_layers["fused"](net.tower(np.einsum("bnd,bn->bd", z, g)))
    np.testing.assert_allclose(outputs.logit, expected, rtol=1e-5)
    with tf.GradientTape() as tape:
        loss = net.compute_loss((x, labels))
    columns = tf.convert_to_tensor(tape.gradient(loss, net.embeddings.tables[0].table)).numpy()
    gate = columns[
        :,
        net.gate_table * net.embeddings.layout.embedding_dim : (net.gate_table + 1)
        * net.embeddings.layout.embedding_dim,
    ]
    assert np.abs(gate).max() > 0.0
    before = outputs.fusion_weights.numpy()
    table = net.embeddings.tables[0].table.numpy()
    table[:, : net.embeddings.layout.embedding_dim] += 1.0  # the tables of branch a
    net.embeddings.tables[0].table.assign(table)
    np.testing.assert_array_equal(net(x).fusion_weights, before)


def test_confidence_weighs_by_the_branches_own_logits():
    net = network(branches={"a": DEEP, "b": DEEP}, fusion={"type": "confidence", "combine": "sum"})
    x, *_ = small.rows(0, 6)
    outputs = net(x)
    expected = net.fusion.fusion_weights(outputs.branch_logits)
    np.testing.assert_allclose(outputs.fusion_weights, expected, rtol=1e-6)


def test_a_fusion_of_logits_needs_no_head():
    net = network(branches={"a": DEEP, "b": DEEP}, fusion="logit")
    assert set(net.head_layers) == {"a", "b"}
    x, *_ = small.rows(0, 6)
    outputs = net(x)
    expected = outputs.branch_logits.numpy().mean(axis=1, keepdims=True)
    np.testing.assert_allclose(outputs.logit, expected, rtol=1e-6)


def test_loglosses_have_weights():
    net = network(branches={"a": DEEP, "b": DEEP}, logloss_weights={"fused": 0.0, "b": 0.25})
    x, labels, _ = small.rows(0, 6)
    terms = net.loss_terms(net(x), labels)
    expected = terms["logloss_a"] + 0.25 * terms["logloss_b"]
    np.testing.assert_allclose(net.compute_loss((x, labels)), expected, rtol=1e-6)


@pytest.mark.parametrize("at", ["input", "intermediate", "output"])
def test_decorrelation_reads_the_place_it_is_put_at(at):
    cross = {"type": "cross_v2", "num_layers": 2, "copies": 2}
    net = network(
        branches={"cross": cross},
        tables="per_branch",
        heads="fused",
        cooperation={"decorrelation": {"weight": 1.0, "at": at}},
    )
    x, labels, _ = small.rows(0, 32)
    outputs = net(x)
    width = 7 * 4
    if at == "intermediate":
        assert [each.shape for each in outputs.for_losses.intermediates] == [(32, 2, width)] * 2
    elif at == "input":
        tokens = [each.flat for each in net.embeddings(x)]
        np.testing.assert_array_equal(outputs.for_losses.inputs, tf.stack(tokens, axis=1))
    with tf.GradientTape() as tape:
        loss = net.loss_terms(net(x), labels)["decorrelation"]
    kernels = [
        each for each in net.trainable_weights if "cross" in each.name and "kernel" in each.name
    ]
    reached = [each is not None for each in tape.gradient(loss, kernels)]
    assert any(reached) == (at != "input")


def test_a_branchs_own_loss_is_a_term():
    net = network(
        branches={"dien": {"type": "dien", "auxiliary_weight": 0.5, "units": [6]}}, heads="fused"
    )
    assert net.term_names == ("logloss", "dien_auxiliary")
    x, labels, _ = small.rows(0, 12)
    terms = net.loss_terms(net(x), labels)
    assert terms["dien_auxiliary"] > 0.0


def test_teachers_are_asked_and_never_trained_or_saved(tmp_path):
    loss = {"ensemble_distillation": {"weight": 1.0}}
    teacher = network(branches={"deep": DEEP}, heads="fused")
    student = network(branches={"deep": DEEP}, heads="fused", cooperation=loss, teachers=[teacher])
    data = small.rows(0, 16)
    outputs = student(data[0])
    np.testing.assert_array_equal(outputs.for_losses.teacher_logits, teacher(data[0]).logit)
    before = teacher.get_weights()
    student.compile(optimizer=tf_keras.optimizers.SGD(0.5))
    student.train_on_batch(*data[:2])
    for old, new in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    student.save_weights(str(tmp_path / "weights"))
    student.forget_teachers()
    assert student(data[0]).for_losses.teacher_logits is None
    alone = network(branches={"deep": DEEP}, heads="fused", cooperation=loss)
    assert alone.loss_terms(alone(data[0]), data[1])["ensemble_distillation"] == 0.0
    status = alone.load_weights(str(tmp_path / "weights"))
    status.assert_existing_objects_matched()
    assert_close(alone(data[0]).logit, student(data[0]).logit)


PLAIN = (InputSpec("user", "categorical", "user", 11), InputSpec("item", "categorical", "item", 23))
NO_TARGET = (*PLAIN, InputSpec("seen", "sequence", "seen", 9, length=3))
PAIR = {"a": DEEP, "b": DEEP}


@pytest.mark.parametrize(
    ("inputs", "settings", "message"),
    [
        (
            PLAIN,
            {"branches": {"din": "din"}},
            r"branches.din \(din\) reads the user's history, and the features declare none.*"
            "Declare a feature of `kind: sequence`",
        ),
        (PLAIN, {"branches": {"interformer": "interformer"}}, "interformer.*declare none"),
        (
            NO_TARGET,
            {"branches": {"dien": "dien"}},
            r"shares a vocabulary with a sequence \(seen\)",
        ),
        (
            PLAIN,
            {"branches": {"efgc": "efgc", "deep": DEEP}, "tables": "per_branch"},
            "group 'pair' names feature|crosses feature groups",
        ),
        (
            small.INPUTS,
            {"branches": {"interformer": {"type": "interformer", "num_heads": 3}}},
            "num_heads.*3",
        ),
        (
            small.INPUTS,
            {
                "branches": {"a": {"type": "cross_v2"}, "b": {"type": "cross_v2", "num_layers": 2}},
                "cooperation": {"decorrelation": {"weight": 1.0, "at": "intermediate"}},
            },
            r"layers of the same widths.*a \[28, 28, 28\]; b \[28, 28\].*`at: output`",
        ),
    ],
)
def test_refuses_what_the_data_cannot_give(inputs, settings, message):
    groups = {} if inputs is PLAIN else small.GROUPS
    settings = {"alignment": "none", "cooperation": {}, "heads": "fused", **settings}
    with pytest.raises(ConfigError, match=message) as refused:
        build_network(NetworkConfig(embedding={"embedding_dim": 4}, **settings), inputs, groups)
    assert "Call arguments" not in str(refused.value)
    assert "\n" not in str(refused.value)
