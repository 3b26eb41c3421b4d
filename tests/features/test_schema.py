import numpy as np
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from features.analysis import Analysis, NumericSummary
from features.columns import columns_of
from features.raw_tensors import parsing_spec
from features.records import decode_rows, encode_rows
from features.schema import from_text, raw_schema, record_schema, to_text
from features.specs import FeatureSet

FEATURES = FeatureSet(
    features={
        "user": {"kind": "categorical"},
        "tags": {"kind": "multivalued", "max_length": 3, "num_oov_buckets": 2},
        "past": {"kind": "sequence", "max_length": 2, "history": "h", "vocabulary": "user"},
        "price": {"kind": "numeric"},
        "age": {"kind": "numeric", "transform": "quantiles", "num_buckets": 3},
        "vector": {"kind": "embedding", "dimension": 2},
        "hour": {"kind": "categorical", "transform": "hour", "column": "time"},
        "click": {"role": "label"},
        "by": {"role": "group_key", "column": "user"},
        "time": {"role": "timestamp"},
    },
    groups={"who": ("user", "age"), "who_x_what": ("user", "tags")},
    histories={"h": {"key": "user"}},
)
ANALYSIS = Analysis(
    vocabulary_sizes={"user": 7, "tags": 4},
    numeric={"price": NumericSummary(count=1), "age": NumericSummary(count=1, boundaries=(1, 2))},
)


def features_of_schema(text):
    """A reader that knows the Schema proto and nothing of this project."""
    dtypes = {
        schema_pb2.INT: tf.int64,
        schema_pb2.FLOAT: tf.float32,
        schema_pb2.BYTES: tf.string,
    }
    schema = from_text(text)
    tensors = schema.tensor_representation_group[""].tensor_representation
    specs = {}
    for feature in schema.feature:
        dtype = dtypes[feature.type]
        if tensors[feature.name].WhichOneof("kind") == "ragged_tensor":
            specs[feature.name] = tf.io.RaggedFeature(dtype, row_splits_dtype=tf.int64)
            continue
        dense = tensors[feature.name].dense_tensor
        default = dense.default_value
        kind = default.WhichOneof("kind")
        shape = [dim.size for dim in dense.shape.dim]
        filled = np.full(shape, getattr(default, kind)).tolist() if kind else None
        specs[feature.name] = tf.io.FixedLenFeature(shape, dtype, filled)
    return specs


def test_records_can_be_parsed_by_the_schema_alone():
    rng = np.random.default_rng(2)
    arrays = {
        "user": rng.integers(0, 9, 5).astype(np.int32),
        "tags": np.array([[1, 2, 3], [0, 0, 0], [4, 0, 0], [2, 2, 0], [5, 6, 0]], np.int32),
        "past": np.array([[0, 0], [1, 2], [3, 0], [0, 0], [8, 8]], np.int32),
        "price": rng.normal(size=5).astype(np.float32),
        "age": np.array([0, 1, 2, 3, 1], np.int32),
        "vector": rng.normal(size=(5, 2)).astype(np.float32),
        "hour": np.array([1, 24, 0, 3, 4], np.int32),
        "click": np.array([0, 1, 1, 0, 1], np.float32),
        "by": rng.integers(0, 2**62, 5),
        "time": rng.integers(0, 2**40, 5),
    }
    columns = columns_of(FEATURES)
    records = tf.constant(encode_rows(arrays, columns))
    text = to_text(record_schema(FEATURES, ANALYSIS))
    lengths = {f.name: f.value_count.max for f in from_text(text).feature}
    parsed = tf.io.parse_example(records, features_of_schema(text))
    own = decode_rows(records, columns)
    assert parsed.keys() == own.keys()
    for name, value in parsed.items():
        if isinstance(value, tf.RaggedTensor):
            value = value.to_tensor(0, shape=(None, lengths[name]))
        np.testing.assert_array_equal(value, own[name], err_msg=name)
        np.testing.assert_array_equal(value, arrays[name], err_msg=name)


