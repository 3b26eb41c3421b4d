import math
import shutil
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
import tf_keras

from features.analysis import Analysis, NumericSummary
from features.preprocessing import Preprocessor
from features.raw import coerce
from features.raw_tensors import from_arrow, to_dense
from features.specs import ROLES, FeatureSet


def token_id(token, known, num_oov):
    """0 for no token, then the out-of-vocabulary ids, then the known tokens in order."""
    if not token:
        return 0
    if token in known:
        return 1 + num_oov + known.index(token)
    return 1 + int(tf.strings.to_hash_bucket_fast(token, num_oov))


def padded(ids, length):
    return ids + [0] * (length - len(ids))


def most_recent(ids, steps, length):
    """`steps` is the length of the history: the last step that any of its sequences has."""
    return padded([each or 1 for each in padded(ids, steps)[:steps]][-length:], length)


def last_step(tokens):
    return max((t for t, token in enumerate(tokens or [], 1) if token), default=0)


def local_time(seconds, offset_hours):
    return datetime(1970, 1, 1) + timedelta(hours=offset_hours, seconds=seconds)


def expected_row(row, vocabularies, analysis):
    """One row at a time and one value at a time, as the documentation of the graph says."""
    city = lambda token: token_id(token, vocabularies["city"], 3)
    genre = lambda token: token_id(token, vocabularies["genres"], 1)
    summary = analysis.numeric["price"]
    scale = lambda x: (x - summary.mean) / math.sqrt(summary.variance)
    price, seen = row["price"], row["seen"]
    clicks = max(last_step(row["clicked_city"]), last_step(row["clicked_genre"]))
    got = {
        "city": city(row["city"]),
        "born_in": city(row["born_in"]),
        "price": 0.0 if price is None else scale(price),
        "price_or_9": scale(9.0 if price is None else price),
        "raw": 0.0 if price is None else price,
        "raw_or_9": 9.0 if price is None else price,
        "magnitude": 0,
        "level": 0,
        "hour": 0,
        "hour_in_delhi": 0,
        "weekday": 0,
        "weekday_in_lima": 0,
        "genres": padded([genre(each) for each in row["genres"] or [] if each][:3], 3),
        "clicked_city": most_recent([city(each) for each in row["clicked_city"] or []], clicks, 4),
        "clicked_genre": most_recent(
            [genre(each) for each in row["clicked_genre"] or []], clicks, 4
        ),
        "trips": most_recent(
            [city(each) for each in row["trips"] or []], last_step(row["trips"]), 2
        ),
        "vector": row["vector"] or [0.0, 0.0],
        "clicked": float(row["rating"] >= 4),
        "user": int(tf.strings.to_hash_bucket_fast(row["user"], 2**63 - 1)),
        "time": row["time"],
        "weight": row["weight"],
    }
    if price is not None:
        got["magnitude"] = math.frexp(price)[1] - 1 if price > 2 else 1
        got["level"] = 1 + sum(np.float32(price) >= np.float32(b) for b in summary.boundaries)
    if seen is not None:
        got["hour"] = 1 + local_time(seen // 1000, 0).hour
        got["hour_in_delhi"] = 1 + local_time(seen, 5.5).hour
        got["weekday"] = 1 + local_time(seen, 0).weekday()
        got["weekday_in_lima"] = 1 + local_time(seen // 1000, -5).weekday()
    return got


@pytest.fixture(scope="module")
def rows(rows):
    """Times within the years that `datetime` has."""
    return [{**row, "seen": row["seen"] and row["seen"] % 2**36 - 2**35} for row in rows]


@pytest.fixture(scope="module")
def raw(rows, features):
    return from_arrow(pa.RecordBatch.from_pylist(rows, features.raw_schema()), features, ROLES)


@pytest.fixture(scope="module")
def preprocessor(features, analysis, vocabulary_dir):
    return Preprocessor(features, analysis, vocabulary_dir, ROLES)


def assert_equal_tensors(received, expected):
    assert list(received) == list(expected)
    for name, tensor in received.items():
        assert tensor.dtype == expected[name].dtype, name
        np.testing.assert_array_equal(tensor, expected[name], err_msg=name)


def test_every_feature_matches_the_oracle(
    raw, rows, preprocessor, features, vocabularies, analysis
):
    outputs = preprocessor(raw)
    oracle = [expected_row(row, vocabularies, analysis) for row in rows]
    assert list(outputs) == list(features.features)
    for name, received in outputs.items():
        expected = np.array([row[name] for row in oracle])
        assert received.shape == expected.shape, name
        if received.dtype == tf.float32:
            np.testing.assert_allclose(received, expected, rtol=2e-6, atol=1e-6, err_msg=name)
        else:
            np.testing.assert_array_equal(received, expected, err_msg=name)


def test_the_random_rows_reach_every_out_of_vocabulary_bucket_and_a_cut_history(raw, preprocessor):
    outputs = preprocessor(raw)
    assert {0, 1, 2, 3, 4} <= set(outputs["city"].numpy().tolist())
    assert np.count_nonzero(outputs["clicked_city"], axis=1).max() == 4
    assert np.count_nonzero(outputs["genres"], axis=1).max() == 3


def test_dense_lists_and_a_traced_graph_give_the_same_tensors(raw, preprocessor):
    expected = preprocessor(raw)
    assert_equal_tensors(preprocessor(to_dense(raw)), expected)
    assert_equal_tensors(tf.function(preprocessor, reduce_retracing=True)(raw), expected)


def in_dictionary(column):
    """The column with its tokens in an Arrow dictionary, which also has one that no row uses."""
    if pa.types.is_list(column.type) and pa.types.is_string(column.type.value_type):
        lengths = np.array([len(each or []) for each in column.to_pylist()])
        offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
        return pa.ListArray.from_arrays(offsets, in_dictionary(column.flatten()))
    if not pa.types.is_string(column.type):
        return column
    tokens = [*sorted({token for token in column.to_pylist() if token is not None}), "unused"]
    codes = [None if token is None else tokens.index(token) for token in column.to_pylist()]
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(tokens))


def test_tokens_in_dictionaries_give_the_same_tensors(raw, rows, preprocessor, features):
    batch = pa.RecordBatch.from_pylist(rows, features.raw_schema())
    coded = pa.RecordBatch.from_arrays(
        [in_dictionary(column) for column in batch.columns], names=batch.schema.names
    )
    expected = preprocessor(raw)
    assert_equal_tensors(preprocessor(from_arrow(coded, features, ROLES)), expected)
    part = preprocessor(from_arrow(coded.slice(100, 7), features, ROLES))
    assert_equal_tensors(part, {name: tensor[100:107] for name, tensor in expected.items()})
    assert len(preprocessor(from_arrow(coded.slice(0, 0), features, ROLES))["city"]) == 0


def test_a_row_does_not_depend_on_the_others_of_its_batch(rows, features, preprocessor, raw):
    whole = preprocessor(raw)
    for start in (0, 17, 499):
        batch = pa.RecordBatch.from_pylist(rows[start : start + 3], features.raw_schema())
        part = preprocessor(from_arrow(batch, features, ROLES))
        assert_equal_tensors(part, {name: each[start : start + 3] for name, each in whole.items()})


@pytest.mark.parametrize("dense", [False, True], ids=["ragged", "dense"])
def test_an_empty_batch_gives_empty_tensors_of_the_same_rank(raw, preprocessor, dense):
    whole = preprocessor(raw)
    raw = to_dense(raw) if dense else raw
    empty = preprocessor({name: tensor[:0] for name, tensor in raw.items()})
    assert_equal_tensors(empty, {name: tensor[:0] for name, tensor in whole.items()})


def test_rows_without_a_single_token_are_all_padding(preprocessor, raw):
    empty = {**raw, "trips": tf.ragged.constant([[]] * 500, dtype=tf.string, ragged_rank=1)}
    np.testing.assert_array_equal(preprocessor(empty)["trips"], np.zeros((500, 2)))


def test_serving_computes_the_inputs_only(raw, features, analysis, vocabulary_dir, preprocessor):
    inputs = [spec.name for spec in features.inputs]
    outputs = Preprocessor(features, analysis, vocabulary_dir)(raw)
    everything = preprocessor(raw)
    assert_equal_tensors(outputs, {name: everything[name] for name in inputs})


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_changes_nothing(
    raw, features, analysis, vocabulary_dir, preprocessor, policy
):
    """An export is made under the policy of training; the data job knows of none."""
    tf_keras.mixed_precision.set_global_policy(policy)
    try:
        outputs = Preprocessor(features, analysis, vocabulary_dir, ROLES)(raw)
    finally:
        tf_keras.mixed_precision.set_global_policy("float32")
    assert_equal_tensors(outputs, preprocessor(raw))


def test_a_saved_model_carries_its_vocabularies(
    raw, features, analysis, vocabulary_dir, preprocessor, tmp_path
):
    shutil.copytree(vocabulary_dir, tmp_path / "vocabularies")
    inputs = {spec.raw_name for spec in features.inputs}
    dense = {name: tensor for name, tensor in to_dense(raw).items() if name in inputs}
    module = tf.Module()
    module.preprocess = Preprocessor(features, analysis, str(tmp_path / "vocabularies"))
    signature = {
        name: tf.TensorSpec([None] * tensor.shape.rank, tensor.dtype)
        for name, tensor in dense.items()
    }
    signature["vector"] = tf.TensorSpec([None, 2], tf.float32)
    module.run = tf.function(module.preprocess, input_signature=[signature])
    tf.saved_model.save(module, str(tmp_path / "export"))
    shutil.rmtree(tmp_path / "vocabularies")
    shutil.move(tmp_path / "export", tmp_path / "moved")
    received = tf.saved_model.load(str(tmp_path / "moved")).run(dense)
    expected = preprocessor(raw)
    assert_equal_tensors(
        {name: received[name] for name in expected if name in received},
        {spec.name: expected[spec.name] for spec in features.inputs},
    )


def test_a_missing_step_inside_a_history_is_out_of_vocabulary_and_stays_aligned(
    raw, preprocessor, rows
):
    history = {
        "clicked_city": tf.ragged.constant([["Oslo", "", "Lima"]] + [[]] * 499),
        "clicked_genre": tf.ragged.constant([["war"]] + [[]] * 499),
    }
    outputs = preprocessor({**raw, **history})
    assert outputs["clicked_city"][0].numpy().tolist() == [4, 1, 5, 0]
    assert outputs["clicked_genre"][0].numpy().tolist() == [3, 1, 1, 0]


def test_lists_of_one_history_end_together_and_keep_their_places(tmp_path):
    shared = {"kind": "sequence", "aligned": "bought", "separator": "^", "max_length": 3}
    features = FeatureSet.model_validate(
        {"features": {"item": shared, "shop": {**shared, "vocabulary": "item"}}}
    )
    (tmp_path / "item.txt").write_text("a\nb\nc\nd\n")
    preprocessor = Preprocessor(features, Analysis(vocabulary_sizes={"item": 4}), str(tmp_path))
    items = [["a", "b", "c", "d"], ["a", "", "c"], ["b"], [], ["d"]]
    shops = [["d", "c"], ["d"], ["a", "b", "c", "d"], ["c"], ["d"]]
    expected = {
        "item": [[3, 4, 5], [2, 1, 4], [1, 1, 3], [1, 0, 0], [5, 0, 0]],
        "shop": [[1, 5, 4], [1, 1, 5], [3, 4, 5], [4, 0, 0], [5, 0, 0]],
    }
    ragged = {"item": tf.ragged.constant(items), "shop": tf.ragged.constant(shops)}
    for raw in (ragged, {name: each.to_tensor("") for name, each in ragged.items()}):
        received = tf.function(preprocessor)(raw)
        assert {name: each.numpy().tolist() for name, each in received.items()} == expected
    nothing = preprocessor({name: each[:0] for name, each in ragged.items()})
    assert nothing["shop"].shape == (0, 3)


def test_without_at_least_the_number_itself_is_the_label():
    features = FeatureSet.model_validate(
        {"features": {"x": {"kind": "numeric", "transform": "raw"}, "y": {"role": "label"}}}
    )
    raw = {"x": tf.zeros(2), "y": tf.constant([0.0, 1.0])}
    assert Preprocessor(features, Analysis(), "", ROLES)(raw)["y"].numpy().tolist() == [0.0, 1.0]


def test_tensors_are_missing_where_null_values_say_so(tmp_path):
    """What `features.raw.coerce` does for files; requests bring tensors."""
    nulls = {"null_values": ["NULL", "-1.0"]}
    features = FeatureSet.model_validate(
        {
            "features": {
                "token": {"kind": "categorical", **nulls},
                "seen": {
                    "kind": "sequence",
                    "history": "all",
                    "vocabulary": "token",
                    "max_length": 3,
                    **nulls,
                },
                "tags": {"kind": "multivalued", "vocabulary": "token", "max_length": 2, **nulls},
                "number": {"kind": "numeric", "transform": "raw", "default": 9.0, **nulls},
                "bucket": {"kind": "numeric", "transform": "log2", **nulls},
                "hour": {"kind": "categorical", "transform": "hour", "column": "time", **nulls},
                "clock": {"role": "timestamp"},
            },
            "histories": {"all": {"key": "user"}},
        }
    )
    (tmp_path / "token.txt").write_text("a\n")
    preprocessor = Preprocessor(features, Analysis(vocabulary_sizes={"token": 1}), str(tmp_path))
    raw = {
        "token": tf.constant(["a", "NULL", "-1", "-1.00", "other"]),
        "seen": tf.constant(
            [["a", "NULL", "a"], ["-1", "a", ""], ["a", "-1.0", ""]] + [[""] * 3] * 2
        ),
        "tags": tf.constant([["NULL", "a"]] + [["", ""]] * 4),
        "number": tf.constant([1.0, -1.0, math.nan, 0.0, 2.0]),
        "bucket": tf.constant([8.0, -1.0, math.nan, 0.0, 2.0]),
        "time": tf.constant([3600, -1, -(2**63), 0, 1], tf.int64),
    }
    received = {name: each.numpy().tolist() for name, each in preprocessor(raw).items()}
    assert received == {
        "token": [2, 0, 0, 0, 1],
        "seen": [[2, 1, 2], [1, 2, 0], [2, 0, 0], [0, 0, 0], [0, 0, 0]],
        "tags": [[1, 2], [0, 0], [0, 0], [0, 0], [0, 0]],
        "number": [1.0, 9.0, 9.0, 0.0, 2.0],
        "bucket": [3, 0, 0, 1, 1],
        "hour": [2, 0, 0, 1, 1],
    }


@pytest.mark.parametrize("transform", ["zscore", "raw"])
def test_an_infinite_number_has_no_scaled_one(transform):
    features = FeatureSet.model_validate(
        {"features": {"x": {"kind": "numeric", "transform": transform, "default": 3.0}}}
    )
    analysis = Analysis(numeric={"x": NumericSummary(count=9, mean=1.0, variance=4.0)})
    raw = {"x": tf.constant([math.inf, -math.inf, math.nan, 5.0])}
    received = Preprocessor(features, analysis, "")(raw)["x"].numpy()
    assert np.isnan(received).tolist() == [True, True, False, False]


@pytest.mark.parametrize("dense", [False, True], ids=["ragged", "dense"])
def test_weights_behind_tokens_are_dropped_in_the_graph_as_in_the_job(tmp_path, dense):
    (tmp_path / "tags.txt").write_text("t1\nt2\n12\n")
    tags = {"kind": "multivalued", "drop_weights": ":", "max_length": 4}
    features = FeatureSet.model_validate({"features": {"tags": tags}})
    analysis = Analysis(vocabulary_sizes={"tags": 3}, numeric={})
    graph = Preprocessor(features, analysis, str(tmp_path))
    written = tf.ragged.constant([["t2:0.5", "t1:1e-3", "12.0:2"], [], ["t9:0.1", ":0.5", "t1"]])
    received = graph({"tags": written.to_tensor("") if dense else written})["tags"]
    np.testing.assert_array_equal(received, [[3, 2, 4, 0], [0, 0, 0, 0], [1, 2, 0, 0]])
    typed = coerce(pa.RecordBatch.from_pydict({"tags": written.to_list()}), features).rows
    np.testing.assert_array_equal(graph(from_arrow(typed, features))["tags"], received)
