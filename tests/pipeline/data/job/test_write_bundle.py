"""The write side on rows made here: bytes, accounts, and read-back by three independent readers."""

import hashlib
import random
from pathlib import Path

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from features.columns import columns_of
from features.config import parse
from features.raw_tensors import from_arrow
from features.records import decode_block, decode_rows
from features.schema import record_schema, to_text
from features.specs import ROLES, FeatureSet
from pipeline.data.job.bundle_folder import RESULTS
from pipeline.data.job.write_bundle import Results, WriteBundle
from pipeline.data.runners.runner import new_pipeline, run
from pipeline.data.settings.data_config import DataConfig
from pipeline.data.writing.encode import Encoder
from pipeline.data.writing.row_layout import write_tfds_metadata
from pipeline.system.files import read_json

FEATURES = FeatureSet(
    features={
        "user": {"kind": "categorical", "num_oov_buckets": 3},
        "item": {"kind": "categorical", "min_count": 2},
        "tags": {"kind": "multivalued", "max_length": 3},
        "past": {
            "kind": "sequence",
            "max_length": 4,
            "history": "h",
            "column": "item",
            "vocabulary": "item",
        },
        "price": {"kind": "numeric"},
        "age": {"kind": "numeric", "transform": "quantiles", "num_buckets": 5},
        "hour": {"kind": "categorical", "transform": "hour", "column": "time"},
        "vector": {"kind": "embedding", "dimension": 2},
        "label": {"role": "label", "column": "click"},
        "row": {"role": "weight"},  # tells rows apart
        "by": {"role": "group_key", "column": "user"},
        "time": {"role": "timestamp"},
    },
    histories={"h": {"key": "user"}},
)
COLUMNS = columns_of(FEATURES)
SPLITS = ["train"] * 8 + ["valid"] * 2 + ["test"] * 2
ROWS_PER_BLOCK = 61


def blocks():
    rng = np.random.default_rng(8)

    def some(values):
        return [None if rng.random() < 0.1 else value for value in values]

    made = []
    for key, split in enumerate(SPLITS):
        rows = ROWS_PER_BLOCK
        first = key * rows
        columns = {
            "user": [f"u{i}" for i in rng.integers(0, 40, rows)],
            "item": some([f"i{i}" for i in rng.zipf(1.4, rows) % 100]),
            "tags": some([[f"g{i}" for i in rng.integers(0, 9, n % 6)] for n in range(rows)]),
            "past": [[f"i{i}" for i in rng.zipf(1.4, n % 7) % 100] for n in range(rows)],
            "price": some(rng.normal(5, 2, rows).tolist()),
            "age": some(rng.integers(10, 60, rows).astype(float).tolist()),
            "time": list(range(first * 600, (first + rows) * 600, 600)),
            "vector": some([[0.5, float(n)] for n in range(rows)]),
            "click": rng.integers(0, 2, rows).astype(float).tolist(),
            "row": [float(n) for n in range(first, first + rows)],
        }
        batch = pa.RecordBatch.from_pydict(
            {name: columns[name] for name in FEATURES.raw_schema().names}, FEATURES.raw_schema()
        )
        made.append((key, split, batch))
    return made


def write(folder, layout="block", order=0, options=(), splits_of_create=True, **settings):
    """Runs the write side; the folder then holds `bundle` and `results`."""
    data = DataConfig(
        source="s", layout=layout, block_rows=50, rows_per_shard=150, seed=4, **settings
    )
    made = blocks()
    random.Random(order).shuffle(made)
    pipeline = new_pipeline("DirectRunner", options)
    rejected = {"table": "log", "file": "f", "position": 3, "reason": "bad", "row": "x"}
    examples = {
        "blocks": pipeline | "Blocks" >> beam.Create(made, reshuffle=splits_of_create),
        "rejected": pipeline | "Bad" >> beam.Create([rejected]),
        "rows_read": pipeline | "Read" >> beam.Create([("log", b.num_rows) for *_, b in made]),
        "rows_kept": pipeline | "Kept" >> beam.Create([("users", 5), ("users", 2)]),
        "split": pipeline | "Rule" >> beam.Create([{"by": "time"}]),
    }
    bundle, results = Path(folder, "bundle"), Path(folder, "results")
    examples | WriteBundle(FEATURES, data, str(bundle), str(results), str(results / "spill"))
    run(pipeline)
    return bundle, parse(Results, read_json(f"{results}/{RESULTS}"), "results")


