import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from features.inputs import InputSpec
from models.alignment import Alignment, NoAlignment
from models.branches import Branch, Deep
from models.cooperation import BranchCoTeaching, CooperationLoss, ModerateDifferentiation
from models.embeddings import EmbeddingBank, EmbeddingLayout
from models.fusion import Fusion, MeanFusion
from models.network import CooperativeNetwork
from models.network.outputs import ForLosses
from tests.contract import assert_close
from tests.models import small


def bce(labels, logits, weights=None):
    logits = np.asarray(logits, "float64").reshape(len(labels), -1)
    losses = np.log1p(np.exp(logits)) - np.asarray(labels).reshape(-1, 1) * logits
    return np.average(losses, axis=0, weights=weights)


@pytest.fixture(scope="module")
def network() -> CooperativeNetwork:
    return small.network()


def test_outputs_have_the_promised_shapes_and_types(network):
    x, *_ = small.rows(0, 5)
    outputs = network(x)
    assert network.branch_names == ("efgc", "cross", "deep")
    *public, for_losses = outputs
    shapes = [(tuple(x.shape), x.dtype) for x in public]
    assert dict(zip(outputs._fields, shapes, strict=False)) == {
        "logit": ((5, 1), tf.float32),
        "branch_logits": ((5, 3), tf.float32),
        "representations": ((5, 3, 6), tf.float32),
        "fusion_weights": ((5, 3), tf.float32),
    }
    assert for_losses == ForLosses()  # nothing is read that no loss takes


