import gc

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from features.preprocessing import Preprocessor
from features.raw_tensors import from_arrow
from serving.export_format import names
from serving.export_format.export_layout import SIGNATURES_FILE
from serving.export_format.names import BRANCHES, PROB, RANK, RAW_TENSORS, SERVING_DEFAULT
from serving.export_format.signature_table import read_table, user_columns
from serving.exporting.signatures import ScoringModule, probabilities
from serving.scoring.signature_inputs import signature_inputs
from tests.serving.conftest import ROWS, raw_rows

LISTS = ("tags", "clicked_item", "clicked_tag")


@pytest.fixture(scope="module")
def loaded(exported):
    return tf.saved_model.load(str(exported))


@pytest.fixture(scope="module")
def table(exported):
    return read_table(exported / SIGNATURES_FILE)


@pytest.fixture(scope="module")
def oracle(network, bundle):
    """Raw rows through preprocessing and network, with no SavedModel."""
    metadata = bundle.metadata
    preprocessor = Preprocessor(metadata.features, metadata.analysis, bundle.vocabulary_dir)

    def score(rows: pa.RecordBatch) -> dict[str, np.ndarray]:
        outputs = network(preprocessor(from_arrow(rows, metadata.features)), training=False)
        prob = {PROB: tf.sigmoid(outputs.logit[:, 0])}
        weights = np.exp(outputs.branch_logits)
        for position, branch in enumerate(network.branch_names):
            prob[f"prob_{branch}"] = tf.sigmoid(outputs.branch_logits[:, position])
            prob[f"weight_{branch}"] = weights[:, position] / weights.sum(axis=1)
        return {name: np.asarray(each) for name, each in prob.items()}

    return score