def test_raw_examples_can_be_parsed_by_the_schema_alone():
    full = tf.train.Example()
    for name, value in (("user", [b"u1"]), ("tags", [b"a", b"b"]), ("past", [b"u2"])):
        full.features.feature[name].bytes_list.value.extend(value)
    for name, value in (("price", [1.5]), ("age", [30.0]), ("vector", [0.5, 2.0])):
        full.features.feature[name].float_list.value.extend(value)
    full.features.feature["time"].int64_list.value.append(1_650_000_000)
    records = [full.SerializeToString(), tf.train.Example().SerializeToString()]
    by_schema = tf.io.parse_example(records, features_of_schema(to_text(raw_schema(FEATURES))))
    expected = tf.io.parse_example(records, parsing_spec(FEATURES))
    assert by_schema.keys() == expected.keys()
    for name, value in expected.items():
        if isinstance(value, tf.RaggedTensor):
            assert by_schema[name].to_list() == value.to_list()
        else:
            np.testing.assert_array_equal(by_schema[name], value, err_msg=name)


def test_a_shape_promises_a_value_in_every_row_and_raw_examples_promise_none():
    """What tensorflow-transform and tfx_bsl require of a schema before they read it."""
    for schema in (raw_schema(FEATURES), record_schema(FEATURES, ANALYSIS)):
        tensors = schema.tensor_representation_group[""].tensor_representation
        for feature in schema.feature:
            assert feature.WhichOneof("shape_type") is not None
            if feature.HasField("shape"):
                assert feature.presence.min_fraction == 1.0
                assert feature.shape == tensors[feature.name].dense_tensor.shape
    counts = {
        feature.name: (feature.value_count.min, feature.value_count.max)
        for feature in raw_schema(FEATURES).feature
        if feature.HasField("value_count")
    }
    ones = dict.fromkeys(("user", "price", "age", "time"), (1, 1))
    assert counts == {**ones, "vector": (2, 2), "tags": (0, 0), "past": (0, 0)}


def test_domains_and_groups_stand_in_the_schema():
    by_name = {f.name: f for f in record_schema(FEATURES, ANALYSIS).feature}
    assert set(by_name["user"].annotation.tag) >= {"group:who", "group:who_x_what", "role:input"}
    assert "history:h" in by_name["past"].annotation.tag
    steps = {"kind": "sequence", "max_length": 2, "aligned": "h"}
    aligned = raw_schema(FeatureSet(features={"past": steps})).feature[0]
    assert "history:h" in aligned.annotation.tag
    assert "dtype:int64" in by_name["by"].annotation.tag
    assert (by_name["user"].int_domain.name, by_name["user"].int_domain.max) == ("user", 8)
    assert (by_name["past"].int_domain.name, by_name["past"].int_domain.max) == ("user", 8)
    assert by_name["tags"].int_domain.max == 6  # padding, 2 out of vocabulary, 4 tokens
    assert by_name["age"].int_domain.max == 3  # missing, and 3 buckets
    assert not by_name["price"].HasField("int_domain")
    raw = {f.name: f for f in raw_schema(FEATURES).feature}
    assert set(raw["time"].annotation.tag) == {"kind:categorical", "role:input"}
    assert "click" not in raw


def test_the_same_features_give_the_same_text():
    text = to_text(record_schema(FEATURES, ANALYSIS))
    again = to_text(record_schema(FeatureSet(**FEATURES.model_dump()), ANALYSIS))
    assert text == again
    assert to_text(from_text(text)) == text


def test_the_schema_says_how_records_hold_the_rows():
    row, block = (record_schema(FEATURES, ANALYSIS, layout) for layout in ("row", "block"))
    assert list(row.annotation.tag) == ["layout:row"]
    assert list(block.annotation.tag) == ["layout:block", "rows:/rows"]
    assert "little endian" in block.annotation.comment[0]
    lists = {
        feature.name: tag
        for feature in block.feature
        for tag in feature.annotation.tag
        if tag.startswith("row_lengths:")
    }
    assert lists == {"tags": "row_lengths:tags/row_lengths", "past": "row_lengths:past/row_lengths"}