def test_every_branch_has_its_own_head_and_the_fusion_another(network):
    x, *_ = small.rows(0, 5)
    outputs = network(x)
    z = outputs.representations.numpy()
    for i, name in enumerate(network.branch_names):
        kernel, bias = network.head_layers[name].get_weights()
        expected = z[:, i] @ kernel + bias
        np.testing.assert_allclose(outputs.branch_logits[:, i : i + 1], expected, rtol=1e-5)
    kernel, bias = network.head_layers["fused"].get_weights()
    np.testing.assert_allclose(outputs.logit, z.mean(1) @ kernel + bias, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_loss_terms_are_what_their_names_say(network, weighted):
    x, labels, weights = small.rows(0, 9)
    weights = weights if weighted else None
    outputs = network(x)
    terms = network.loss_terms(outputs, labels, weights)
    assert tuple(terms) == network.term_names
    assert network.term_names == (
        "logloss",
        "logloss_efgc",
        "logloss_cross",
        "logloss_deep",
        "co_teaching",
        "moderate_differentiation",
        "representation_distance",
        "embedding_l2",
    )
    np.testing.assert_allclose(terms["logloss"], bce(labels, outputs.logit, weights)[0], 1e-5)
    each = [terms[f"logloss_{name}"] for name in network.branch_names]
    np.testing.assert_allclose(each, bce(labels, outputs.branch_logits, weights), rtol=1e-5)
    expected = BranchCoTeaching()(outputs.branch_logits, labels=labels[:, None])
    np.testing.assert_allclose(terms["co_teaching"], expected, rtol=1e-6)
    total = sum(terms.values()) - 0.9 * sum(
        terms[name]
        for name in ("co_teaching", "moderate_differentiation", "representation_distance")
    )
    data = (x, labels) if weights is None else (x, labels, weights)
    np.testing.assert_allclose(network.compute_loss(data), total, rtol=1e-6)


def test_labels_may_be_flat_or_a_column_but_nothing_else(network):
    x, labels, _ = small.rows(0, 4)
    outputs = network(x)
    assert_close(network.loss_terms(outputs, labels[:, None]), network.loss_terms(outputs, labels))
    with pytest.raises(ValueError, match=r"labels must have shape \(batch,\).*\(4, 2\)"):
        network.loss_terms(outputs, np.zeros((4, 2)))


def test_every_weight_gets_a_gradient_from_the_losses(network):
    small.assert_every_weight_is_moved(network)


def test_the_loss_of_an_empty_batch_is_its_regulariser(network):
    x, labels, _ = small.rows(0, 0)
    terms = network.loss_terms(network(x), labels)
    assert {name for name, term in terms.items() if term != 0.0} == {"embedding_l2"}


def test_all_weights_exist_before_any_batch():
    names = {v.name.rsplit("/", 1)[-1] for v in small.network().weights}
    assert {"table:0", "transforms:0", "kernel_v:0", "moving_mean:0", "first_bad_step:0"} <= names


def test_loss_and_logits_are_float32_under_mixed_precision():
    tf_keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        network = small.network()
    finally:
        tf_keras.mixed_precision.set_global_policy("float32")
    x, labels, weights = small.rows(0, 9)
    outputs = network(x, training=True)
    assert outputs.representations.dtype == tf.bfloat16
    assert outputs.logit.dtype == outputs.branch_logits.dtype == tf.float32
    terms = network.loss_terms(outputs, labels, weights)
    assert {term.dtype for term in terms.values()} == {tf.float32}
    network.compile(optimizer=tf_keras.optimizers.SGD(0.1))
    logs = network.train_on_batch(x, labels, return_dict=True)
    assert np.isfinite(logs["loss"])
    assert network.divergence() is None


def test_forward_and_losses_compile_under_xla(network):
    x, labels, weights = small.rows(0, 9)

    def terms(x, labels, weights):
        return network.loss_terms(network(x), labels, weights)

    compiled = tf.function(terms, jit_compile=True)(x, labels, weights)
    assert_close(compiled, terms(x, labels, weights), rtol=1e-4)


def test_tables_per_branch_are_independent():
    network = small.network(tables="per_branch")
    x, *_ = small.rows(0, 5)
    before = network(x).branch_logits.numpy()
    table = network.embeddings.tables[0].table
    changed = table.numpy()
    changed[:, 4:8] += 1.0  # the second branch's set
    table.assign(changed)
    after = network(x).branch_logits.numpy()
    assert (before != after).any(axis=0).tolist() == [False, True, False]


def test_heads_fused_leaves_branch_logits_out():
    network = small.network(heads="fused", cooperation={})
    x, *_ = small.rows(0, 5)
    outputs = network(x)
    given = {name for name, value in outputs._asdict().items() if value is not None}
    assert given == {"logit", "representations", "fusion_weights", "for_losses"}
    assert outputs.for_losses == ForLosses()
    assert network.term_names == ("logloss", "embedding_l2")
    assert set(network.predict(x, verbose=0)) == {"logit", "unit_low", "unit_high"}


def test_the_weight_of_a_loss_rises_in_training_and_is_whole_in_evaluation():
    settings = {"representation_distance": {"weight": 0.5, "warmup_steps": 4}}
    network = small.network(cooperation={**small.SETTINGS["cooperation"], **settings})
    network.compile(optimizer=tf_keras.optimizers.SGD(0.1))
    x, labels, _ = small.rows(0, 6)
    terms = network.loss_terms(network(x), labels)
    others = sum(
        float(term) * (0.1 if name in ("co_teaching", "moderate_differentiation") else 1.0)
        for name, term in terms.items()
        if name != "representation_distance"
    )
    distance = float(terms["representation_distance"])
    assert distance > 0.1
    # Not `training=True` of the whole network, whose batch statistics would be others.
    network.__dict__["_outputs_and_terms"] = lambda inputs, training: (None, terms)
    for step, factor in ((0, 0.0), (1, 0.25), (3, 0.75), (4, 1.0), (9, 1.0)):
        network.optimizer.iterations.assign(step)
        loss = network.compute_loss((x, labels), training=True)
        np.testing.assert_allclose(loss, others + 0.5 * factor * distance, rtol=1e-6)
    network.optimizer.iterations.assign(0)
    np.testing.assert_allclose(
        network.compute_loss((x, labels)), others + 0.5 * distance, rtol=1e-6
    )
    assert CooperativeNetwork.from_config(network.get_config()).warmup_steps == {
        "representation_distance": 4
    }


def test_diagnostics_are_named_after_their_loss_and_pair(network):
    x, labels, _ = small.rows(0, 6)
    shown = network.diagnostics(network(x), labels)
    w = network.cooperation_losses["moderate_differentiation"].transforms.numpy()
    pairs = ("efgc_cross", "efgc_deep", "cross_deep")
    for pair, matrix in zip(pairs, w, strict=True):
        apart = shown[f"moderate_differentiation_from_identity_{pair}"]
        np.testing.assert_allclose(apart, np.linalg.norm(matrix - np.eye(6)), rtol=1e-5)
    assert set(shown) == set(network.names_beside_terms)
    assert 0.0 <= shown["co_teaching_share"] <= 1.0


def test_round_trips_through_its_config():
    network = small.network(tables="per_branch", cooperation={"co_teaching": {"weight": 0.3}})
    clone = CooperativeNetwork.from_config(network.get_config())
    clone.set_weights(network.get_weights())
    data = small.rows(0, 5)
    assert_close(clone(data[0]), network(data[0]))
    assert clone.branch_names == network.branch_names
    np.testing.assert_allclose(clone.compute_loss(data), network.compute_loss(data), rtol=1e-6)


def test_a_checkpoint_holds_everything(tmp_path):
    network, other = small.network(), small.network()
    network.save_weights(str(tmp_path / "weights"))
    other.load_weights(str(tmp_path / "weights")).assert_consumed()
    x, *_ = small.rows(0, 5)
    assert_close(other(x), network(x))
    for a, b in zip(other.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


INPUTS = (InputSpec("a", "categorical", "a", 5),)


def plain(branches=None, cooperation=None, heads="all", inputs=INPUTS, num_sets=1):
    return CooperativeNetwork(
        EmbeddingBank(EmbeddingLayout(inputs, embedding_dim=2, num_sets=num_sets)),
        branches or {"one": Deep([3]), "two": Deep([3])},
        NoAlignment(),
        MeanFusion(),
        cooperation,
        heads,
    )


def test_any_layer_on_flat_inputs_is_a_branch():
    network = plain({"one": tf_keras.layers.Dense(3), "two": Deep([3])})
    assert network({"a": tf.constant([1, 2])}).representations.shape == (2, 2, 3)


@tf_keras.utils.register_keras_serializable(package="test_network")
class OwnFusion(tf_keras.layers.Layer):
    def call(self, representations, logits=None, gate_input=None):
        return representations[:, 0]


@tf_keras.utils.register_keras_serializable(package="test_network")
class OwnAlignment(tf_keras.layers.Layer):
    def call(self, representations, names=()):
        return tf.stack(representations, axis=1)


@tf_keras.utils.register_keras_serializable(package="test_network")
class OwnLoss(tf_keras.layers.Layer):
    takes = ("logits", "labels")

    def call(self, logits, labels):
        return tf.reduce_sum(tf.square(logits - labels))


def own_layers() -> CooperativeNetwork:
    """One layer under two names, and on every axis a layer that knows nothing of Concord."""
    shared = tf_keras.layers.Dense(3, name="own")
    return CooperativeNetwork(
        EmbeddingBank(EmbeddingLayout(INPUTS, embedding_dim=2, num_sets=2)),
        {"one": shared, "two": shared},
        OwnAlignment(),
        OwnFusion(),
        {"agreement": (OwnLoss(), 0.5)},
        embedding_sets={"one": (0,), "two": (1,)},
    )


def test_layers_of_ones_own_are_wrapped_once():
    network = own_layers()
    assert isinstance(network.branches["one"], Branch)
    assert network.branches["one"] is network.branches["two"]
    assert isinstance(network.alignment, Alignment)
    assert isinstance(network.fusion, Fusion)
    assert isinstance(network.cooperation_losses["agreement"], CooperationLoss)
    clone = CooperativeNetwork.from_config(network.get_config())
    assert clone.branches["one"] is clone.branches["two"]
    assert type(clone.branches["one"].layer) is tf_keras.layers.Dense  # not wrapped again
    clone.set_weights(network.get_weights())
    data = {"a": tf.constant([1, 2])}, np.array([0.0, 1.0])
    assert_close(clone(data[0]), network(data[0]))
    assert clone(data[0]).fusion_weights is None
    network.compile(optimizer=tf_keras.optimizers.SGD(0.1))
    before = network.get_weights()
    network.fit(*data, verbose=0)
    changed = [not np.array_equal(a, b) for a, b in zip(before, network.get_weights(), strict=True)]
    assert sum(changed) == len(network.trainable_weights)


def test_its_parts_are_given_by_name():
    network = small.network()
    assert tuple(network.branches) == network.branch_names == ("efgc", "cross", "deep")
    assert isinstance(network.branches["deep"], Deep)
    assert list(network.cooperation_losses) == list(small.SETTINGS["cooperation"])
    assert isinstance(network.cooperation_losses["co_teaching"], BranchCoTeaching)
    assert list(network.head_layers) == ["efgc", "cross", "deep", "fused"]
    assert network.heads == "all"


def test_a_branch_may_take_tokens_and_histories():
    class LastStep(tf_keras.layers.Layer):
        takes = "embedded"

        def call(self, embedded):
            return embedded.histories["h"].events[:, -1]

    inputs = [InputSpec("a", "sequence", "a", 5, length=3, history="h")]
    network = plain({"last": LastStep()}, inputs=inputs)
    a = tf.constant([[1, 2, 3], [1, 0, 0]])
    z = network({"a": a}).representations.numpy()
    np.testing.assert_allclose(z[0, 0], network.embeddings.tables[0].table[3])
    assert not z[1].any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"heads": "some"}, "'all' or 'fused'.*'some'"),
        ({"num_sets": 3}, "one per branch.*num_sets=3"),
        ({"branches": {"fused": Deep([3])}}, "no branch may be called 'fused'"),
        ({"cooperation": {"logloss_one": (BranchCoTeaching(), 0.1)}}, "must be distinct"),
        ({"cooperation": {"bct": (BranchCoTeaching(), 0.1)}, "heads": "fused"}, "'bct'.*'all'"),
        ({"branches": {"a": Deep([3]), "b": Deep([2])}}, "a 3, b 2. Set the"),
        (
            {"branches": {"a": Deep([3])}, "cooperation": {"m": (ModerateDifferentiation(), 1.0)}},
            "num_branches >= 2",
        ),
    ],
)
def test_says_what_does_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        plain(**arguments)