def answers(signature: str, scores: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a signature is to answer, one row at a time."""
    prob = scores[PROB]
    if signature == names.CLASSIFY:
        return {
            "classes": np.array([[b"0", b"1"] for _ in prob], object).reshape(-1, 2),
            "scores": np.array([[1 - each, each] for each in prob]).reshape(-1, 2),
        }
    if signature == names.REGRESS:
        return {"outputs": np.array([[each] for each in prob]).reshape(-1, 1)}
    return scores if signature == BRANCHES else {PROB: prob}


def check(received, expected):
    assert set(received) == set(expected)
    for name, value in received.items():
        assert value.shape == expected[name].shape, name
        if value.dtype == tf.string:
            np.testing.assert_array_equal(value, expected[name], err_msg=name)
        else:
            assert value.dtype == tf.float32
            np.testing.assert_allclose(value, expected[name], atol=1e-6, err_msg=name)


def score(loaded, bundle, signature, rows, user=()):
    inputs = signature_inputs(signature, rows, bundle.metadata.features, user)
    return loaded.signatures[signature](**inputs)


OF_ROWS = [each for each in names.SIGNATURES if each != RANK]


@pytest.mark.parametrize("signature", OF_ROWS)
def test_raw_rows_score_as_in_training(loaded, bundle, rows, oracle, signature):
    expected = oracle(rows)
    check(score(loaded, bundle, signature, rows), answers(signature, expected))
    assert np.ptp(expected[PROB]) > 0.05  # rows that all score alike would prove nothing


def of_one_user(user: dict, candidates: list[dict]) -> list[dict]:
    """Whole rows of one user's features and each candidate's, as `rank` has them by default."""
    theirs = ("user_id:token", "clicked_item", "clicked_tag")
    of_user = {name: user[name] for name in theirs if name in user}
    return [
        {**{name: x for name, x in row.items() if name not in theirs}, **of_user}
        for row in candidates
    ]


@pytest.mark.parametrize("user", ROWS[:2] + ROWS[3:], ids=["long", "short", "empty history"])
@pytest.mark.parametrize("candidates", [1, 4, 9])
def test_rank_scores_candidates_as_whole_rows(loaded, bundle, oracle, table, user, candidates):
    rows = raw_rows(of_one_user(user, (ROWS * 3)[:candidates]))
    columns = user_columns(table)
    inputs = signature_inputs(RANK, rows, bundle.metadata.features, columns)
    assert {name: len(x) for name, x in inputs.items() if len(x) != candidates or len(x) == 1} == (
        dict.fromkeys(["user_id_token", "clicked_item", "clicked_tag"], 1)
        if candidates > 1
        else dict.fromkeys(inputs, 1)
    )
    check(loaded.signatures[RANK](**inputs), {PROB: oracle(rows)[PROB]})


def test_rank_without_candidates_has_no_scores(loaded, bundle, rows, table):
    inputs = signature_inputs(RANK, rows, bundle.metadata.features, user_columns(table))
    none = {
        name: x if table[RANK].inputs[name].side == names.USER else x[:0]
        for name, x in inputs.items()
    }
    assert loaded.signatures[RANK](**none)[PROB].shape == (0,)


def test_inputs_are_named_typed_and_shaped_for_any_batch(table):
    for signature in (SERVING_DEFAULT, BRANCHES):
        assert described(table[signature].inputs) == {"examples": ("string", (None,))}
    for signature in (names.CLASSIFY, names.REGRESS):
        assert described(table[signature].inputs) == {"inputs": ("string", (None,))}
    assert described(table[RAW_TENSORS].inputs) == {
        "user_id_token": ("string", (None,)),
        "item": ("string", (None,)),
        "time": ("int64", (None,)),
        "price": ("float32", (None,)),
        "age": ("float32", (None,)),
        "views": ("float32", (None,)),
        "tags": ("string", (None, None)),
        "clicked_item": ("string", (None, None)),
        "clicked_tag": ("string", (None, None)),
        "picture": ("float32", (None, 2)),
    }
    assert described(table[RANK].inputs) == described(table[RAW_TENSORS].inputs) | {
        "user_id_token": ("string", (1,)),
        "clicked_item": ("string", (1, None)),
        "clicked_tag": ("string", (1, None)),
    }


def described(tensors) -> dict[str, tuple]:
    return {name: (each.dtype, each.shape) for name, each in tensors.items()}


def test_the_table_beside_the_export_is_what_its_signatures_say(exported, table):
    saved = saved_model_pb2.SavedModel.FromString((exported / "saved_model.pb").read_bytes())
    definitions = dict(saved.meta_graphs[0].signature_def)
    definitions.pop("__saved_model_init_op")
    assert set(table) == set(definitions) == set(names.SIGNATURES)
    for signature, definition in definitions.items():
        for part in ("inputs", "outputs"):
            expected = {
                name: (
                    tf.as_dtype(each.dtype).name,
                    tuple(None if dim.size < 0 else dim.size for dim in each.tensor_shape.dim),
                )
                for name, each in getattr(definition, part).items()
            }
            assert described(getattr(table[signature], part)) == expected, signature


@pytest.mark.parametrize("signature", OF_ROWS)
def test_a_batch_may_be_empty_or_a_single_row(loaded, bundle, rows, oracle, signature):
    for part in (rows.slice(0, 0), rows.slice(1, 1)):
        check(score(loaded, bundle, signature, part), answers(signature, oracle(part)))


@pytest.mark.parametrize("signature", [RAW_TENSORS, RANK])
def test_padding_of_dense_lists_never_changes_a_score(loaded, bundle, rows, table, signature):
    inputs = signature_inputs(signature, rows, bundle.metadata.features, user_columns(table))
    wider = dict(inputs)
    for name in LISTS:
        wider[name] = tf.pad(inputs[name], [[0, 0], [0, 7]], constant_values="")
    scores = loaded.signatures[signature]
    np.testing.assert_array_equal(scores(**wider)[PROB], scores(**inputs)[PROB])


@pytest.mark.parametrize("signature", [RAW_TENSORS, RANK])
def test_steps_of_a_history_that_differ_in_number_are_refused(
    loaded, bundle, rows, table, signature
):
    inputs = signature_inputs(signature, rows, bundle.metadata.features, user_columns(table))
    inputs["clicked_tag"] = inputs["clicked_tag"][:, :-1]
    with pytest.raises(tf.errors.InvalidArgumentError, match="must have one length in each row"):
        loaded.signatures[signature](**inputs)


def test_unknown_tokens_share_an_id_that_is_not_the_missing_ones(loaded, bundle):
    values = [{"item": "i2"}, {"item": "x"}, {"item": "y"}, {}, {"item": "i1"}]
    prob = score(loaded, bundle, SERVING_DEFAULT, raw_rows(values))[PROB].numpy()
    assert prob[1] == prob[2]
    assert len({*prob.tolist()}) == 4


def test_a_missing_number_scores_as_its_default(loaded, bundle):
    rows = raw_rows([{"item": "i1"}, {"item": "i1", "price": 2.0}, {"item": "i1", "price": 3.0}])
    prob = score(loaded, bundle, SERVING_DEFAULT, rows)[PROB].numpy()  # 2 is the mean of `price`
    assert prob[0] == pytest.approx(prob[1], abs=1e-7)
    assert abs(prob[0] - prob[2]) > 1e-4


def test_an_example_without_features_scores_like_a_row_of_missing_values(loaded, bundle, rows):
    empty = loaded.signatures[SERVING_DEFAULT](examples=tf.constant([b""]))
    missing = score(loaded, bundle, RAW_TENSORS, rows.slice(3, 1))  # the row {}
    np.testing.assert_allclose(empty[PROB], missing[PROB], atol=1e-7)


def test_lookup_tables_are_initialised_once_and_not_by_any_signature(loaded, bundle):
    for function in loaded.signatures.values():
        graph = function.graph.as_graph_def()
        nodes = [*graph.node, *(node for each in graph.library.function for node in each.node_def)]
        operations = {node.op for node in nodes}
        assert "LookupTableFindV2" in operations
        assert not any("HashTable" in each or "Initialize" in each for each in operations)
    assert len(loaded.tables) == len(bundle.metadata.features.vocabularies)


def test_the_graph_that_servers_load_has_one_table_and_one_initializer_a_vocabulary(
    exported, bundle
):
    saved = saved_model_pb2.SavedModel.FromString((exported / "saved_model.pb").read_bytes())
    graph = saved.meta_graphs[0].graph_def
    nodes = [node.op for node in graph.node]
    inside = [node.op for function in graph.library.function for node in function.node_def]
    vocabularies = len(bundle.metadata.features.vocabularies)
    assert nodes.count("HashTableV2") == vocabularies  # the functions are the eager loader's
    assert (nodes + inside).count("InitializeTableFromTextFileV2") == vocabularies


def test_only_what_the_signatures_use_is_saved(exported, network):
    saved = sum(
        int(np.prod(shape))
        for _, shape in tf.train.list_variables(exported / "variables" / "variables")
    )
    used = network.count_params() - int(tf.size(network.unused))
    assert used <= saved < used + 10  # the rest is bookkeeping of the checkpoint


def test_a_network_without_branch_heads_has_no_branches_signature(bundle, make_network):
    network = make_network(heads="fused")
    module = ScoringModule(
        network, bundle.metadata, bundle.vocabulary_dir, f"{bundle.path}/metadata.json"
    )
    assert set(module.signature_functions) == set(module.table) == {*names.SIGNATURES} - {BRANCHES}


def test_rank_hands_the_network_the_users_features_once_and_says_so(bundle, network):
    batches = []

    def watched(features, training):
        batches.append({name: x.shape[0] for name, x in features.items()})
        return network(features, training=training)

    watched.branch_names = network.branch_names
    metadata_path = f"{bundle.path}/metadata.json"
    ScoringModule(watched, bundle.metadata, bundle.vocabulary_dir, metadata_path, ["item"])
    assert batches[0] == dict.fromkeys(batches[0])  # of unknown size
    # Every kind of feature; their preprocessing was of one row, too.
    assert batches[-1] == {name: None if name == "item" else 1 for name in batches[0]}


def test_the_network_may_be_gone_when_its_module_is_saved(bundle, tmp_path, make_network):
    module = ScoringModule(
        make_network(), bundle.metadata, bundle.vocabulary_dir, f"{bundle.path}/metadata.json"
    )
    gc.collect()
    module.save(str(tmp_path))
    assert tf.saved_model.load(str(tmp_path)).signatures


def test_bfloat16_networks_give_float32_probabilities(make_network, bundle, rows):
    network = make_network(policy="mixed_bfloat16")
    metadata = bundle.metadata
    inputs = Preprocessor(metadata.features, metadata.analysis, bundle.vocabulary_dir)(
        from_arrow(rows, metadata.features)
    )
    outputs = probabilities(network, inputs)
    logit = network(inputs).logit
    assert logit.dtype == tf.bfloat16  # the case that is tested
    assert {value.dtype for value in outputs.values()} == {tf.float32}
    np.testing.assert_allclose(outputs[PROB], tf.sigmoid(tf.cast(logit[:, 0], tf.float32)))
