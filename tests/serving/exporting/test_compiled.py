import features  # noqa: F401  # isort: skip  (Keras 2, before TensorFlow is imported)

import numpy as np
import pytest
import tensorflow as tf

from serving.exporting.compiled import _program, compiled_at

SIZES = (4, 16)
WEIGHTS = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)


def score(inputs):
    """Reads a matrix, a column of ids, and a row that is given once."""
    x = tf.nn.relu(inputs["x"] @ WEIGHTS) + inputs["user"]
    hidden = x * tf.cast(inputs["ids"], tf.float32)[:, tf.newaxis]
    return {"prob": tf.sigmoid(tf.reduce_sum(hidden, axis=1)), "hidden": hidden}


def batch(rows):
    rng = np.random.default_rng(rows)
    return {
        "user": tf.constant(rng.normal(size=(1, 2)).astype(np.float32)),
        "x": tf.constant(rng.normal(size=(rows, 3)).astype(np.float32)),
        "ids": tf.constant(rng.integers(0, 9, rows).astype(np.int32)),
    }


@pytest.fixture(scope="module")
def compiled():
    signature = {
        "user": tf.TensorSpec([1, 2], tf.float32, name="user"),
        "x": tf.TensorSpec([None, 3], tf.float32, name="x"),
        "ids": tf.TensorSpec([None], tf.int32, name="ids"),
    }
    function = tf.function(compiled_at(score, SIZES), input_signature=[signature])
    return function.get_concrete_function()


@pytest.mark.parametrize("rows", range(19))
def test_every_batch_size_has_the_scores_of_the_function_itself(compiled, rows):
    inputs = batch(rows)
    received, wanted = compiled(inputs), score(inputs)
    assert set(received) == set(wanted)
    for name, value in wanted.items():
        assert received[name].shape == value.shape
        np.testing.assert_allclose(received[name], value, rtol=0, atol=1e-6)


def test_a_session_of_the_saved_model_runs_it(compiled, tmp_path):
    batches = {
        rows: {name: x.numpy() for name, x in batch(rows).items()} for rows in (0, 3, 4, 5, 16, 17)
    }
    module = tf.Module()
    tf.saved_model.save(module, str(tmp_path), signatures={"serving_default": compiled})
    graph = tf.Graph()
    with graph.as_default(), tf.compat.v1.Session(graph=graph) as session:
        loaded = tf.compat.v1.saved_model.load(session, ["serve"], str(tmp_path))
        definition = loaded.signature_def["serving_default"]
        received = {}
        for rows, inputs in batches.items():
            feed = {definition.inputs[name].name: x for name, x in inputs.items()}
            received[rows] = session.run(definition.outputs["prob"].name, feed)
    for rows, scores in received.items():
        np.testing.assert_allclose(scores, score(batches[rows])["prob"], rtol=0, atol=1e-6)


def test_only_the_sizes_given_are_compiled():
    traced = []

    def counted(inputs):
        traced.append(inputs["x"].shape[0])
        return score(inputs)

    function = tf.function(compiled_at(counted, SIZES))
    function.get_concrete_function(
        {
            name: tf.TensorSpec(
                each.shape if name == "user" else [None, *each.shape[1:]], each.dtype
            )
            for name, each in batch(2).items()
        }
    )
    assert sorted(traced, key=str) == [16, 4, None]


def test_no_sizes_leave_the_function_alone():
    assert compiled_at(score, ()) is score


@pytest.mark.parametrize("sizes", [(0,), (8, 8), (-1, 4)])
def test_sizes_that_make_no_sense_are_refused(sizes):
    with pytest.raises(ValueError, match="batch sizes must be >= 1"):
        compiled_at(score, sizes)


@pytest.mark.parametrize("rows", range(20))
def test_the_least_size_that_is_filled_by_more_than_half_takes_a_batch(rows):
    limits = [3, 4, 16]
    fits = [i for i, size in enumerate(limits) if size >= rows and size < 2 * rows]
    assert _program(tf.constant(rows), limits) == min(fits, default=3)


def test_xla_compiles_each_size(compiled):
    library = compiled.graph.as_graph_def().library
    calls = [node for function in library.function for node in function.node_def]
    marked = [node for node in calls if node.attr["_XlaMustCompile"].b]
    assert len(marked) == len(SIZES)