def checksums(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in Path(folder).rglob("*")
        if path.is_file()
    }


def read_blocks(bundle, split):
    files = sorted(str(path) for path in bundle.glob(f"{split}-*"))
    dataset = tf.data.TFRecordDataset(files).map(lambda record: decode_block(record, COLUMNS))
    return concatenated(dataset.as_numpy_iterator())


def concatenated(batches):
    batches = list(batches)
    return {c.name: np.concatenate([batch[c.name] for batch in batches]) for c in COLUMNS}


@pytest.fixture(scope="module")
def block_bundle(tmp_path_factory):
    return write(tmp_path_factory.mktemp("block"))


@pytest.fixture(scope="module")
def row_bundle(tmp_path_factory):
    return write(tmp_path_factory.mktemp("row"), layout="row")


@pytest.mark.parametrize(
    ("order", "options", "splits_of_create"),
    [
        (1, [], False),
        (2, ["--direct_runner_bundle_repeat=1"], True),
    ],
    ids=["other bundles", "every bundle repeated"],
)
def test_bytes_do_not_depend_on_how_the_work_is_bundled(
    tmp_path, block_bundle, order, options, splits_of_create
):
    again, results = write(tmp_path, "block", order, options, splits_of_create)
    assert checksums(again) == checksums(block_bundle[0])
    assert results == block_bundle[1]


def test_every_row_is_written_once_with_its_own_values(block_bundle):
    bundle, results = block_bundle
    encoder = Encoder(FEATURES, results.analysis, f"{bundle}/vocabularies")
    for split in ("train", "valid", "test"):
        table = pa.Table.from_batches([b for _, s, b in blocks() if s == split]).combine_chunks()
        expected = encoder(table.to_batches()[0])
        written = read_blocks(bundle, split)
        order = np.argsort(written["row"])
        assert not np.array_equal(order, np.arange(len(order)))  # shuffled
        for name, values in written.items():
            np.testing.assert_array_equal(values[order], expected[name], err_msg=name, strict=True)


def test_records_and_files_have_the_sizes_asked_for(block_bundle):
    bundle, results = block_bundle
    assert results.rows == {"test": 122, "train": 488, "valid": 122}
    assert (results.rows_read, results.rows_kept) == ({"log": 732}, {"users": 7})
    assert results.first_rejected["log"]["position"] == 3
    names = [f"{s}-{i:05d}-of-{n:05d}.tfrecord" for s, n in (("test", 1), ("train", 4)) for i in
             range(n)] + ["valid-00000-of-00001.tfrecord"]  # fmt: skip
    assert list(results.files) == names
    for name, entry in results.files.items():
        records = list(tf.data.TFRecordDataset(str(bundle / name)).as_numpy_iterator())
        rows = [len(decode_block(record, COLUMNS)["row"]) for record in records]
        assert sum(rows) == entry.rows
        assert set(rows[:-1]) <= {50}
        assert rows[-1] <= 50
        assert (bundle / name).stat().st_size == entry.size


def test_statistics_count_what_was_written(block_bundle):
    bundle, results = block_bundle
    written = read_blocks(bundle, "valid")
    counts = results.statistics["valid"]
    assert counts[""] == {"rows": 122, "positives": int(written["label"].sum())}
    assert counts["past"]["tokens"] == np.count_nonzero(written["past"])
    assert counts["past"]["oov"] == np.count_nonzero(written["past"] == 1)
    assert counts["user"]["oov"] == np.count_nonzero((written["user"] > 0) & (written["user"] < 4))
    assert counts["item"]["missing"] == np.count_nonzero(written["item"] == 0)
    raw = [b for _, split, b in blocks() if split == "valid"]
    assert counts["price"]["missing"] == sum(b["price"].null_count for b in raw)


