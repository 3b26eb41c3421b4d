"""Random rows under random feature sets: what comes out equals an oracle, value by value."""

import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings

from features.analysis import Analysis, NumericSummary
from features.columns import columns_of
from features.raw import coerce
from features.records import decode_block, decode_rows, encode_block, encode_rows
from pipeline.batches.dataset import column_arrays
from pipeline.data.job.data_job import build_bundle
from pipeline.data.settings.data_config import DataConfig, SplitConfig
from pipeline.data.writing.encode import Encoder
from pipeline.data.writing.encoded import to_arrays, to_batch
from tests.examples import num_examples
from tests.pipeline.data.job.row_oracle import NUMBERS, RowOracle
from tests.pipeline.data.job.row_strategies import SPLITS, feature_sets, logs

# The row's number is no garbage, whatever it is.
_ROW_NUMBERS = {str(number): float(number) for number in range(100)}
_TEXT_LIST = pa.list_(pa.string())
COLUMNS = pa.schema(
    {
        **{name: pa.string() for name in ("c0", "c1", "s0", "n0", "n1", "t0", "flag", "user")},
        **{name: pa.string() for name in ("weight", "time", "label", "row")},
        **{"l0": _TEXT_LIST, "l1": _TEXT_LIST, "v0": pa.list_(pa.float64())},
    }
)
_PROPERTY = {
    "deadline": None,
    "derandomize": True,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}


@pytest.fixture(autouse=True, scope="module")
def _row_numbers():
    with mock.patch.dict(NUMBERS, _ROW_NUMBERS):
        yield


def expected(features, rows):
    """Split -> number of the row -> encoded row; vocabularies; summaries."""
    oracle = RowOracle(features, SPLITS)
    typed = {row["row"]: oracle.typed(row) for row in rows}
    good = [row for row in rows if typed[row["row"]] is not None]
    for row, lists in zip(good, oracle.histories(good), strict=True):
        typed[row["row"]] |= lists
    train = [typed[row["row"]] for row in good if oracle.split(row) == "train"]
    vocabularies = oracle.vocabularies(train)
    numbers = {
        spec.name: oracle.numbers(train, spec) for spec in features.inputs if spec.kind == "numeric"
    }
    splits = {"train": {}, "valid": {}, "test": {}}
    for row in good:
        encoded = oracle.encoded(typed[row["row"]], vocabularies, numbers)
        splits[oracle.split(row)][int(row["row"])] = encoded
    return splits, vocabularies, numbers, {name: typed[name] for name in typed if typed[name]}


def assert_rows(arrays, wanted, features):
    """Column arrays hold exactly the wanted rows, in any order."""
    assert sorted(arrays["row"].astype(int).tolist()) == sorted(wanted)
    for place, number in enumerate(arrays["row"].astype(int).tolist()):
        for name in features.features:
            found, value = arrays[name][place], np.array(wanted[number][name])
            if arrays[name].dtype == np.float32:
                np.testing.assert_allclose(found, value, rtol=2e-5, atol=2e-5, err_msg=name)
            else:
                np.testing.assert_array_equal(found, value, err_msg=name)


@settings(max_examples=num_examples(12), **_PROPERTY)
@given(feature_sets(), logs())
def test_rows_become_what_the_specs_say(features, rows):
    """Below Beam: read, encode, store in each way, and read again."""
    splits, vocabularies, numbers, typed = expected(features, rows)
    batch = pa.RecordBatch.from_pylist(rows, COLUMNS)
    received, good, reasons = coerce(batch, features)
    assert [rows[place]["row"] for place in good.tolist()] == list(typed)
    assert len(reasons) == len(rows) - len(good)
    for spec in features.features.values():
        if spec.history:
            lists = pa.array([row[spec.name] for row in typed.values()], pa.list_(pa.string()))
            received = received.append_column(spec.name, lists)
    analysis = Analysis(
        vocabulary_sizes={name: len(tokens) for name, tokens in vocabularies.items()},
        numeric={
            name: NumericSummary(count=1, mean=mean, variance=variance, boundaries=boundaries)
            for name, (mean, variance, boundaries) in numbers.items()
        },
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, tokens in vocabularies.items():
            content = "".join(f"{token}\n" for token in tokens)
            Path(folder, f"{name}.txt").write_bytes(content.encode())
        arrays = Encoder(features, analysis, folder)(received)
    columns = columns_of(features)
    wanted = {number: row for rows in splits.values() for number, row in rows.items()}
    arrays = to_arrays(to_batch(arrays, columns), columns)
    assert_rows(arrays, wanted, features)
    block = decode_block(tf.constant(encode_block(arrays, columns)), columns)
    single = decode_rows(tf.constant(encode_rows(arrays, columns)), columns)
    for name, values in arrays.items():
        np.testing.assert_array_equal(block[name], values, err_msg=name, strict=True)
        np.testing.assert_array_equal(single[name], values, err_msg=name, strict=True)


@pytest.mark.slow
@settings(max_examples=num_examples(6), **_PROPERTY)
@given(feature_sets(), logs())
def test_a_bundle_holds_what_the_specs_say(features, rows):
    splits, vocabularies, numbers, typed = expected(features, rows)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log.parquet")
        pq.write_table(pa.Table.from_pylist(rows, COLUMNS), log)
        data = DataConfig(
            source="parquet",
            path=str(log),
            split=SplitConfig(valid_from=SPLITS[0], test_from=SPLITS[1]),
            max_rejected_share=1.0,
            block_rows=4,
            rows_per_shard=9,
            history_partitions=2,
        )
        bundle = build_bundle(features, data, str(Path(folder, "bundle")))
        for name, tokens in vocabularies.items():
            file = Path(bundle.vocabulary_dir, f"{name}.txt")
            assert file.read_bytes().decode() == "".join(f"{token}\n" for token in tokens)
        for name, (mean, variance, boundaries) in numbers.items():
            found = bundle.metadata.analysis.numeric[name]
            np.testing.assert_allclose([found.mean, found.variance], [mean, variance], rtol=1e-9)
            if features.features[name].transform == "quantiles":
                assert list(found.boundaries) == boundaries
        assert bundle.statistics["tables"]["log"]["rejected"] == len(rows) - len(typed)
        for split, wanted in splits.items():
            assert_rows(column_arrays(bundle, split, list(features.features)), wanted, features)
