"""A bundle read back three ways: by tf.data, by tensorflow-datasets, by what its schema says."""

import random
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from features.specs import FeatureSet
from pipeline.batches.dataset import column_arrays, examples
from pipeline.data.job.data_job import build_bundle
from pipeline.data.settings.data_config import DataConfig

ROWS = 90
SPLITS = ("train", "valid", "test")
WORDS = ["a", "b", "é", "日本", "long token", "x\u2028y"]
FEATURES = FeatureSet(
    features={
        "row": {"kind": "numeric", "transform": "raw"},  # tells rows apart
        "word": {"kind": "categorical", "num_oov_buckets": 2, "min_count": 4},
        "tags": {"kind": "multivalued", "max_length": 3},
        "trips": {"kind": "sequence", "vocabulary": "word", "max_length": 2},
        "seen": {
            "kind": "sequence",
            "vocabulary": "word",
            "column": "word",
            "history": "all",
            "max_length": 3,
        },
        "price": {"kind": "numeric"},
        "magnitude": {"kind": "numeric", "column": "price", "transform": "log2"},
        "level": {
            "kind": "numeric",
            "column": "price",
            "transform": "quantiles",
            "num_buckets": 3,
        },
        "hour": {"kind": "categorical", "column": "time", "transform": "hour"},
        "vector": {"kind": "embedding", "dimension": 2},
        "click": {"role": "label"},
        "user_key": {"role": "group_key", "column": "user"},
        "time": {"role": "timestamp"},
        "weight": {"role": "weight"},
    },
    groups={"pair": ["word", "level"]},
    histories={"all": {"key": "user"}},
)


def write_rows(path: Path) -> None:
    rng = random.Random(3)

    def maybe(value):
        return None if rng.random() < 0.25 else value

    def words():
        return maybe([maybe(rng.choice(WORDS)) for _ in range(rng.randrange(5))])

    rows = [
        {
            "row": str(row),
            "word": maybe(rng.choice(WORDS)),
            "tags": words(),
            "trips": words(),
            "price": maybe(str(rng.gauss(3, 5))),
            "vector": maybe([rng.random(), -1.0]),
            "click": str(row % 2),
            "user": f"u{rng.randrange(9)}",
            "time": str(86_400 + 997 * row),
            "weight": str(rng.random()),
        }
        for row in range(ROWS)
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """Layout -> a bundle of the same rows."""
    folder = tmp_path_factory.mktemp("read_back")
    write_rows(folder / "log.parquet")
    return {
        layout: build_bundle(
            FEATURES,
            DataConfig(
                source="parquet",
                path=str(folder / "log.parquet"),
                layout=layout,
                block_rows=16,
                rows_per_shard=40,
            ),
            str(folder / layout),
        )
        for layout in ("block", "row")
    }


def by_tf_data(bundle, split) -> dict[str, np.ndarray]:
    """Inputs, label and weight as training gets them; the other roles as evaluation does."""
    batches = list(examples(bundle, split, batch_size=7).as_numpy_iterator())
    names = [spec.name for spec in FEATURES.inputs]
    found = {name: np.concatenate([inputs[name] for inputs, *_ in batches]) for name in names}
    found["click"] = np.concatenate([label for _, label, _ in batches])
    found["weight"] = np.concatenate([weight for *_, weight in batches])
    return found | column_arrays(bundle, split, ["user_key", "time"])


def by_tensorflow_datasets(bundle, split) -> dict[str, np.ndarray]:
    builder = tfds.builder_from_directory(bundle.path)
    config = tfds.ReadConfig(interleave_cycle_length=1)
    rows = list(tfds.as_numpy(builder.as_dataset(split=split, read_config=config)))
    lengths = {column.name: column.length for column in bundle.metadata.columns}

    def padded(name, value):
        missing = (lengths[name] or 0) - len(value) if np.ndim(value) and lengths[name] else 0
        return np.pad(value, (0, missing)) if missing else value

    return {name: np.stack([padded(name, row[name]) for row in rows]) for name in rows[0]}


def by_schema(bundle, split) -> dict[str, np.ndarray]:
    """Knows tf.train.Example, the Schema proto, its annotations, and the names of the files."""
    text = Path(bundle.path, "schema.pbtxt").read_text()
    schema = text_format.Parse(text, schema_pb2.Schema())
    files = sorted(map(str, Path(bundle.path).glob(f"{split}-*.tfrecord")))
    records = [
        tf.train.Example.FromString(record).features.feature
        for record in tf.data.TFRecordDataset(files).as_numpy_iterator()
    ]
    rows = tags(schema).get("rows")
    read = {"row": from_rows, "block": partial(from_blocks, rows=rows)}[tags(schema)["layout"]]
    return {
        feature.name: read(records, feature).astype(tags(feature)["dtype"])
        for feature in schema.feature
    }


def tags(described) -> dict[str, str]:
    return dict(tag.split(":", 1) for tag in described.annotation.tag)


def from_rows(records, feature) -> np.ndarray:
    kind = {schema_pb2.INT: "int64_list", schema_pb2.FLOAT: "float_list"}[feature.type]
    return in_shape([list(getattr(each[feature.name], kind).value) for each in records], feature)


def from_blocks(records, feature, rows: str) -> np.ndarray:
    found = []
    for record in records:
        (data,) = record[feature.name].bytes_list.value
        elements = np.frombuffer(data, np.dtype(tags(feature)["dtype"]).newbyteorder("<"))
        if feature.HasField("value_count"):
            (data,) = record[tags(feature)["row_lengths"]].bytes_list.value
            ends = np.cumsum(np.frombuffer(data, "<i4"))
            found += [part.tolist() for part in np.split(elements, ends[:-1])]
            assert len(elements) == ends[-1]
        else:
            (count,) = record[rows].int64_list.value
            found += elements.reshape(count, -1).tolist()
    return in_shape(found, feature)


def in_shape(rows, feature) -> np.ndarray:
    if feature.HasField("value_count"):
        length = feature.value_count.max
        return np.array([values + [0] * (length - len(values)) for values in rows])
    return np.array(rows).reshape([len(rows), *(dim.size for dim in feature.shape.dim)])


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(
    ("layout", "read"),
    [("block", by_schema), ("row", by_schema), ("row", by_tensorflow_datasets)],
)
def test_every_reader_gives_the_values_of_tf_data(bundles, layout, read, split):
    expected, found = by_tf_data(bundles[layout], split), read(bundles[layout], split)
    assert found.keys() == expected.keys() == FEATURES.features.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name, strict=True)


def test_both_layouts_hold_the_same_rows_in_the_same_order(bundles):
    seen = []
    for split in SPLITS:
        block, row = (by_tf_data(bundles[layout], split) for layout in ("block", "row"))
        for name, values in block.items():
            np.testing.assert_array_equal(row[name], values, err_msg=name, strict=True)
        seen += block["row"].astype(int).tolist()
    assert sorted(seen) == list(range(ROWS))


def test_the_rows_are_those_of_the_schemas_domains(bundles):
    for split in SPLITS:
        arrays = by_tf_data(bundles["block"], split)
        text = Path(bundles["block"].path, "schema.pbtxt").read_text()
        schema = text_format.Parse(text, schema_pb2.Schema())
        for feature in schema.feature:
            if feature.HasField("int_domain"):
                assert arrays[feature.name].max() <= feature.int_domain.max
                assert arrays[feature.name].min() >= feature.int_domain.min