def test_both_layouts_hold_the_same_rows_in_the_same_order(block_bundle, row_bundle):
    for split in ("train", "valid", "test"):
        files = sorted(str(path) for path in row_bundle[0].glob(f"{split}-*"))
        dataset = tf.data.TFRecordDataset(files).batch(64).map(lambda r: decode_rows(r, COLUMNS))
        rows = concatenated(dataset.as_numpy_iterator())
        for name, values in read_blocks(block_bundle[0], split).items():
            np.testing.assert_array_equal(rows[name], values, err_msg=name, strict=True)


def test_tensorflow_datasets_and_the_schema_read_the_row_layout(block_bundle, row_bundle):
    bundle, results = row_bundle
    write_tfds_metadata(str(bundle), "s", COLUMNS, results.files, "Rows.")
    builder = tfds.builder_from_directory(bundle)
    assert {name: info.num_examples for name, info in builder.info.splits.items()} == results.rows
    schema = record_schema(FEATURES, results.analysis)
    assert "value_count" in to_text(schema)
    for split in ("train", "valid", "test"):
        expected = read_blocks(block_bundle[0], split)
        read_config = tfds.ReadConfig(interleave_cycle_length=1)
        examples = list(tfds.as_numpy(builder.as_dataset(split=split, read_config=read_config)))
        files = sorted(str(path) for path in bundle.glob(f"{split}-*"))
        records = list(tf.data.TFRecordDataset(files).as_numpy_iterator())
        by_schema = [dict(tf.train.Example.FromString(r).features.feature) for r in records]
        assert len(examples) == len(by_schema) == results.rows[split]
        for feature in schema.feature:
            values = "float_list" if feature.type == 3 else "int64_list"
            for row, wanted in enumerate(expected[feature.name]):
                padding = feature.value_count.max
                stored = list(getattr(by_schema[row][feature.name], values).value)
                tfds_value = np.atleast_1d(examples[row][feature.name])
                np.testing.assert_array_equal(stored, tfds_value)
                padded = stored + [0] * (padding - len(stored))
                np.testing.assert_array_equal(padded, np.atleast_1d(wanted))


def test_one_graph_encodes_blocks_of_any_size_row_by_row(block_bundle):
    bundle, results = block_bundle
    encoder = Encoder(FEATURES, results.analysis, f"{bundle}/vocabularies")
    batch = blocks()[0][2]
    whole = encoder(batch)
    for rows in (61, 1, 17, 0, 61, 5):
        for name, values in encoder(batch.slice(0, rows)).items():
            np.testing.assert_array_equal(values, whole[name][:rows], err_msg=name)
    assert from_arrow(batch, FEATURES, ROLES).keys() == set(FEATURES.raw_schema().names)


def test_a_share_of_the_positives_is_left_out_of_the_training_rows_alone(block_bundle, tmp_path):
    whole, before = block_bundle
    thin, results = write(tmp_path / "thin", train_positives=0.4)
    thinner, _ = write(tmp_path / "thinner", train_positives=0.2, order=5)

    def rows(bundle, split, click):
        block = read_blocks(bundle, split)
        return set(block["row"][block["label"] == click].ravel())

    for split in ("valid", "test"):
        assert rows(thin, split, 1) == rows(whole, split, 1)
    for split in ("train", "valid", "test"):
        assert rows(thin, split, 0) == rows(whole, split, 0)
    kept, positives = rows(thin, "train", 1), rows(whole, "train", 1)
    assert kept < positives
    deviation = (0.4 * 0.6 / len(positives)) ** 0.5
    assert abs(len(kept) / len(positives) - 0.4) < 3 * deviation
    assert rows(thinner, "train", 1) < kept  # whatever the order of the blocks
    assert results.left_out == len(positives) - len(kept)
    assert results.rows == before.rows
    assert results.rows_written["train"] == before.rows["train"] - results.left_out
    assert (results.analysis, before.left_out) == (before.analysis, 0)
    for path in (whole / "vocabularies").iterdir():
        assert (thin / "vocabularies" / path.name).read_bytes() == path.read_bytes()
