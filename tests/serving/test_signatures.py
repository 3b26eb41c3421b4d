import gc

import numpy as np
import pytest
import tensorflow as tf

from features.preprocessing import Preprocessor
from features.raw_tensors import from_arrow
from serving.inputs import signature_inputs
from serving.names import BRANCHES, PROB, RAW_TENSORS, SERVING_DEFAULT, branch_output
from serving.signatures import ScoringModule, probabilities


@pytest.fixture(scope="module")
def loaded(exported):
    return tf.saved_model.load(str(exported))


@pytest.fixture(scope="module")
def expected(network, bundle, rows):
    """The same raw rows through preprocessing and network, with no SavedModel."""
    metadata = bundle.metadata
    preprocessor = Preprocessor(metadata.features, metadata.analysis, bundle.vocabulary_dir)
    outputs = network(preprocessor(from_arrow(rows, metadata.features)), training=False)
    prob = {PROB: tf.sigmoid(outputs["logit"][:, 0])}
    for position, branch in enumerate(network.branch_names):
        prob[branch_output(branch)] = tf.sigmoid(outputs["branch_logits"][:, position])
    return prob


def score(loaded, bundle, signature, rows):
    inputs = signature_inputs(signature, rows, bundle.metadata.features)
    return loaded.signatures[signature](**inputs)


@pytest.mark.parametrize("signature", [SERVING_DEFAULT, RAW_TENSORS, BRANCHES])
def test_raw_rows_score_as_in_training(loaded, bundle, rows, expected, signature):
    received = score(loaded, bundle, signature, rows)
    assert set(received) == (set(expected) if signature == BRANCHES else {PROB})
    for name, value in received.items():
        np.testing.assert_allclose(value, expected[name], atol=1e-6, err_msg=name)
    assert np.ptp(expected[PROB]) > 0.05  # rows that all score alike would prove nothing


def test_inputs_are_named_typed_and_shaped_for_any_batch(loaded):
    inputs = {
        name: function.structured_input_signature[1] for name, function in loaded.signatures.items()
    }
    for signature in (SERVING_DEFAULT, BRANCHES):
        assert list(inputs[signature]) == ["examples"]
        assert inputs[signature]["examples"].dtype == tf.string
        assert inputs[signature]["examples"].shape.as_list() == [None]
    received = {
        name: (spec.dtype, spec.shape.as_list()) for name, spec in inputs[RAW_TENSORS].items()
    }
    assert received == {
        "user_id_token": (tf.string, [None]),
        "item": (tf.string, [None]),
        "time": (tf.int64, [None]),
        "price": (tf.float32, [None]),
        "age": (tf.float32, [None]),
        "views": (tf.float32, [None]),
        "tags": (tf.string, [None, None]),
        "clicked_item": (tf.string, [None, None]),
        "clicked_tag": (tf.string, [None, None]),
        "picture": (tf.float32, [None, 2]),
    }


def test_outputs_are_flat_float32(loaded):
    for function in loaded.signatures.values():
        for spec in function.structured_outputs.values():
            assert (spec.dtype, spec.shape.as_list()) == (tf.float32, [None])


@pytest.mark.parametrize("signature", [SERVING_DEFAULT, RAW_TENSORS, BRANCHES])
def test_a_batch_may_be_empty_or_a_single_row(loaded, bundle, rows, signature):
    assert score(loaded, bundle, signature, rows.slice(0, 0))[PROB].shape == (0,)
    one = score(loaded, bundle, signature, rows.slice(1, 1))[PROB]
    np.testing.assert_allclose(one, score(loaded, bundle, signature, rows)[PROB][1:2], atol=1e-6)


def test_padding_of_dense_lists_never_changes_a_score(loaded, bundle, rows):
    inputs = signature_inputs(RAW_TENSORS, rows, bundle.metadata.features)
    wider = dict(inputs)
    for name in ("tags", "clicked_item", "clicked_tag"):
        wider[name] = tf.pad(inputs[name], [[0, 0], [0, 7]], constant_values="")
    scores = loaded.signatures[RAW_TENSORS]
    np.testing.assert_array_equal(scores(**wider)[PROB], scores(**inputs)[PROB])


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
    assert set(module.signature_functions) == {SERVING_DEFAULT, RAW_TENSORS}


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
    logit = network(inputs)["logit"]
    assert logit.dtype == tf.bfloat16  # the case that is tested
    assert {value.dtype for value in outputs.values()} == {tf.float32}
    np.testing.assert_allclose(outputs[PROB], tf.sigmoid(tf.cast(logit[:, 0], tf.float32)))
